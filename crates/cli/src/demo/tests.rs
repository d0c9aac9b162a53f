//! The register against its targets. All draws are seeded, so nothing here can fail by chance.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use almoner_federation::{Manifest, NodeId, VerifyingKey};

use ring::rand::SystemRandom;

use crate::demo::agencies::{ALLOWANCE_CEILING, INCOME_CEILING};
use crate::demo::population::{Household, Population, Residence};
use crate::demo::registers::Registers;
use crate::demo::targets::*;
use crate::demo::{Scenario, prefecture, targeting, truth};
use crate::keys::{AgencyAbout, AgencyPublic, AuditorPublic, CoordinatorPublic, PlannerPublic, SketchKey};

const SEED: u64 = 20_261_123;

fn rural(household: &&Household) -> bool {
    household.residence == Residence::Rural
}

/// Persons, households, mean and median yuan a head over persons.
struct Shape {
    persons: f64,
    households: f64,
    mean: f64,
    median: f64,
}

fn shape<'a>(households: impl Iterator<Item = &'a Household>) -> Shape {
    let mut incomes: Vec<(u32, u8)> =
        households.map(|household| (household.yuan_per_head, household.size)).collect();
    incomes.sort_unstable();
    let persons: f64 = incomes.iter().map(|(_, size)| f64::from(*size)).sum();
    let total: f64 = incomes.iter().map(|(yuan, size)| f64::from(*yuan) * f64::from(*size)).sum();
    let mut below = 0.0;
    let middle = incomes.iter().find(|(_, size)| {
        below += f64::from(*size);
        below >= persons / 2.0
    });
    let median = middle.map_or(0.0, |(yuan, _)| f64::from(*yuan));
    Shape { persons, households: incomes.len() as f64, mean: total / persons, median }
}

fn assert_near(what: &str, found: f64, target: f64, relative: f64) {
    let distance = (found / target - 1.0).abs();
    assert!(distance <= relative, "{what}: found {found}, target {target}, allowed {relative}");
}

#[test]
fn people_and_incomes_meet_the_published_figures() {
    let population = Population::generate(SEED, PEOPLE);
    assert_eq!(population.persons.len(), PEOPLE as usize);
    let all = shape(population.households.iter());
    assert_near("household size", all.persons / all.households, HOUSEHOLD_SIZE, 0.01);
    let in_villages = shape(population.households.iter().filter(rural));
    assert_near("rural mean", in_villages.mean, RURAL_MEAN, 0.015);
    assert_near("rural median", in_villages.median, RURAL_MEDIAN, 0.015);
    let in_towns = shape(population.households.iter().filter(|household| !rural(household)));
    assert_near("urban mean", in_towns.mean, URBAN_MEAN, 0.02);
    assert_near("urban median", in_towns.median, URBAN_MEDIAN, 0.02);
    let is_poor = |household: &&Household| rural(household) && household.yuan_per_head < POVERTY_LINE;
    let poor = shape(population.households.iter().filter(is_poor));
    let share = poor.persons / in_villages.persons;
    assert!(RURAL_POOR_SHARE.contains(&share), "share below the line: {share}");
}

#[test]
fn programmes_reach_whom_they_reached() {
    let population = Population::generate(SEED, PEOPLE);
    let all = || population.households.iter();
    let in_villages = shape(all().filter(rural));
    let registered = shape(all().filter(|household| household.registered_poor));
    assert_near("registered", registered.persons / in_villages.persons, REGISTERED_SHARE, 0.005);
    assert_near(
        "registered household",
        registered.persons / registered.households,
        REGISTERED_HOUSEHOLD_SIZE,
        0.04,
    );
    assert_near("registered mean", registered.mean, REGISTERED_MEAN, 0.05);

    let on_roll = |household: &&Household| household.allowance > 0;
    let under = |household: &&Household| f64::from(household.yuan_per_head) < targeting::line(household);
    let roll = shape(all().filter(on_roll));
    let needy = shape(all().filter(rural).filter(under));
    let reached = shape(all().filter(on_roll).filter(under));
    assert_near("exclusion", 1.0 - reached.persons / needy.persons, EXCLUSION_ERROR, 0.02);
    assert_near("inclusion", 1.0 - reached.persons / roll.persons, INCLUSION_ERROR, 0.02);
    assert_near("roll household", roll.persons / roll.households, ROLL_HOUSEHOLD_SIZE, 0.05);
    assert!(all().filter(on_roll).all(|household| rural(&household)));
    assert!(all().all(|household| household.allowance <= ALLOWANCE_CEILING));
}

#[test]
fn one_seed_gives_one_register_and_another_another() {
    let record = |seed| Registers::record(&Population::generate(seed, 3_000));
    assert_eq!(record(1), record(1));
    assert_ne!(record(1), record(2));
    let csv = |seed| {
        let folder = tempfile::tempdir().expect("a folder");
        record(seed).write_csv(folder.path()).expect("written");
        fs::read_to_string(folder.path().join("tax").join("income.csv")).expect("read")
    };
    assert_eq!(csv(1), csv(1));
}

#[test]
fn records_have_the_mistakes_that_registers_have() {
    let registers = Registers::record(&Population::generate(SEED, PEOPLE));
    let rows = registers.income.len() as f64;
    let share = |of: usize| of as f64 / rows;
    let missing = registers.income.iter().filter(|row| row.id.is_none()).count();
    assert_near("missing ids", share(missing), MISSING_ID, 0.1);
    let residents: BTreeSet<u32> = registers.residents.iter().map(|row| row.id).collect();
    assert_eq!(residents.len(), registers.residents.len(), "the registry gives every row its own id");
    let unknown = |id: &u32| !residents.contains(id);
    let wrong = registers.income.iter().filter_map(|row| row.id).filter(unknown).count();
    assert_near("wrong ids", share(wrong), WRONG_ID, 0.1);
    let twice = registers.residents.len() - PEOPLE as usize;
    assert_near("held twice", twice as f64 / f64::from(PEOPLE), REGISTERED_TWICE, 0.15);
}

#[test]
fn agencies_overlap_and_nobody_passes_the_declared_rows() {
    let registers = Registers::record(&Population::generate(SEED, 50_000));
    let mut rows: BTreeMap<(u32, &str), u32> = BTreeMap::new();
    for row in &registers.income {
        if let Some(id) = row.id {
            *rows.entry((id, row.source.agency())).or_default() += 1;
        }
    }
    assert_eq!(rows.values().max(), Some(&2));
    let mut agencies: BTreeMap<u32, u32> = BTreeMap::new();
    for (id, _) in rows.keys() {
        *agencies.entry(*id).or_default() += 1;
    }
    let at = |number: u32| agencies.values().filter(|agencies| **agencies >= number).count();
    assert!(at(2) > 5_000, "{} people at two paying agencies", at(2));
    assert!(at(3) > 200, "{} people at three", at(3));
    let mut roll: Vec<u32> = registers.welfare_roll.iter().filter_map(|row| row.id).collect();
    let rows = roll.len();
    roll.sort_unstable();
    roll.dedup();
    assert_eq!(roll.len(), rows, "one row a person");
    let over = registers.income.iter().filter(|row| row.yuan > INCOME_CEILING).count();
    assert!(over > 0, "some pay passes the ceiling, so clamping shows");
    assert!((over as f64) < 0.05 * registers.income.len() as f64);
}

pub(super) fn manifest_of(scenario: &Scenario) -> Manifest {
    let key = |byte: u8| VerifyingKey::new([byte; 32]);
    let name = |name: &str| name.parse().expect("a name");
    let endpoint = |port: u32| format!("https://127.0.0.1:{port}");
    let coordinator =
        CoordinatorPublic { name: name("office"), endpoint: endpoint(7000), signing_key: key(100) };
    let planner =
        PlannerPublic { name: name("planning-office"), signing_key: key(101), rho: Some(scenario.total_rho) };
    let agencies: Vec<AgencyPublic> = (1..)
        .zip(&scenario.agencies)
        .map(|(node, (name, legal_name))| AgencyPublic {
            about: AgencyAbout {
                node: NodeId(node),
                name: name.clone(),
                legal_name: legal_name.clone(),
                sector: scenario.sector(),
                endpoint: endpoint(7000 + node),
            },
            signing_key: key(node as u8),
            officer_key: key(150 + node as u8),
            mask_key: [50 + node as u8; 32],
        })
        .collect();
    let sketch_key = SketchKey::generate(&SystemRandom::new()).expect("random bytes");
    let auditor = AuditorPublic { name: name("court-of-audit"), signing_key: key(102) };
    let text = scenario.federation_toml(&coordinator, &planner, &auditor, &agencies, &sketch_key);
    Manifest::parse(&text, "federation.toml").expect("a scenario's manifest is sound")
}

/// A plan costs at most what was asked for, and no less than 98 % of it: its noise is a whole number of at
/// least 256.
pub(super) fn assert_budget(scenario: &Scenario) {
    let asked: u64 = scenario.questions.iter().map(|question| question.rho.get()).sum();
    let (total, too_much) = (scenario.total_rho.get(), scenario.too_much.1.get());
    assert!(asked <= total && too_much <= total, "every question fits by itself");
    assert!((asked + too_much) / 100 * 98 > total, "but not the last one after the others");
}

#[test]
fn the_prefecture_is_a_sound_federation() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = prefecture::scenario(SEED, 2_000, folder.path()).expect("written");
    let manifest = manifest_of(&scenario);
    let overlap = |table: &str| manifest.overlap(manifest.table(table).expect("declared"));
    assert_eq!((overlap("residents"), overlap("income"), overlap("welfare_roll")), (1, 4, 1));
    assert_eq!((manifest.policy.quorum, manifest.policy.honest_shares()), (5, 4));
    for table in &manifest.tables {
        for holder in &table.holders {
            let path = folder.path().join(holder.as_str()).join(format!("{}.csv", table.name));
            let text = fs::read_to_string(&path).expect("every holder has its file");
            let header: Vec<&str> = text.lines().next().expect("a header").split(',').collect();
            let declared = table.columns.iter().map(|column| column.name.as_str());
            assert_eq!(header, std::iter::once("person_id").chain(declared).collect::<Vec<_>>());
            let fields = text.lines().map(|line| line.split(',').count());
            assert!(text.lines().count() > 1 && fields.clone().all(|count| count == header.len()));
        }
    }
    assert_budget(&scenario);
}

#[test]
fn the_truth_is_what_the_files_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let registers = Registers::record(&Population::generate(SEED, 20_000));
    registers.write_csv(folder.path()).expect("written");
    let rows = |agency: &str, table: &str| -> Vec<Vec<String>> {
        let path = folder.path().join(agency).join(format!("{table}.csv"));
        let mut reader = csv::Reader::from_path(path).expect("opened");
        let split = |record: csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
        reader.records().map(|record| split(record.expect("well formed"))).collect()
    };
    let number = |text: &str| text.parse::<f64>().expect("a number");

    let residents = rows("civil-registry", "residents");
    let count = |keep: &dyn Fn(&Vec<String>) -> bool| residents.iter().filter(|row| keep(row)).count() as f64;
    for (county, values) in truth::registered_poor(&registers).groups() {
        assert_eq!(values[0], count(&|row| row[1] == county));
        assert_eq!(values[1], count(&|row| row[1] == county && row[6] == "true"));
    }
    for (county, values) in truth::below(&registers, 4_000).groups() {
        assert_eq!(values, [count(&|row| row[1] == county && number(&row[7]) < 4_000.0)]);
    }
    for (residence, values) in truth::mean_income(&registers).groups() {
        let incomes: Vec<f64> =
            residents.iter().filter(|row| row[2] == residence).map(|row| number(&row[7])).collect();
        let clamped: f64 = incomes.iter().map(|yuan| yuan.min(200_000.0)).sum();
        assert_eq!(values, [clamped / incomes.len() as f64]);
    }
    let income: Vec<Vec<String>> =
        ["tax", "social-insurance", "welfare", "education"].map(|agency| rows(agency, "income")).concat();
    for (source, values) in truth::income_by_source(&registers).groups() {
        let of: Vec<f64> = income
            .iter()
            .filter(|row| row[5] == source && !row[0].is_empty())
            .map(|row| number(&row[6]).min(60_000.0))
            .collect();
        assert_eq!(values, [of.iter().sum(), of.len() as f64], "{source}");
    }
    let people: BTreeSet<&String> = income.iter().map(|row| &row[0]).filter(|id| !id.is_empty()).collect();
    assert_eq!(truth::paid(&registers).of(""), Some([people.len() as f64].as_slice()));
    let roll = rows("welfare", "welfare_roll");
    for (county, values) in truth::mean_allowance(&registers).groups() {
        let of: Vec<f64> = roll
            .iter()
            .filter(|row| row[1] == county && !row[0].is_empty())
            .map(|row| number(&row[2]))
            .collect();
        assert_eq!(values, [of.iter().sum::<f64>() / of.len() as f64]);
    }
}
