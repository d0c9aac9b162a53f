//! Where a household's income comes from, and so which agency sees which part of it. Amounts and shares
//! are assumptions, except that all but the allowance add up to the household's income.

use crate::demo::population::{Household, Person, Residence};
use crate::demo::random::Random;

/// Kinds of income, in the order of the manifest's domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Paid work.
    Wage,
    /// Farming.
    Farming,
    /// Trade of one's own.
    Business,
    /// Old-age pension.
    Pension,
    /// Sickness, unemployment and injury insurance.
    Insurance,
    /// Minimum living allowance.
    Allowance,
    /// Subsidy for the very old and the disabled.
    Subsidy,
    /// Support of pupils, each term.
    Stipend,
}

impl Source {
    /// All of them.
    pub const ALL: [Source; 8] = [
        Source::Wage,
        Source::Farming,
        Source::Business,
        Source::Pension,
        Source::Insurance,
        Source::Allowance,
        Source::Subsidy,
        Source::Stipend,
    ];

    /// The code in the registers.
    pub fn code(self) -> &'static str {
        match self {
            Source::Wage => "wage",
            Source::Farming => "farming",
            Source::Business => "business",
            Source::Pension => "pension",
            Source::Insurance => "insurance",
            Source::Allowance => "allowance",
            Source::Subsidy => "subsidy",
            Source::Stipend => "stipend",
        }
    }

    /// The agency that records it.
    pub fn agency(self) -> &'static str {
        match self {
            Source::Wage | Source::Farming | Source::Business => "tax",
            Source::Pension | Source::Insurance => "social-insurance",
            Source::Allowance | Source::Subsidy => "welfare",
            Source::Stipend => "education",
        }
    }
}

/// One income of one member of a household.
pub(super) struct Payment {
    /// Place among the members.
    pub member: usize,
    pub source: Source,
    /// Yuan a year, above 0.
    pub yuan: u32,
}

/// Splits a household's income among its members: at most two rows of one person at one agency.
pub(super) fn payments(household: &Household, members: &[Person], random: &mut Random) -> Vec<Payment> {
    let mut split = Split {
        left: household.yuan_per_head * u32::from(household.size),
        payments: Vec::with_capacity(2 * members.len()),
    };
    for (member, person) in members.iter().enumerate() {
        transfers(household, member, person, &mut split, random);
    }
    let earners: Vec<usize> =
        (0..members.len()).filter(|member| (18..=68).contains(&members[*member].age)).collect();
    if earners.is_empty() {
        split.pay(0, Source::Farming, u32::MAX);
    }
    for (place, member) in earners.iter().enumerate() {
        let after = (earners.len() - place - 1) as f64;
        let own =
            f64::from(split.left) * if after == 0.0 { 1.0 } else { (0.5 + random.unit()) / (1.0 + after) };
        earn(household.residence, *member, own as u32, &mut split, random);
    }
    split.payments
}

/// What is still to be split, and what was.
struct Split {
    left: u32,
    payments: Vec<Payment>,
}

impl Split {
    /// Pays `yuan`, or what is left.
    fn pay(&mut self, member: usize, source: Source, yuan: u32) {
        let yuan = yuan.min(self.left);
        if yuan > 0 {
            self.left -= yuan;
            self.payments.push(Payment { member, source, yuan });
        }
    }
}

fn transfers(household: &Household, member: usize, person: &Person, split: &mut Split, random: &mut Random) {
    let rural = household.residence == Residence::Rural;
    if household.allowance > 0 {
        // The survey asked for income before the allowance, so this comes on top.
        split.payments.push(Payment { member, source: Source::Allowance, yuan: household.allowance });
    }
    if person.age >= 60 && random.chance(0.9) {
        let yuan = if rural { random.between(1_200, 3_600) } else { random.between(18_000, 42_000) };
        split.pay(member, Source::Pension, yuan);
    }
    if random.chance(0.05) {
        split.pay(member, Source::Insurance, random.between(500, 6_000));
    }
    if (person.age >= 80 && random.chance(0.7)) || random.chance(0.03) {
        split.pay(member, Source::Subsidy, random.between(600, 1_800));
    }
    let pupil = (6..=15).contains(&person.age);
    let student = (16..=21).contains(&person.age);
    let supported = (pupil && rural) || (student && (household.registered_poor || random.chance(0.15)));
    if supported {
        let term = if pupil { random.between(400, 600) } else { random.between(1_000, 2_000) };
        split.pay(member, Source::Stipend, term);
        if random.chance(0.9) {
            split.pay(member, Source::Stipend, term);
        }
    }
}

fn earn(residence: Residence, member: usize, yuan: u32, split: &mut Split, random: &mut Random) {
    let luck = random.unit();
    match residence {
        Residence::Urban if luck < 0.85 => split.pay(member, Source::Wage, yuan),
        Residence::Rural if luck < 0.50 => {
            let wage = (f64::from(yuan) * (0.5 + 0.4 * random.unit())) as u32;
            split.pay(member, Source::Wage, wage);
            split.pay(member, Source::Farming, yuan - wage.min(yuan));
        }
        Residence::Rural if luck < 0.80 => split.pay(member, Source::Farming, yuan),
        Residence::Rural if luck < 0.95 => split.pay(member, Source::Wage, yuan),
        Residence::Urban | Residence::Rural => split.pay(member, Source::Business, yuan),
    }
}
