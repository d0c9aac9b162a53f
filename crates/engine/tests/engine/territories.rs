//! A question about some territories reads nobody who is placed elsewhere: not a cell and not a bit depends on her.
//! That, and not what conditions say of rows, is what lets territories be charged apart.

use almoner_engine::{Source, TerritoryReport};
use almoner_federation::{Exact, Manifest, PicoRho};
use almoner_query::Plan;
use tempfile::TempDir;

use crate::common::{Random, agency, folder, manifest_of, plan};

const AGENCIES: u32 = 2;
/// Most rows of a unit in each of the two tables.
const PEOPLE: u32 = 2;
const STAYS: u32 = 3;
/// Random federations, and questions to each.
const ROUNDS: u64 = 6;
const QUESTIONS: usize = 12;
/// More than any question here needs.
const RHO: PicoRho = PicoRho::new(1_000_000_000_000);

const PEOPLE_COLUMNS: &str = r#"[
  { name = "county", type = "text", domain = ["A", "B", "C"] },
  { name = "home", type = "text", domain = ["A", "B", "C"] },
  { name = "income", type = "number", min = 0, max = 1000, resolution = 1 },
  { name = "poor", type = "boolean" },
]"#;
const STAYS_COLUMNS: &str = r#"[
  { name = "nights", type = "integer", min = 0, max = 30 },
  { name = "County", type = "text", domain = ["A", "B", "C"] },
]"#;

/// Two tables with the territory's column and one without.
fn tables() -> String {
    format!(
        "name = \"people\"\nrows_per_unit = {PEOPLE}\ncolumn = {PEOPLE_COLUMNS}\n\
         [[table]]\nname = \"stays\"\nrows_per_unit = {STAYS}\ncolumn = {STAYS_COLUMNS}\n\
         [[table]]\nname = \"pupils\"\nrows_per_unit = 1\ncolumn = [{{ name = \"grade\", type = \"integer\", min = 1, max = 12 }}]\n"
    )
}

fn divided() -> Manifest {
    manifest_of(AGENCIES, "id", 1_000, &format!("{}[territory]\ncolumn = \"county\"\nrho = 10\n", tables()))
}

/// The same without territories: its plans have the same statements but for the condition on placement.
fn undivided() -> Manifest {
    manifest_of(AGENCIES, "id", 1_000, &tables())
}

/// One agency's rows: of `people` and of `stays`, each beginning with the unit's id.
#[derive(Clone, Default)]
struct Rows {
    people: Vec<String>,
    stays: Vec<String>,
}

impl Rows {
    fn of(people: &[&str], stays: &[&str]) -> Rows {
        let own = |rows: &[&str]| rows.iter().map(|row| (*row).to_owned()).collect();
        Rows { people: own(people), stays: own(stays) }
    }

    fn and(&self, more: &Rows) -> Rows {
        Rows {
            people: [self.people.clone(), more.people.clone()].concat(),
            stays: [self.stays.clone(), more.stays.clone()].concat(),
        }
    }

    /// One row to two more than each bound, in counties and in none.
    fn random(random: &mut Random, id: &str) -> Rows {
        let mut rows = Rows::default();
        // Most units live somewhere.
        let home: &str = random.pick(&["A", "B", "C"]);
        let county = |random: &mut Random| {
            if random.once_in(2) { home } else { random.pick(&["A", "B", "C", "A", "B", "C", "D", "A ", ""]) }
        };
        for _ in 0..=random.below(PEOPLE as usize + 2) {
            let (county, home) = (county(random), random.pick(&["A", "B", "C"]));
            let income = random.pick(&["0", "1000", "1", "400", "-7", "1e9", "", "n/a"]);
            rows.people
                .push(format!("{id},{county},{home},{income},{}", random.pick(&["true", "false", ""])));
        }
        for _ in 0..=random.below(STAYS as usize + 2) {
            rows.stays.push(format!("{id},{},{}", random.pick(&["0", "30", "7", "99", ""]), county(random)));
        }
        rows
    }

    fn shuffled(mut self, random: &mut Random) -> Rows {
        random.shuffle(&mut self.people);
        random.shuffle(&mut self.stays);
        self
    }
}

/// An agency over these rows. What it reads stays in memory; the folder goes.
async fn open(manifest: &Manifest, number: u32, rows: &Rows) -> Source {
    let text = |header: &str, rows: &[String]| format!("{header}\n{}\n", rows.join("\n")).into_bytes();
    let folder: TempDir = folder(&[
        ("people.csv", &text("id,county,home,income,poor", &rows.people)),
        ("stays.csv", &text("id,nights,county", &rows.stays)),
        ("pupils.csv", b"id,grade\n"),
    ]);
    Source::open(folder.path(), manifest, &agency(number), &[number as u8; 32]).await.expect("sound files")
}

/// What the agency computes: cells, or the bits of sketches as 0 and 1.
async fn answer(source: &Source, plan: &Plan) -> Vec<i64> {
    if plan.sketches().is_empty() {
        let mut cells = source.cells(plan).await.expect("rows cannot raise errors").values;
        plan.encode(&mut cells);
        return cells;
    }
    let words = source.bits(plan, &[9; 32]).await.expect("rows cannot raise errors").values;
    words.iter().flat_map(|word| (0..64).map(move |bit| (word >> bit & 1) as i64)).collect()
}

/// Where an agency places the one unit that it holds: of the three questions about one county in either table, only
/// those about this county find a row.
async fn placement(manifest: &Manifest, number: u32, unit: &Rows) -> Option<u16> {
    let alone = open(manifest, number, unit).await;
    let mut found = Vec::new();
    for (county, name) in (0u16..).zip(["A", "B", "C"]) {
        let mut rows = 0;
        for table in ["people", "stays"] {
            let plan = plan(manifest, &format!("SELECT COUNT(*) FROM {table} WHERE county = '{name}'"));
            assert_eq!(plan.territories(), Some(&[county][..]));
            rows += answer(&alone, &plan).await[0];
        }
        if rows > 0 {
            found.push(county);
        }
    }
    assert!(found.len() <= 1, "placed in {found:?}");
    found.first().copied()
}

fn condition(random: &mut Random) -> String {
    let (one, other) = (random.pick(&["A", "B", "C"]), random.pick(&["A", "B", "C"]));
    match random.below(6) {
        0 | 1 => format!("county = '{one}'"),
        2 => format!("county IN ('{one}', '{other}')"),
        3 => format!("(county = '{one}' OR county = '{other}')"),
        4 => format!("NOT (county <> '{one}')"),
        _ => format!("county IN ('{one}', '{other}') AND NOT county = 'D'"),
    }
}

/// A random question, restricted unless it names every county.
fn question(random: &mut Random) -> String {
    let set = |random: &mut Random| {
        format!("SELECT id FROM {} WHERE {}", random.pick(&["people", "stays"]), condition(random))
    };
    match random.below(8) {
        0 | 1 => {
            let word = random.pick(&["UNION", "INTERSECT", "EXCEPT"]);
            format!("SELECT COUNT(*) FROM ({} {word} {})", set(random), set(random))
        }
        2 => format!("SELECT COUNT(DISTINCT id) AS n FROM people WHERE {}", condition(random)),
        3 => format!("SELECT SUM(nights), COUNT(*) AS n FROM stays WHERE {}", condition(random)),
        4 => format!("SELECT county, AVG(nights) FROM stays WHERE {} GROUP BY county", condition(random)),
        5 => format!("SELECT home, COUNT(*) FROM people WHERE {} AND poor GROUP BY home", condition(random)),
        6 => format!("SELECT MEDIAN(income), STDDEV(income) FROM people WHERE {}", condition(random)),
        _ => format!(
            "SELECT COUNT(*), POVERTY_GAP(income, 400) AS gap FROM people WHERE {}",
            condition(random)
        ),
    }
}

/// By how much a block of cells moved, squared.
fn square(plan: &Plan, first: usize, count: usize, change: &[i128]) -> Exact {
    let cells = change.chunks(plan.width()).flat_map(|cell| &cell[first..first + count]);
    cells.map(|step| Exact::from(*step) * Exact::from(*step)).fold(Exact::ZERO, |sum, square| sum + square)
}

/// One unit at one agency, and one restricted question.
struct Movement {
    /// Whether the agency places the unit in a territory that the question touches.
    inside: bool,
    moved: bool,
    /// Whether it moves the same question without the condition on placement.
    moved_unfiltered: bool,
}

/// Moves one unit through every federation and restricted question that the seed gives.
async fn movements(seed: u64) -> Vec<Movement> {
    let (manifest, undivided) = (divided(), undivided());
    let mut movements = Vec::new();
    for round in 0..ROUNDS {
        let random = &mut Random(seed + round);
        let mut agencies = Vec::new();
        for number in 1..=AGENCIES {
            let mut rows = Rows::default();
            for id in 0..3 + random.below(5) {
                rows = rows.and(&Rows::random(random, &id.to_string()));
            }
            let unit = Rows::random(random, "unit");
            let with = open(&manifest, number, &rows.and(&unit).shuffled(random)).await;
            let without = open(&manifest, number, &rows).await;
            agencies.push((with, without, placement(&manifest, number, &unit).await));
        }
        for _ in 0..QUESTIONS {
            let sql = question(random);
            // A set less itself is refused: nobody is in it.
            let Ok(restricted) = almoner_query::plan(&manifest, &sql, RHO) else { continue };
            let Some(territories) = restricted.territories() else { continue };
            let unfiltered = plan(&undivided, &sql);
            let mut together = [vec![0; 0], vec![0; 0]];
            for (with, without, placement) in &agencies {
                let answers = [answer(with, &restricted).await, answer(without, &restricted).await];
                movements.push(Movement {
                    inside: placement.is_some_and(|own| territories.contains(&own)),
                    moved: answers[0] != answers[1],
                    moved_unfiltered: answer(with, &unfiltered).await != answer(without, &unfiltered).await,
                });
                for (together, answer) in together.iter_mut().zip(answers) {
                    together.resize(answer.len(), 0);
                    let bits = !restricted.sketches().is_empty();
                    let add = |a: i64, b: i64| if bits { a | b } else { a.wrapping_add(b) };
                    together.iter_mut().zip(answer).for_each(|(all, one)| *all = add(*all, one));
                }
            }
            // Both agencies together never move by more than the plan says, wherever they place the unit.
            let story = format!("seed {seed}, round {round}: {sql}");
            let [with, without] = together;
            let change: Vec<i128> =
                with.iter().zip(&without).map(|(a, b)| i128::from(a.wrapping_sub(*b))).collect();
            for block in restricted.blocks() {
                let bound = Exact::from(block.d2) * Exact::from(block.d2);
                assert!(square(&restricted, block.first, block.count, &change) <= bound, "{story}");
            }
            // These have one cell, and a unit has one bucket of each sketch in it.
            let bits = change.iter().filter(|step| **step != 0).count();
            assert!(restricted.sketches().is_empty() || bits <= restricted.sketches().len(), "{story}");
            let nowhere = movements.iter().rev().take(agencies.len()).all(|one| !one.inside);
            assert!(!nowhere || bits == 0, "{story}");
        }
    }
    movements
}

/// A seed of one's own replays a failure or searches on: `ALMONER_TEST_SEED=7 cargo test ...`.
fn seed() -> u64 {
    std::env::var("ALMONER_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(4_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_placed_elsewhere_changes_no_cell_and_no_bit() {
    let (inside, elsewhere): (Vec<Movement>, Vec<Movement>) =
        movements(seed()).await.into_iter().partition(|one| one.inside);
    let moved = |all: &[Movement]| all.iter().filter(|one| one.moved).count();
    assert_eq!(moved(&elsewhere), 0, "of {}", elsewhere.len());
    // It is not for want of rows: without the condition on placement the same questions read them.
    let read = elsewhere.iter().filter(|one| one.moved_unfiltered).count();
    assert!(
        read > 0 && moved(&inside) > 0,
        "{read} of {}, {} of {}",
        elsewhere.len(),
        moved(&inside),
        inside.len()
    );
}

async fn count(source: &Source, manifest: &Manifest, sql: &str) -> i64 {
    answer(source, &plan(manifest, sql)).await[0]
}

/// A random condition in which the county may stand anywhere.
fn nested(random: &mut Random, depth: usize) -> String {
    let value = |random: &mut Random| *random.pick(&[&"A", &"B", &"C", &"D", &"a", &""]);
    let column = |random: &mut Random| *random.pick(&[&"county", &"county", &"county", &"home"]);
    if depth == 0 || random.once_in(5) {
        return match random.below(8) {
            0..3 => format!("{} = '{}'", column(random), value(random)),
            3 => format!("'{}' <> {}", value(random), column(random)),
            4 => format!("{} IN ('{}', '{}')", column(random), value(random), value(random)),
            5 => format!("{} NOT IN ('{}', '{}')", column(random), value(random), value(random)),
            6 => random.pick(&["TRUE", "FALSE", "poor", "county IS NULL", "county = home"]).to_owned(),
            _ => format!("CASE WHEN poor THEN county = '{}' ELSE FALSE END", value(random)),
        };
    }
    match random.below(5) {
        0 => format!("NOT ({})", nested(random, depth - 1)),
        1 | 2 => format!("({}) AND ({})", nested(random, depth - 1), nested(random, depth - 1)),
        3 => format!("({}) OR ({})", nested(random, depth - 1), nested(random, depth - 1)),
        _ => format!(
            "({}) AND ({}) AND county IN ('A', 'B')",
            nested(random, depth - 1),
            nested(random, depth - 1)
        ),
    }
}

/// Of units with one row each no row is elsewhere, so that what a condition touches must be all that it lets through:
/// the restricted question finds as many rows as the one that reads everything.
#[tokio::test]
async fn a_condition_lets_through_nobody_outside_of_what_it_touches() {
    let (divided, undivided) = (divided(), undivided());
    let mut people = Vec::new();
    for county in ["A", "B", "C", "D", "a", ""] {
        for home in ["A", "B", "C", "D", ""] {
            for poor in ["true", "false", ""] {
                people.push(format!("{},{county},{home},1,{poor}", people.len()));
            }
        }
    }
    let source = open(&divided, 1, &Rows { people, stays: Vec::new() }).await;
    let random = &mut Random(seed());
    let (mut restricted, mut found) = (0, 0);
    for _ in 0..400 {
        let sql = format!("SELECT COUNT(*) FROM people WHERE {}", nested(random, 4));
        let plans = [plan(&divided, &sql), plan(&undivided, &sql)];
        if plans[0].territories().is_none() {
            continue;
        }
        let [some, all] = [answer(&source, &plans[0]).await[0], answer(&source, &plans[1]).await[0]];
        assert_eq!(some, all, "{sql} touches {:?}", plans[0].territories());
        restricted += 1;
        found += i32::from(some > 0);
    }
    assert!(restricted > 40 && found > 25, "{restricted} of 400 are restricted, {found} find somebody");
}

const COUNTIES: [&str; 3] = ["A", "B", "C"];

/// How many rows of both tables a question about each county reads.
async fn read(source: &Source, manifest: &Manifest) -> [i64; 3] {
    let mut found = [0; 3];
    for (county, rows) in COUNTIES.iter().zip(&mut found) {
        for table in ["people", "stays"] {
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE county = '{county}'");
            *rows += count(source, manifest, &sql).await;
        }
    }
    found
}

#[tokio::test]
async fn a_unit_is_placed_where_most_of_its_rows_are_and_among_equals_in_the_first() {
    let manifest = divided();
    for (people, stays, expected) in [
        (&["1,B,,,"][..], &[][..], [0, 1, 0]),
        (&[], &["1,,B"], [0, 1, 0]),
        // Tables count together.
        (&["1,A,,,"], &["1,,B", "1,,B"], [0, 2, 0]),
        (&["1,A,,,", "1,A,,,"], &["1,,C"], [2, 0, 0]),
        // The first of the domain among equals, in whatever order they stand.
        (&["1,C,,,", "1,B,,,"], &[], [0, 1, 0]),
        (&["1,C,,,"], &["1,,A"], [1, 0, 0]),
        (&["1,C,,,", "1,B,,,"], &["1,,A", "1,,B", "1,,C"], [0, 2, 0]),
        // What is no county has no say, however often it stands there.
        (&["1,D,,,", "1,D,,,"], &["1,,", "1,,c", "1,,C"], [0, 0, 1]),
        (&["1,D,,,"], &["1,,", "1,,a", "1,, A"], [0, 0, 0]),
        // Each unit by itself.
        (&["1,A,,,", "2,B,,,", "1.0,A,,,"], &["2,,C", "3,,C", "2,,C"], [2, 0, 3]),
    ] {
        let rows = Rows::of(people, stays);
        assert_eq!(read(&open(&manifest, 1, &rows).await, &manifest).await, expected, "{people:?} {stays:?}");
        let mut backwards = rows;
        backwards.people.reverse();
        backwards.stays.reverse();
        assert_eq!(read(&open(&manifest, 1, &backwards).await, &manifest).await, expected);
    }
}

/// Rows beyond a table's bound have no say: a thousand rows of one table place nobody against the rows that count.
#[tokio::test]
async fn only_rows_within_the_bound_place_a_unit() {
    let manifest = divided();
    let many = vec!["1,A,,,"; 50];
    let source = open(&manifest, 1, &Rows::of(&many, &["1,,B", "1,,B", "1,,B"])).await;
    assert_eq!(read(&source, &manifest).await, [0, 3, 0]);
}

#[tokio::test]
async fn rows_elsewhere_are_read_by_questions_about_both_or_all() {
    let manifest = divided();
    // 1 is placed in A, 2 in C, 3 in B, 4 nowhere.
    let rows = Rows::of(
        &["1,A,,,", "1,B,,,", "2,C,,,", "3,B,,,", "3,D,,,", "4,D,,,", "4,,,,"],
        &["1,,A", "2,,C", "2,,A", "2,,C"],
    );
    let source = open(&manifest, 1, &rows).await;
    assert_eq!(read(&source, &manifest).await, [2, 1, 3]);
    for (condition, people) in [
        ("county IN ('A', 'B')", 3),
        ("county IN ('A', 'C')", 2),
        ("county = 'B'", 1),
        // Touching all, they read who is placed elsewhere or nowhere.
        ("county = 'B' OR 1 = 0", 2),
        ("county = 'D'", 2),
        ("county <> 'A'", 5),
        ("1 = 1", 7),
    ] {
        let found =
            count(&source, &manifest, &format!("SELECT COUNT(*) FROM people WHERE {condition}")).await;
        assert_eq!(found, people, "{condition}");
    }
    let grouped = plan(&manifest, "SELECT county, COUNT(*) FROM people GROUP BY county");
    assert_eq!(answer(&source, &grouped).await, [1, 2, 1]);

    let report = source.report();
    let expected =
        TerritoryReport { column: "county".into(), units_in_several: 2, rows_elsewhere: 2, units_nowhere: 1 };
    assert_eq!(report.territory.as_ref(), Some(&expected));
    let text = report.to_string();
    assert!(
        text.contains("\nterritories by county: 2 units have rows in several; 2 of their rows "),
        "{text}"
    );
    assert!(text.contains("\n  1 units have no row in any"), "{text}");
}

#[tokio::test]
async fn without_territories_nothing_changes() {
    let (plain, divided) = (undivided(), divided());
    let random = &mut Random(5);
    let rows = (0..40).fold(Rows::default(), |rows, id| rows.and(&Rows::random(random, &id.to_string())));
    let (one, other) = (open(&plain, 1, &rows).await, open(&divided, 1, &rows).await);
    assert_eq!(one.report().territory, None);
    assert!(!one.report().to_string().contains("territor"));
    assert_eq!(one.report().tables, other.report().tables);
    let count = plan(&plain, "SELECT COUNT(*) FROM people");
    let taken = async |source: &Source| source.cells(&count).await.expect("an answer");
    assert_eq!(taken(&one).await, taken(&other).await, "the same files");
    for sql in [
        "SELECT county, home, COUNT(*), MEDIAN(income) FROM people GROUP BY county, home",
        "SELECT SUM(nights), COUNT(*) AS n FROM stays",
        "SELECT COUNT(grade) FROM pupils",
    ] {
        let plans = [plan(&plain, sql), plan(&divided, sql)];
        assert_eq!(plans[0].describe(), plans[1].describe());
        assert_eq!(answer(&one, &plans[0]).await, answer(&other, &plans[1]).await, "{sql}");
    }
}

/// Two agencies may place one unit differently. It then is in two territories, for which the ledger's rule provides:
/// a question about one of them reads it at one agency.
#[tokio::test]
async fn agencies_that_disagree_each_answer_for_their_own() {
    let manifest = divided();
    assert_eq!(manifest.placements(), 2);
    let here = open(&manifest, 1, &Rows::of(&["1,A,,100,true", "1,A,,100,true"], &["1,7,B"])).await;
    let there = open(&manifest, 2, &Rows::of(&["1,A,,100,true"], &["1,7,B", "1,7,B"])).await;
    let about = |county: &str| {
        ["people", "stays"].map(|table| {
            let count = plan(&manifest, &format!("SELECT COUNT(*) FROM {table} WHERE county = '{county}'"));
            let units = plan(
                &manifest,
                &format!("SELECT COUNT(DISTINCT id) AS n FROM {table} WHERE county = '{county}'"),
            );
            [count, units]
        })
    };
    for (source, county, people, stays) in
        [(&here, "A", 2, 0), (&here, "B", 0, 0), (&there, "A", 0, 0), (&there, "B", 0, 2)]
    {
        for ([count, units], rows) in about(county).into_iter().zip([people, stays]) {
            assert_eq!(answer(source, &count).await, [rows], "{county}");
            let bits: i64 = answer(source, &units).await.iter().sum();
            assert_eq!(bits, i64::from(rows > 0), "{county}");
        }
    }
    // A question about both reads it at both, all rows.
    let both = plan(&manifest, "SELECT COUNT(*) FROM stays WHERE county IN ('A', 'B')");
    assert_eq!((answer(&here, &both).await, answer(&there, &both).await), (vec![1], vec![2]));
}
