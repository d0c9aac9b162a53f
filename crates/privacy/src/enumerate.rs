//! For tests: runs a random computation over every outcome of its choices, with the exact probability of
//! each, instead of drawing one.

use std::collections::BTreeMap;

use crate::PrivacyError;
use crate::exact::Choices;

/// The outcomes of one computation.
pub(crate) struct Outcomes<T> {
    /// Probability of each result, up to the mass that was not followed.
    pub mass: BTreeMap<T, f64>,
    /// Probability of all paths that were cut short because each was less likely than the floor.
    pub unresolved: f64,
}

/// Follows every path of `compute` that is at least as likely as `floor`. A second call of
/// [`Choices::below`] ends a path without a result: the sampler has begun anew.
pub(crate) fn enumerate<T: Ord>(
    floor: f64,
    compute: impl Fn(&mut Path) -> Result<T, PrivacyError>,
) -> Outcomes<T> {
    let mut outcomes = Outcomes { mass: BTreeMap::new(), unresolved: 0.0 };
    let mut path = Path { steps: Vec::new(), next: 0, weight: 1.0, floor, rounds: 0 };
    loop {
        match compute(&mut path) {
            Ok(result) => *outcomes.mass.entry(result).or_default() += path.weight,
            Err(_) if path.rounds > 1 => (),
            Err(_) => outcomes.unresolved += path.weight,
        }
        while path.steps.last().is_some_and(|(option, options)| option + 1 == *options) {
            path.steps.pop();
        }
        match path.steps.last_mut() {
            Some((option, _)) => *option += 1,
            None => return outcomes,
        }
        (path.next, path.weight, path.rounds) = (0, 1.0, 0);
    }
}

/// One path through the choices: which option of how many was taken at each.
pub(crate) struct Path {
    steps: Vec<(u64, u64)>,
    next: usize,
    weight: f64,
    floor: f64,
    rounds: u32,
}

impl Path {
    fn choose(&mut self, options: u64, probability: impl Fn(u64) -> f64) -> Result<u64, PrivacyError> {
        if self.next == self.steps.len() {
            self.steps.push((0, options));
        }
        let (option, _) = self.steps[self.next];
        self.next += 1;
        self.weight *= probability(option);
        if self.weight < self.floor { Err(PrivacyError::RandomSource) } else { Ok(option) }
    }
}

impl Choices for Path {
    fn below(&mut self, n: u64) -> Result<u64, PrivacyError> {
        self.rounds += 1;
        if self.rounds > 1 {
            return Err(PrivacyError::RandomSource);
        }
        self.choose(n, |_| 1.0 / n as f64)
    }

    fn chance(&mut self, p: u128, q: u128) -> Result<bool, PrivacyError> {
        let p = p as f64 / q as f64;
        Ok(self.choose(2, |option| if option == 0 { p } else { 1.0 - p })? == 0)
    }

    /// One choice: its own making is enumerated by the tests of [`crate::exact`].
    fn exponential(&mut self, p: u128, q: u128) -> Result<bool, PrivacyError> {
        let p = (-(p as f64) / q as f64).exp();
        Ok(self.choose(2, |option| if option == 0 { p } else { 1.0 - p })? == 0)
    }
}
