//! The demo of an invented rural prefecture: five agencies with overlapping people, and six questions
//! of a planning office.

use std::path::Path;

use almoner_federation::{PicoRho, UnitKind};

use crate::demo::agencies::{AGENCIES, tables};
use crate::demo::population::Population;
use crate::demo::registers::Registers;
use crate::demo::scenario::{Question, Scenario};
use crate::demo::targets::POVERTY_LINE;
use crate::demo::{DemoError, truth};

const fn milli(rho: u64) -> PicoRho {
    PicoRho::new(rho * 1_000_000_000)
}

/// Draws `people` persons, writes the agencies' tables under `dir`, and says what to ask.
///
/// # Errors
/// [`DemoError::Write`] naming the file.
pub fn scenario(seed: u64, people: u32, dir: &Path) -> Result<Scenario, DemoError> {
    let registers = Registers::record(&Population::generate(seed, people));
    registers.write_csv(dir)?;
    let name = |name: &str| name.parse().expect("the demo's names are short lowercase words");
    Ok(Scenario {
        federation: name("prefecture"),
        agencies: AGENCIES.iter().map(|(short, legal)| (name(short), (*legal).to_owned())).collect(),
        unit: UnitKind::Person,
        unit_column: "person_id".into(),
        population: public_bound(people),
        disjoint: false,
        total_rho: milli(1_000),
        tables: tables(),
        questions: questions(&registers),
        too_much: (
            "SELECT county, sex, AVG(yuan_per_head) AS mean_yuan FROM residents GROUP BY county, sex".into(),
            milli(700),
        ),
        notes: vec![
            format!("{people} invented people; shapes and rates follow published figures of rural China"),
            "about 3 % of the records at the four paying agencies carry no id or a wrong one".into(),
            "a person may be in the tables of all five agencies".into(),
        ],
    })
}

/// A round number above the ids that `people` persons can have, mistyped and second ones among them.
fn public_bound(people: u32) -> u64 {
    let mut bound = 1_000_000;
    while bound < u64::from(people) * 3 {
        bound *= 10;
    }
    bound
}

fn questions(registers: &Registers) -> Vec<Question> {
    let question = |title: &str, sql: &str, rho, truth| Question {
        title: title.to_owned(),
        sql: sql.to_owned(),
        rho: milli(rho),
        truth,
    };
    vec![
        question(
            "How many people, and how many registered as poor, does each county have?",
            "SELECT county, COUNT(*) AS people, COUNT(*) FILTER (WHERE registered_poor) AS registered_poor \
             FROM residents GROUP BY county",
            100,
            truth::registered_poor(registers),
        ),
        question(
            &format!("How many live on less than {POVERTY_LINE} yuan a year?"),
            &format!(
                "SELECT county, COUNT(*) FILTER (WHERE yuan_per_head < {POVERTY_LINE}) AS below_line \
                 FROM residents GROUP BY county"
            ),
            50,
            truth::below(registers, POVERTY_LINE),
        ),
        question(
            "What is the mean income a head in town and country?",
            "SELECT residence, AVG(yuan_per_head) AS mean_yuan FROM residents GROUP BY residence",
            50,
            truth::mean_income(registers),
        ),
        question(
            "How much money reaches people from which source, over four agencies?",
            "SELECT source, SUM(yuan) AS total_yuan, COUNT(*) AS payments FROM income GROUP BY source",
            100,
            truth::income_by_source(registers),
        ),
        question(
            "How many different people get money from any of the four agencies?",
            "SELECT COUNT(DISTINCT person_id) AS people FROM income",
            100,
            truth::paid(registers),
        ),
        question(
            "How high is the mean living allowance?",
            "SELECT county, AVG(allowance) AS mean_allowance FROM welfare_roll GROUP BY county",
            50,
            truth::mean_allowance(registers),
        ),
    ]
}
