//! Whom programmes reach: the poor only in part, and not only the poor.

use crate::demo::population::{Household, Residence};
use crate::demo::random::Random;
use crate::demo::targets::{
    ALLOWANCE_LINE, CAMPAIGN_ERROR, CAMPAIGN_SIZE, COUNTIES, EXCLUSION_ERROR, INCLUSION_ERROR,
    REGISTERED_SHARE, ROLL_SIZE,
};

/// Incomes below this look alike to those who judge by house and field.
const LEAST_VISIBLE_INCOME: f64 = 500.0;

/// Marks as registered the rural households that looked poorest in 2014.
pub(super) fn register_poor(households: &mut [Household], random: &mut Random) {
    let mut rural: Vec<(f64, usize)> =
        indices(households, |household| household.residence == Residence::Rural)
            .map(|index| {
                let household = &households[index];
                let size = CAMPAIGN_SIZE * f64::from(household.size);
                (log_income(household) - size + CAMPAIGN_ERROR * random.normal(), index)
            })
            .collect();
    let people = people(households, &rural) * REGISTERED_SHARE;
    for index in poorest(&mut rural, people, households) {
        households[index].registered_poor = true;
    }
}

/// Puts rural households on the allowance roll: of those under their county's line all but the
/// exclusion error, and beside them the inclusion error's share from above it.
pub(super) fn grant_allowances(households: &mut [Household], random: &mut Random) {
    let mut under = Vec::new();
    let mut above = Vec::new();
    for (index, household) in households.iter().enumerate() {
        if household.residence == Residence::Rural {
            let size = ROLL_SIZE * f64::from(household.size);
            let is_under = f64::from(household.yuan_per_head) < line(household);
            // Under the line need hardly decides any more; above it the nearest come first.
            let need = if is_under { 0.2 } else { 1.0 } * log_income(household);
            let score = need + size + 0.5 * random.normal();
            (if is_under { &mut under } else { &mut above }).push((score, index));
        }
    }
    let reached = people(households, &under) * (1.0 - EXCLUSION_ERROR);
    let beside = reached * INCLUSION_ERROR / (1.0 - INCLUSION_ERROR);
    let chosen: Vec<usize> =
        [poorest(&mut under, reached, households), poorest(&mut above, beside, households)].concat();
    for index in chosen {
        let household = &mut households[index];
        // The allowance fills income up to the line; a small category allowance beyond it.
        let gap = (line(household) - f64::from(household.yuan_per_head)).max(0.0);
        household.allowance = gap.max(600.0 + 1_200.0 * random.unit()).round() as u32;
    }
}

/// The yuan a head and year that entitle to the allowance; richer counties are more generous.
pub(super) fn line(household: &Household) -> f64 {
    ALLOWANCE_LINE * (1.0 + COUNTIES[usize::from(household.county)].log_income / 2.0)
}

fn indices(households: &[Household], keep: impl Fn(&Household) -> bool) -> impl Iterator<Item = usize> {
    households.iter().enumerate().filter(move |(_, household)| keep(household)).map(|(index, _)| index)
}

fn log_income(household: &Household) -> f64 {
    f64::from(household.yuan_per_head).max(LEAST_VISIBLE_INCOME).ln()
}

fn people(households: &[Household], of: &[(f64, usize)]) -> f64 {
    of.iter().map(|(_, index)| f64::from(households[*index].size)).sum()
}

/// The households with the smallest scores that together have about `people` members.
fn poorest(scored: &mut [(f64, usize)], people: f64, households: &[Household]) -> Vec<usize> {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut so_far = 0.0;
    let mut chosen = Vec::new();
    for (_, index) in scored.iter() {
        if so_far >= people {
            break;
        }
        so_far += f64::from(households[*index].size);
        chosen.push(*index);
    }
    chosen
}
