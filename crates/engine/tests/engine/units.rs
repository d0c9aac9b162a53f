//! Units become bits: one bucket of a sketch in each cell that a unit is in, whichever agencies hold it and however
//! often. By how much one unit can change what all agencies together set is what its price rests on.

use std::collections::BTreeSet;

use almoner_engine::Source;
use almoner_federation::Manifest;
use almoner_query::Plan;

use crate::common::{Random, agency, csv, folder, manifest, plan};

const AGENCIES: u32 = 3;
const ROWS: u32 = 2;

/// A row of `people`: id, sex, age.
type Row = (usize, &'static str, usize);

/// The bits that the agencies set together.
async fn together(manifest: &Manifest, plan: &Plan, tables: &[Vec<Row>]) -> Vec<u64> {
    let mut all = vec![0; plan.dimension()];
    for (number, rows) in (1..).zip(tables) {
        let lines = rows.iter().map(|(id, sex, age)| format!("{id},{sex},{age},,,,"));
        let files = folder(&[("people.csv", &csv(lines))]);
        let source =
            Source::open(files.path(), manifest, &agency(number), &[7; 32]).await.expect("sound files");
        let bits = source.bits(plan, &[9; 32]).await.expect("the question can be answered").values;
        all.iter_mut().zip(bits).for_each(|(all, bits)| *all |= bits);
    }
    all
}

#[tokio::test]
async fn one_unit_changes_one_bucket_in_each_cell_that_it_can_be_in() {
    let manifest = manifest(AGENCIES, ROWS);
    let questions = [
        (
            "SELECT COUNT(DISTINCT id) AS n, COUNT(DISTINCT id) FILTER (WHERE age < 40) AS young FROM people",
            1,
        ),
        ("SELECT sex, COUNT(DISTINCT id) AS n FROM people GROUP BY sex", 2),
        ("SELECT age, COUNT(DISTINCT id) AS n FROM people WHERE sex = 'f' GROUP BY age", 3),
        (
            "SELECT COUNT(*) FROM (SELECT id FROM people WHERE age < 40 INTERSECT SELECT id FROM people WHERE sex = 'f')",
            1,
        ),
    ];
    let mut random = Random(20_261_125);
    for round in 0..12 {
        let mut tables: Vec<Vec<Row>> = vec![Vec::new(); AGENCIES as usize];
        for _ in 0..60 {
            let row = (1 + random.below(25), *random.pick(&[&"f", &"m"]), random.below(110));
            tables[random.below(AGENCIES as usize)].push(row);
        }
        // The unit with the id 0 is added: up to three rows at each of the agencies.
        let mut more = tables.clone();
        for table in &mut more {
            for _ in 0..=random.below(3) {
                table.push((0, *random.pick(&[&"f", &"m"]), random.below(110)));
            }
        }
        for (sql, cells) in questions {
            let plan = plan(&manifest, sql);
            let (without, with) =
                (together(&manifest, &plan, &tables).await, together(&manifest, &plan, &more).await);
            let width = plan.width();
            for sketch in plan.sketches() {
                let changed: u32 = (0..plan.cells())
                    .flat_map(|cell| (0..sketch.words).map(move |word| cell * width + sketch.first + word))
                    .map(|at| (without[at] ^ with[at]).count_ones())
                    .sum();
                assert!(changed <= cells, "round {round}: {changed} buckets of {sql}");
                let lost = without.iter().zip(&with).any(|(before, after)| before & !after != 0);
                assert!(!lost, "round {round}: a bucket is unset by one unit more in {sql}");
            }
        }
    }
}

#[tokio::test]
async fn a_bucket_is_the_same_at_every_agency_and_another_for_every_question() {
    let manifest = manifest(AGENCIES, ROWS);
    let plans = ["SELECT COUNT(DISTINCT id) AS n FROM people", "SELECT COUNT(DISTINCT id) AS m FROM people"]
        .map(|sql| plan(&manifest, sql));
    let mut seen = BTreeSet::new();
    for plan in &plans {
        let everywhere = vec![vec![(5, "f", 30), (5, "m", 31)]; AGENCIES as usize];
        let once = vec![vec![], vec![(5, "f", 90)], vec![]];
        let bits = together(&manifest, plan, &everywhere).await;
        assert_eq!(bits, together(&manifest, plan, &once).await);
        assert_eq!(bits.iter().map(|word| word.count_ones()).sum::<u32>(), 1);
        seen.insert(bits);
    }
    assert_eq!(seen.len(), 2, "two questions share no collisions");
}
