//! The same rows give the same cells, one by one, from CSV files and from every engine that a node can ask: hostile
//! values, units with too many rows, ties, territories, and questions of every kind.

use almoner_engine::Source;
use almoner_federation::{Manifest, PicoRho};
use almoner_query::Plan;

use crate::common::{Random, csv, folder, manifest, manifest_of, open as open_folder, plan};

/// All cells, or all words of bits, as numbers.
pub async fn answer(source: &Source, plan: &Plan) -> Vec<i64> {
    if plan.sketches().is_empty() {
        return source.cells(plan).await.unwrap_or_else(|error| panic!("{}", error.local_detail())).values;
    }
    let bits = source.bits(plan, &[9; 32]).await.unwrap_or_else(|error| panic!("{}", error.local_detail()));
    bits.values.into_iter().map(u64::cast_signed).collect()
}

pub async fn agree(files: &Source, other: &Source, plan: &Plan, sql: &str) -> bool {
    let (ours, theirs) = (answer(files, plan).await, answer(other, plan).await);
    assert_eq!(ours, theirs, "{sql}\n{:?}", plan.sources());
    ours.iter().any(|cell| *cell != 0)
}

/// Fields beyond those of `questions::row`: what text can hold, and where doubles, integers and dates end.
const MORE: [&[&str]; 6] = [
    &["f", "m ", "\"f\"\"\"", "'", "\\", "\\N", "ﬁ", "f\u{301}", "é", "$1", "%s", "null", "\u{3000}f"],
    &[
        "+7",
        "-0",
        "007",
        "\u{a0}17\u{2003}",
        "17.000",
        "17.",
        ".0",
        "1e1",
        "+",
        "-",
        "17.0.0",
        "99999999999999999999999",
        "٣",
    ],
    &[
        "-9223372036854775809",
        "00000000000000000000000000000000009",
        "9223372036854775807.0",
        "1.5",
        "+9223372036854775807",
    ],
    &[
        "1267650600228229401496703205376",
        "1267650600228229401496703205377",
        "1.2676506002282297e30",
        "2e30",
        "1e308",
        "1e309",
        "5e-324",
        "7.888609052210118e-31",
        "7.888609052210117e-31",
        "1e-9999",
        "1e-10000",
        "1e00001",
        "5.",
        ".5",
        "+.5E+1",
        ".",
        "0x10",
        "1_000",
        "infinity",
        "Nan",
        "-0",
        " 2.5 ",
        "0.1",
        "0.25",
        "0.75",
        "2.675",
        "4999.749999999999999999999999999",
        "179769313486231580793728971405301",
        "1e",
        "e5",
        "12,5",
    ],
    &["T", "YES", "y", "1.0", "0.0", "01", "on", " no ", "N", "F", "TRUE", "tr\u{fc}e"],
    &[
        "0000-01-01",
        "0001-01-01",
        "9999-12-31",
        "10000-01-01",
        "1900-02-29",
        "2000-02-29",
        "2004-2-9",
        "2004-04-31",
        " 2004-04-30 ",
        "infinity",
        "2004-04-30T00:00",
        "1989-12-31",
        "2021-01-01",
    ],
];

/// Ids that are one unit in several spellings, and some that are none.
const IDS: [&str; 14] =
    ["1", " 1", "1.0", "1.000", "01", "-0", "0", "-0.0", "", "  ", "a", "A", "1.5", "\u{2003}é\u{85}"];

fn rows(random: &mut Random, count: usize) -> Vec<String> {
    (0..count)
        .map(|_| {
            let id = if random.once_in(3) {
                (*random.pick(&IDS.each_ref())).to_owned()
            } else {
                random.below(count / 3).to_string()
            };
            if random.once_in(2) {
                return format!("{id},{}", crate::sensitivity::questions::row(random));
            }
            let own = crate::sensitivity::questions::row(random);
            let fields: Vec<String> = own
                .split(',')
                .zip(MORE)
                .map(|(own, more)| {
                    let field = if random.once_in(2) { own } else { random.pick(more) };
                    // Quoted where a comma would end it, and where the database's own CSV reader would see an end.
                    if field.starts_with('"') || !field.contains([',', '\\']) {
                        field.into()
                    } else {
                        format!("\"{field}\"")
                    }
                })
                .collect();
            format!("{id},{}", fields.join(","))
        })
        .collect()
}

pub fn seed() -> u64 {
    std::env::var("ALMONER_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7_000)
}

/// Text columns: every field is read by the node's own rules, in the engine and in files. `open` fills table `people`
/// with text columns from a CSV file and opens it; it is asked so many questions three times.
pub async fn text_means_the_same(questions: usize, open: impl AsyncFn(u32, &Manifest, &[u8]) -> Source) {
    let random = &mut Random(seed());
    let (mut asked, mut told) = (0, 0);
    for round in 0..3 {
        let manifest = manifest(2, 1 + round);
        let text = csv(rows(random, 400));
        let folder = folder(&[("people.csv", &text)]);
        let files = open_folder(folder.path(), &manifest).await.expect("the folder is all right");
        let source = open(round, &manifest, &text).await;
        let (mut ours, theirs) = (files.report().clone(), source.report());
        ours.tables[0].files.clear();
        assert_eq!(&ours, theirs, "seed {}", seed());
        assert!(ours.tables[0].units_over_bound > 20, "{ours}");
        for _ in 0..questions {
            let sql = crate::sensitivity::questions::question(random);
            let Ok(plan) = almoner_query::plan(&manifest, &sql, PicoRho::new(1_000_000_000_000)) else {
                continue;
            };
            asked += 1;
            told += usize::from(agree(&files, &source, &plan, &sql).await);
        }
    }
    assert!(asked > 2 * questions && 2 * told > 3 * questions, "{told} of {asked} questions found anything");
}

/// One question of each kind, over typed columns full of what the types can hold.
const KINDS: [&str; 22] = [
    "SELECT COUNT(*) FROM people",
    "SELECT sex, COUNT(*) FROM people GROUP BY sex",
    "SELECT age, poor, COUNT(*) FROM people GROUP BY age, poor",
    "SELECT EXTRACT(MONTH FROM born), COUNT(*) FROM people GROUP BY EXTRACT(MONTH FROM born)",
    "SELECT COUNT(age), COUNT(sex), COUNT(income), COUNT(poor), COUNT(born) FROM people",
    "SELECT SUM(income), SUM(age), SUM(score) FROM people",
    "SELECT sex, AVG(income), VARIANCE(income), STDDEV_POP(age) FROM people GROUP BY sex",
    "SELECT AVG(income, weight => age), VAR_POP(income, weight => age) FROM people",
    "SELECT POVERTY_HEADCOUNT(income, 400), POVERTY_GAP(income, 400), POVERTY_SEVERITY(income, 400) FROM people",
    "SELECT POVERTY_GAP(income, CASE sex WHEN 'f' THEN 17.5 ELSE 3000 END) FROM people",
    "SELECT MEDIAN(income), PERCENTILE(income, 0.3), GINI(income), S80_S20(income) FROM people",
    "SELECT DECILES(income), AT_RISK_OF_POVERTY(income) FROM people",
    "SELECT MEDIAN(age), MEDIAN(income, weight => age) FROM people",
    "SELECT MPI_HEADCOUNT(1/3, poor, 2/3, income < 250, 1/3), MPI(1/3, poor, 2/3, income < 250, 1/3) FROM people",
    "SELECT SUM(income / 3 + age * 0.1 - score / 1000), AVG(-income) FROM people",
    "SELECT SUM(COALESCE(income, age, 7)), SUM(LEAST(income, age)), SUM(GREATEST(income, 0, age)) FROM people",
    "SELECT COUNT(*) FILTER (WHERE income / age > 3 OR poor), COUNT(*) FILTER (WHERE NOT (sex = 'f')) FROM people",
    "SELECT COUNT(*) FROM people WHERE born BETWEEN DATE '2000-01-01' AND DATE '2010-12-31' AND sex NOT IN ('m', 'x')",
    "SELECT SUM(CASE WHEN poor THEN income WHEN income IS NULL THEN 1 ELSE EXTRACT(YEAR FROM born) END) FROM people",
    "SELECT COUNT(DISTINCT id) AS n FROM people",
    "SELECT sex, COUNT(DISTINCT id) AS n FROM people WHERE age < 40 GROUP BY sex",
    "SELECT COUNT(*) FROM (SELECT id FROM people WHERE age < 40 INTERSECT SELECT id FROM people WHERE sex = 'f')",
];

/// Typed columns give what a CSV file with their export gives, whatever kind of question is asked.
pub async fn typed_means_its_export(manifest: &Manifest, files: &Source, source: &Source) {
    let counts = |source: &Source| {
        let table = &source.report().tables[0];
        (table.rows_read, table.rows_without_unit, table.units, table.units_over_bound, table.rows_over_bound)
    };
    assert_eq!(counts(files), counts(source));
    assert!(counts(files).3 > 3, "{}", files.report());
    for sql in KINDS {
        assert!(agree(files, source, &plan(manifest, sql), sql).await, "{sql} finds nothing");
    }
}

const COUNTIES: &str = r#"[
  { name = "county", type = "text", domain = ["A", "B", "C"] },
  { name = "income", type = "number", min = 0, max = 1000, resolution = 1 },
]"#;
const STAYS: &str = r#"[
  { name = "nights", type = "integer", min = 0, max = 30 },
  { name = "County", type = "text", domain = ["A", "B", "C"] },
]"#;

/// Units are placed where files place them. `open` takes CSV files of people (`id int, county text, income float`), stays
/// (`id int, nights int, county text`) and pupils (`id int, grade int`).
pub async fn placed_where_files_place(open: impl AsyncFn(&Manifest, [&str; 3]) -> Source) {
    let tables = format!(
        "name = \"people\"\nrows_per_unit = 2\ncolumn = {COUNTIES}\n[[table]]\nname = \"stays\"\nrows_per_unit = 3\ncolumn = {STAYS}\n\
         [[table]]\nname = \"pupils\"\nrows_per_unit = 1\ncolumn = [{{ name = \"grade\", type = \"integer\", min = 1, max = 12 }}]\n\
         [territory]\ncolumn = \"county\"\nrho = 10\n"
    );
    let manifest: Manifest = manifest_of(2, "id", 1_000, &tables);
    let random = &mut Random(seed() + 2);
    let county = |random: &mut Random| *random.pick(&[&"A", &"B", &"C", &"C", &"D", &"", &"a"]);
    let (mut people, mut stays) = ("id,county,income\n".to_owned(), "id,nights,county\n".to_owned());
    for _ in 0..300 {
        people += &format!("{},{},{}\n", random.below(90), county(random), random.below(1_200));
        stays += &format!("{},{},{}\n", random.below(90), random.below(40), county(random));
    }
    let pupils = "id,grade\n1,3\n2,4\n";
    let folder = folder(&[
        ("people.csv", people.as_bytes()),
        ("stays.csv", stays.as_bytes()),
        ("pupils.csv", pupils.as_bytes()),
    ]);
    let files = open_folder(folder.path(), &manifest).await.expect("the folder is all right");
    let source = open(&manifest, [&people, &stays, pupils]).await;
    assert_eq!(files.report().territory, source.report().territory);
    assert!(source.report().territory.as_ref().is_some_and(|report| report.rows_elsewhere > 20));
    let mut placed = 0;
    for sql in [
        "SELECT COUNT(*) FROM people WHERE county = 'A'",
        "SELECT COUNT(*) FROM stays WHERE county = 'B'",
        "SELECT COUNT(*), SUM(nights) FROM stays WHERE county IN ('A', 'C')",
        "SELECT county, MEDIAN(income) FROM people WHERE county IN ('B', 'C') GROUP BY county",
        "SELECT COUNT(DISTINCT id) AS n FROM stays WHERE county = 'C'",
        "SELECT county, COUNT(*) FROM people GROUP BY county",
        "SELECT COUNT(*) FROM people WHERE county <> 'A'",
        "SELECT COUNT(grade) FROM pupils",
        "SELECT COUNT(*) FROM (SELECT id FROM people WHERE county = 'A' INTERSECT SELECT id FROM stays WHERE county = 'A')",
    ] {
        let plan = plan(&manifest, sql);
        assert!(agree(&files, &source, &plan, sql).await, "{sql} finds nothing");
        placed += usize::from(plan.territories().is_some());
    }
    assert!(placed >= 5, "{placed} questions ask where units are placed");
}
