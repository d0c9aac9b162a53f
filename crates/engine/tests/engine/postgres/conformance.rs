//! The same rows give the same cells, one by one, from CSV files and from PostgreSQL: hostile values, units with too
//! many rows, ties, territories, and questions of every kind.

use almoner_engine::Source;
use almoner_federation::{Manifest, PicoRho};
use almoner_query::Plan;

use crate::common::{HEADER, Random, csv, folder, manifest, manifest_of, open as open_folder, plan};
use crate::postgres::server::shared;
use crate::sensitivity::questions;

/// All cells, or all words of bits, as numbers.
async fn answer(source: &Source, plan: &Plan) -> Vec<i64> {
    if plan.sketches().is_empty() {
        return source.cells(plan).await.unwrap_or_else(|error| panic!("{}", error.local_detail())).values;
    }
    let bits = source.bits(plan, &[9; 32]).await.unwrap_or_else(|error| panic!("{}", error.local_detail()));
    bits.values.into_iter().map(u64::cast_signed).collect()
}

async fn agree(files: &Source, database: &Source, plan: &Plan, sql: &str) -> bool {
    let (ours, theirs) = (answer(files, plan).await, answer(database, plan).await);
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
                return format!("{id},{}", questions::row(random));
            }
            let own = questions::row(random);
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

fn seed() -> u64 {
    std::env::var("ALMONER_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7_000)
}

/// Text columns: every field is read by the node's own rules, in the database and in files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_means_the_same_everywhere() {
    let Some(server) = shared() else { return };
    let random = &mut Random(seed());
    let (mut asked, mut told) = (0, 0);
    for round in 0..3 {
        let rows_per_unit = 1 + round;
        let manifest = manifest(2, rows_per_unit);
        let lines = rows(random, 400);
        let text = csv(&lines);
        let folder = folder(&[("people.csv", &text)]);
        let database = server.database(&format!("text_{round}")).await;
        let columns: Vec<String> = HEADER.split(',').map(|name| format!("{name} text")).collect();
        // A collation in which neither order nor equality is that of bytes.
        database
            .run("CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)")
            .await;
        database.fill("people", &columns.join(", "), &text).await;
        database
            .run("ALTER TABLE people ALTER sex TYPE text COLLATE loose, ALTER id TYPE text COLLATE loose")
            .await;
        database.grant().await;
        let files = open_folder(folder.path(), &manifest).await.expect("the folder is all right");
        let source = database.open(&manifest).await.expect("the database is all right");
        let (mut ours, theirs) = (files.report().clone(), source.report());
        ours.tables[0].files.clear();
        assert_eq!(&ours, theirs, "seed {}", seed());
        assert!(ours.tables[0].units_over_bound > 20, "{ours}");
        for _ in 0..60 {
            let sql = questions::question(random);
            let Ok(plan) = almoner_query::plan(&manifest, &sql, PicoRho::new(1_000_000_000_000)) else {
                continue;
            };
            asked += 1;
            told += usize::from(agree(&files, &source, &plan, &sql).await);
        }
    }
    assert!(asked > 120 && told > 90, "{told} of {asked} questions found anything");
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

/// A column's name and type, and its values, each as SQL and as a file holds it.
type Typed = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What typed columns hold.
const TYPED: [Typed; 7] = [
    (
        "id",
        "numeric",
        &[
            ("1", "1"),
            ("1.0", "1.0"),
            ("2", "2"),
            ("3.50", "3.50"),
            ("-7", "-7"),
            ("NULL", ""),
            ("12345678901234567890", "12345678901234567890"),
        ],
    ),
    ("sex", "char(3)", &[("'f'", "f"), ("'m  '", "m"), ("' f'", " f"), ("''", ""), ("NULL", "")]),
    (
        "age",
        "numeric",
        &[
            ("17", "17"),
            ("34.000", "34.000"),
            ("34.5", "34.5"),
            ("'NaN'", "NaN"),
            ("'Infinity'", "inf"),
            ("1e30", "1e30"),
            ("-1", "-1"),
            ("NULL", ""),
        ],
    ),
    (
        "score",
        "bigint",
        &[
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("0", "0"),
            ("-3", "-3"),
            ("NULL", ""),
        ],
    ),
    (
        "income",
        "double precision",
        &[
            ("0.25", "0.25"),
            ("-0.25", "-0.25"),
            ("0.75", "0.75"),
            ("'-0'", "-0.0"),
            ("'NaN'", "NaN"),
            ("'Infinity'", "inf"),
            ("'-Infinity'", "-inf"),
            ("1e308", "1e308"),
            ("5e-324", "5e-324"),
            ("4999.75", "4999.75"),
            ("120.1", "120.1"),
            ("1267650600228229401496703205376", "1267650600228229401496703205376"),
            ("-1e31", "-1e31"),
            ("1e-31", "1e-31"),
            ("7.888609052210118e-31", "7.888609052210118e-31"),
            ("NULL", ""),
        ],
    ),
    ("poor", "boolean", &[("TRUE", "true"), ("FALSE", "false"), ("NULL", "")]),
    (
        "born",
        "date",
        &[
            ("'2000-02-29'", "2000-02-29"),
            ("'0001-01-01'", "0001-01-01"),
            ("'9999-12-31'", "9999-12-31"),
            ("'infinity'", "infinity"),
            ("'-infinity'", "-infinity"),
            ("'0001-12-31 BC'", "0000-12-31"),
            ("'10000-01-01'", "10000-01-01"),
            ("'2005-06-07'", "2005-06-07"),
            ("NULL", ""),
        ],
    ),
];

/// Other types that mean the same, column by column.
const CASTS: [&str; 3] = [
    "SELECT * FROM people",
    "SELECT id, CAST(sex AS text) AS SEX, age, CAST(score AS numeric) AS score, CAST(income AS text) AS income,
       CAST(CAST(poor AS int) AS numeric) AS poor, CAST(born AS timestamp) + INTERVAL '0 hours' AS born FROM people",
    "SELECT CAST(id AS text) AS id, CAST(sex AS varchar) AS sex, CAST(age AS text) AS age, CAST(score AS text) AS score,
       income, CAST(CAST(poor AS int) AS text) AS poor, CAST(born AS text) AS born FROM people -- with a comment",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_columns_mean_what_their_export_means() {
    let Some(server) = shared() else { return };
    let random = &mut Random(seed() + 1);
    let manifest = manifest(2, 2);
    let database = server.database("typed").await;
    let columns: Vec<String> = TYPED.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
    database.run(&format!("CREATE TABLE people ({})", columns.join(", "))).await;
    let (mut inserts, mut lines) = (Vec::new(), Vec::new());
    for _ in 0..600 {
        let (mut values, mut fields) = (Vec::new(), Vec::new());
        for (_, kind, all) in &TYPED {
            let (value, field) = all[random.below(all.len())];
            values.push(format!("CAST({value} AS {kind})"));
            fields.push(field);
        }
        // Else all would be units with far too many rows.
        if random.once_in(2) {
            let id = random.below(200).to_string();
            values[0] = id.clone();
            lines.push(format!("{id},{}", fields[1..].join(",")));
        } else {
            lines.push(fields.join(","));
        }
        inserts.push(format!("({})", values.join(", ")));
    }
    database.run(&format!("INSERT INTO people VALUES {}", inserts.join(", "))).await;
    database.grant().await;
    let folder = folder(&[("people.csv", &csv(&lines))]);
    let files = open_folder(folder.path(), &manifest).await.expect("the folder is all right");
    for cast in CASTS {
        let source = database
            .mapped(&manifest, "people", cast)
            .await
            .unwrap_or_else(|error| panic!("{cast}: {error}"));
        let (ours, theirs) = (&files.report().tables[0], &source.report().tables[0]);
        assert_eq!(
            (ours.rows_read, ours.rows_without_unit, ours.units, ours.units_over_bound, ours.rows_over_bound),
            (
                theirs.rows_read,
                theirs.rows_without_unit,
                theirs.units,
                theirs.units_over_bound,
                theirs.rows_over_bound
            ),
        );
        assert!(ours.units_over_bound > 3, "{ours}");
        for sql in KINDS {
            let found = agree(&files, &source, &plan(&manifest, sql), sql).await;
            assert!(found, "{sql} finds nothing");
        }
    }
}

/// A unique unit needs no bounding, and everything that may repeat one gets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_surely_unique_goes_unbounded() {
    let Some(server) = shared() else { return };
    let table = "name = \"people\"\nrows_per_unit = 1\ncolumn = [{ name = \"age\", type = \"integer\", min = 0, max = 120 }]\n";
    let manifest = manifest_of(2, "id", 1_000, table);
    let database = server.database("uniqueness").await;
    database
        .run(
            "CREATE TABLE keyed (id int PRIMARY KEY, age int, twice int[] DEFAULT '{1,2}');
             INSERT INTO keyed SELECT i, i % 100 FROM generate_series(1, 100) i;
             CREATE TABLE more (id int, age int); INSERT INTO more SELECT i, 1 FROM generate_series(50, 60) i;
             CREATE TABLE words (id text UNIQUE, age int); INSERT INTO words VALUES ('1', 3), ('1.0', 4), (' 1', 5);
             CREATE TABLE partly (id int, age int); CREATE UNIQUE INDEX ON partly (id) WHERE age > 9; INSERT INTO partly VALUES (1, 1), (1, 2), (2, 10);
             CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED, age int); INSERT INTO late VALUES (1, 1), (2, 2);
             CREATE TABLE heir () INHERITS (keyed); INSERT INTO heir VALUES (1, 7), (1, 8);
             CREATE TABLE pairs (id int, age int, UNIQUE (id, age)); INSERT INTO pairs VALUES (1, 1), (1, 2);
             CREATE TABLE ids (id uuid PRIMARY KEY, age int); INSERT INTO ids VALUES (gen_random_uuid(), 1), (gen_random_uuid(), 2)",
        )
        .await;
    database.grant().await;
    let count = plan(&manifest, "SELECT COUNT(*) FROM people");
    for (select, kept) in [
        ("SELECT * FROM more", 11),
        ("SELECT id, age FROM ONLY keyed", 100),
        ("SELECT id, age FROM keyed", 100),
        ("SELECT id, age FROM more UNION ALL SELECT id, age FROM more", 11),
        ("SELECT m.id, k.age FROM more m, ONLY keyed k WHERE k.id < 5", 11),
        ("SELECT k.id, k.age FROM more m, ONLY keyed k WHERE k.id < 5", 4),
        ("SELECT id, unnest(twice) AS age FROM ONLY keyed", 100),
        ("SELECT id / 10 AS id, age FROM ONLY keyed", 11),
        ("SELECT age AS id, id AS age FROM ONLY keyed", 100),
        ("SELECT * FROM words", 1),
        ("SELECT * FROM partly", 2),
        ("SELECT * FROM late", 2),
        ("SELECT * FROM pairs", 1),
        ("SELECT * FROM ids", 2),
        ("WITH people AS (SELECT id, age FROM more) SELECT * FROM people ORDER BY age", 11),
    ] {
        let source = database
            .mapped(&manifest, "people", select)
            .await
            .unwrap_or_else(|error| panic!("{select}: {error}"));
        assert_eq!(answer(&source, &count).await, [kept], "{select}");
        assert_eq!(source.report().tables[0].units, kept as u64, "{select}");
    }

    // The proof is asked for again in each snapshot.
    database.run("DROP TABLE heir; CREATE TABLE alone (id int PRIMARY KEY, age int); INSERT INTO alone VALUES (1, 1), (2, 2)").await;
    database.grant().await;
    let source = database.mapped(&manifest, "people", "SELECT * FROM alone").await.expect("all right");
    assert_eq!(answer(&source, &count).await, [2]);
    database
        .run("ALTER TABLE alone DROP CONSTRAINT alone_pkey; INSERT INTO alone VALUES (1, 3), (1, 4)")
        .await;
    assert_eq!(answer(&source, &count).await, [2]);
}

const COUNTIES: &str = r#"[
  { name = "county", type = "text", domain = ["A", "B", "C"] },
  { name = "income", type = "number", min = 0, max = 1000, resolution = 1 },
]"#;
const STAYS: &str = r#"[
  { name = "nights", type = "integer", min = 0, max = 30 },
  { name = "County", type = "text", domain = ["A", "B", "C"] },
]"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_are_placed_where_files_place_them() {
    let Some(server) = shared() else { return };
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
    let database = server.database("territories").await;
    database.fill("people", "id int, county text, income float8", people.as_bytes()).await;
    database.fill("stays", "id int, nights int, county varchar(9)", stays.as_bytes()).await;
    database.fill("pupils", "id int, grade int", pupils.as_bytes()).await;
    database.grant().await;
    let files = open_folder(folder.path(), &manifest).await.expect("the folder is all right");
    // The agency's own table of another name is not mistaken for the manifest's, nor the other way round.
    let mut access = database.access();
    access.tables.insert("people".into(), "SELECT id, county, income FROM people".into());
    access.tables.insert(
        "stays".into(),
        "SELECT s.id, s.nights, s.county FROM stays s WHERE EXISTS (SELECT 1 FROM people) OR TRUE".into(),
    );
    let source = crate::postgres::server::open(&access, &manifest).await.expect("the database is all right");
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

/// So many units over the bound that the database has to find them within each statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_units_may_have_too_many_rows() {
    let Some(server) = shared() else { return };
    let table = "name = \"people\"\nrows_per_unit = 2\ncolumn = [{ name = \"age\", type = \"integer\", min = 0, max = 99, bands = [0, 50] }]\n";
    let manifest = manifest_of(2, "id", 100_000, table);
    let random = &mut Random(seed() + 3);
    let mut lines = String::from("id,age\n");
    for id in 0..11_000 {
        for _ in 0..if id < 10_500 { 3 } else { 1 } {
            lines += &format!("{id},{}\n", random.below(100));
        }
    }
    let folder = folder(&[("people.csv", lines.as_bytes())]);
    let files = open_folder(folder.path(), &manifest).await.expect("the folder is all right");
    let database = server.database("many_over").await;
    database.fill("people", "id int, age int", lines.as_bytes()).await;
    database.grant().await;
    for select in ["SELECT * FROM people", "SELECT CAST(id AS text) AS id, age FROM people"] {
        let source = database.mapped(&manifest, "people", select).await.expect("all right");
        assert_eq!(source.report().tables[0].units_over_bound, 10_500);
        for sql in ["SELECT COUNT(*), SUM(age) FROM people", "SELECT age, COUNT(*) FROM people GROUP BY age"]
        {
            assert!(agree(&files, &source, &plan(&manifest, sql), sql).await);
        }
    }
}
