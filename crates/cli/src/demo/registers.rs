//! What each agency recorded of the people: rows with missing and wrong ids, and persons held twice.
//! The truth of a question is what these rows say, for a trusted curator would see no others.

use crate::demo::payments::{Payment, Source, payments};
use crate::demo::population::{Person, Population, Residence};
use crate::demo::random::Random;
use crate::demo::targets::{COUNTIES, MISSING_ID, REGISTERED_TWICE, WRONG_ID};

/// Ids of persons, of second registrations and of mistyped ids never meet, so that the exact answer
/// does not depend on which rows a node's bound keeps.
const FIRST_ID: u32 = 100_000_000;
const SECOND_ID: u32 = 300_000_000;
const MISTYPED_ID: u32 = 900_000_000;

/// A row of `residents` at the civil registry.
#[derive(Debug, Clone, PartialEq)]
pub struct Resident {
    /// The person.
    pub id: u32,
    /// Index into [`COUNTIES`].
    pub county: u8,
    /// Town or country.
    pub residence: Residence,
    /// Whether female; otherwise male.
    pub female: bool,
    /// In years.
    pub age: u8,
    /// Persons of the household.
    pub household_size: u8,
    /// Whether the campaign registered the household as poor.
    pub registered_poor: bool,
    /// The household's yearly income over its persons, as the campaign's survey wrote it.
    pub yuan_per_head: u32,
}

/// A row of `income` at one of the four agencies that pay or tax.
#[derive(Debug, Clone, PartialEq)]
pub struct Income {
    /// The person; `None` where the agency wrote none.
    pub id: Option<u32>,
    /// Index into [`COUNTIES`].
    pub county: u8,
    /// Town or country.
    pub residence: Residence,
    /// Whether female; otherwise male.
    pub female: bool,
    /// In years.
    pub age: u8,
    /// What it was; it tells the agency.
    pub source: Source,
    /// Yuan a year.
    pub yuan: u32,
}

/// A row of `welfare_roll` at the welfare office.
#[derive(Debug, Clone, PartialEq)]
pub struct OnRoll {
    /// The person; `None` where the office wrote none.
    pub id: Option<u32>,
    /// Index into [`COUNTIES`].
    pub county: u8,
    /// Yuan a year.
    pub allowance: u32,
    /// Children under 16 in the household.
    pub children: u8,
}

/// All rows of all agencies.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Registers {
    /// At the civil registry.
    pub residents: Vec<Resident>,
    /// At tax, social insurance, welfare and education; [`Source::agency`] tells where.
    pub income: Vec<Income>,
    /// At welfare.
    pub welfare_roll: Vec<OnRoll>,
}

impl Registers {
    /// What the agencies recorded of `population`; the same population gives the same rows.
    pub fn record(population: &Population) -> Self {
        let mut random = Random::new(population.seed, 2);
        let mut registers = Registers::default();
        let mut first = 0;
        for household in &population.households {
            let members = &population.persons[first..first + usize::from(household.size)];
            for (number, person) in (first as u32..).zip(members) {
                registers.record_resident(population, number, person, &mut random);
                if household.allowance > 0 {
                    registers.welfare_roll.push(OnRoll {
                        id: recorded_id(number, &mut random),
                        county: household.county,
                        allowance: household.allowance,
                        children: household.children,
                    });
                }
            }
            for Payment { member, source, yuan } in payments(household, members, &mut random) {
                registers.income.push(Income {
                    id: recorded_id((first + member) as u32, &mut random),
                    county: household.county,
                    residence: household.residence,
                    female: members[member].female,
                    age: members[member].age,
                    source,
                    yuan,
                });
            }
            first += members.len();
        }
        registers
    }

    /// The civil registry gives the ids, so its own are there and right; but it holds some people twice,
    /// often once in the county they left.
    fn record_resident(
        &mut self,
        population: &Population,
        number: u32,
        person: &Person,
        random: &mut Random,
    ) {
        let household = population.household_of(person);
        let resident = Resident {
            id: FIRST_ID + number,
            county: household.county,
            residence: household.residence,
            female: person.female,
            age: person.age,
            household_size: household.size,
            registered_poor: household.registered_poor,
            yuan_per_head: household.yuan_per_head,
        };
        if random.chance(REGISTERED_TWICE) {
            let county = random.between(0, COUNTIES.len() as u32 - 1) as u8;
            self.residents.push(Resident { id: SECOND_ID + number, county, ..resident.clone() });
        }
        self.residents.push(resident);
    }
}

/// A person's id as a clerk wrote it.
fn recorded_id(number: u32, random: &mut Random) -> Option<u32> {
    let luck = random.unit();
    if luck < MISSING_ID {
        None
    } else if luck < MISSING_ID + WRONG_ID {
        Some(MISTYPED_ID + number)
    } else {
        Some(FIRST_ID + number)
    }
}
