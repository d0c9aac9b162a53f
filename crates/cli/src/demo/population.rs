//! The people of an invented rural prefecture, as they are: nobody in it exists, and no name is made up.
//! What the agencies recorded of them, with their mistakes, is in `registers`.

use crate::demo::random::Random;
use crate::demo::targeting;
use crate::demo::targets::{
    COUNTIES, HOUSEHOLD_SIZES, NO_INCOME, POVERTY_LINE, RURAL_LOG_INCOME, URBAN_LOG_INCOME, URBAN_SHARE,
    VERY_POOR,
};

/// Town or country.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residence {
    /// In a village.
    Rural,
    /// In a town.
    Urban,
}

impl Residence {
    /// Both, in the order of the manifest's domain.
    pub const ALL: [Residence; 2] = [Residence::Rural, Residence::Urban];

    /// The code in the registers.
    pub fn code(self) -> &'static str {
        match self {
            Residence::Rural => "rural",
            Residence::Urban => "urban",
        }
    }
}

/// People who live and earn together.
#[derive(Debug, Clone, PartialEq)]
pub struct Household {
    /// Index into [`COUNTIES`].
    pub county: u8,
    /// Town or country.
    pub residence: Residence,
    /// Persons.
    pub size: u8,
    /// Members under 16.
    pub children: u8,
    /// Income of a year over persons.
    pub yuan_per_head: u32,
    /// Whether the campaign of 2014 registered it as poor.
    pub registered_poor: bool,
    /// Yuan a year and head of minimum living allowance; 0 when it is not on the roll.
    pub allowance: u32,
}

/// One person.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Index into [`Population::households`].
    pub household: u32,
    /// Whether female; otherwise male.
    pub female: bool,
    /// In years.
    pub age: u8,
}

/// Everybody. The persons of a household stand one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// What all of it was drawn from.
    pub seed: u64,
    /// In the order in which they were drawn.
    pub households: Vec<Household>,
    /// Exactly as many as were asked for.
    pub persons: Vec<Person>,
}

impl Population {
    /// Draws exactly `people` persons; the same seed gives the same ones.
    pub fn generate(seed: u64, people: u32) -> Self {
        let mut random = Random::new(seed, 1);
        let mut population =
            Population { seed, households: Vec::new(), persons: Vec::with_capacity(people as usize) };
        let shares = COUNTIES.map(|county| county.share);
        while population.persons.len() < people as usize {
            let room = people as usize - population.persons.len();
            let size = (random.pick(&HOUSEHOLD_SIZES) + 1).min(room) as u8;
            let county = random.pick(&shares) as u8;
            let residence = if random.chance(URBAN_SHARE) { Residence::Urban } else { Residence::Rural };
            let number = population.households.len() as u32;
            let ages = draw_ages(&mut random, size);
            for (place, age) in ages.iter().enumerate() {
                // The two heads of a household are a couple.
                let female = if place == 1 { !last_female(&population) } else { random.chance(0.49) };
                population.persons.push(Person { household: number, female, age: *age });
            }
            population.households.push(Household {
                county,
                residence,
                size,
                children: ages.iter().filter(|age| **age < 16).count() as u8,
                yuan_per_head: draw_income(&mut random, county, residence, size),
                registered_poor: false,
                allowance: 0,
            });
        }
        targeting::register_poor(&mut population.households, &mut random);
        targeting::grant_allowances(&mut population.households, &mut random);
        population
    }

    /// The household of a person.
    pub fn household_of(&self, person: &Person) -> &Household {
        &self.households[person.household as usize]
    }
}

fn last_female(population: &Population) -> bool {
    population.persons.last().is_some_and(|person| person.female)
}

/// Ages of a household's members: one or two heads, then children and, in large households, a
/// grandparent. Assumption: shapes of a countryside whose young adults work elsewhere.
fn draw_ages(random: &mut Random, size: u8) -> Vec<u8> {
    let old = match size {
        1 => 0.55,
        2 => 0.50,
        _ => 0.10,
    };
    let head = if random.chance(old) { random.between(60, 88) } else { random.between(26, 59) };
    let mut ages = vec![head as u8];
    if size >= 2 {
        ages.push((head + 4).saturating_sub(random.between(0, 8)).max(20) as u8);
    }
    for place in 2..size {
        let age = if place >= 4 && random.chance(0.5) {
            head + random.between(22, 30)
        } else {
            random.between(0, head.saturating_sub(24).clamp(1, 24))
        };
        ages.push(age.min(100) as u8);
    }
    ages
}

fn draw_income(random: &mut Random, county: u8, residence: Residence, size: u8) -> u32 {
    let very_poor = match (residence, size) {
        (Residence::Urban, _) => 0.0,
        (Residence::Rural, 1 | 2) => VERY_POOR.0,
        (Residence::Rural, _) => VERY_POOR.1,
    };
    if random.chance(very_poor) {
        return if random.chance(NO_INCOME) { 0 } else { random.between(0, POVERTY_LINE - 1) };
    }
    let (mean, sd) = match residence {
        Residence::Rural => RURAL_LOG_INCOME,
        Residence::Urban => URBAN_LOG_INCOME,
    };
    let log_income = mean + COUNTIES[usize::from(county)].log_income + sd * random.normal();
    log_income.exp().round() as u32
}
