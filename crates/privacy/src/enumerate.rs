//! For tests: runs a random computation over every outcome of its choices, with the exact probability of
//! each, instead of drawing one.

use std::collections::BTreeMap;

use crate::PrivacyError;
use crate::digits::Digits;
use crate::gaussian::Choices;

/// The outcomes of one computation.
pub(crate) struct Outcomes<T> {
    /// Probability of each result, up to the mass that was not followed.
    pub mass: BTreeMap<T, f64>,
    /// Probability of all paths that were cut short because each was less likely than the floor.
    pub unresolved: f64,
}

impl<T: Ord + std::fmt::Debug> Outcomes<T> {
    /// Fails unless `result` has the probability `exact`, which the paths that were followed bound from both
    /// sides, less than `width` apart.
    pub fn assert(&self, result: &T, exact: f64, width: f64) {
        let found = self.mass.get(result).copied().unwrap_or_default();
        assert!(self.unresolved < width, "{result:?}: {} left", self.unresolved);
        assert!(
            found <= exact + 1e-13 && exact <= found + self.unresolved + 1e-13,
            "{result:?}: {found} to {} instead of {exact}",
            found + self.unresolved
        );
    }
}

/// Follows every path of `compute` that is at least as likely as `floor`. A second call of
/// [`Choices::band`] ends a path without a result: the sampler has begun anew.
pub(crate) fn enumerate<T: Ord, const BITS: u32>(
    floor: f64,
    compute: impl Fn(&mut Path<BITS>) -> Result<T, PrivacyError>,
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

/// One path through the choices: which option of how many was taken at each. Its digits have so many bits.
pub(crate) struct Path<const BITS: u32> {
    steps: Vec<(u64, u64)>,
    next: usize,
    weight: f64,
    floor: f64,
    rounds: u32,
}

impl<const BITS: u32> Path<BITS> {
    fn choose(&mut self, options: u64, probability: impl Fn(u64) -> f64) -> Result<u64, PrivacyError> {
        if self.next == self.steps.len() {
            self.steps.push((0, options));
        }
        let (option, _) = self.steps[self.next];
        self.next += 1;
        self.weight *= probability(option);
        if self.weight < self.floor { Err(PrivacyError::RandomSource) } else { Ok(option) }
    }

    fn event(&mut self, p: f64) -> Result<bool, PrivacyError> {
        Ok(self.choose(2, |option| if option == 0 { p } else { 1.0 - p })? == 0)
    }
}

impl<const BITS: u32> Digits for Path<BITS> {
    const BITS: u32 = BITS;

    fn digit(&mut self) -> Result<u64, PrivacyError> {
        self.choose(1 << BITS, |_| 0.5f64.powi(BITS as i32))
    }

    fn coin(&mut self) -> Result<bool, PrivacyError> {
        self.event(0.5)
    }
}

/// Each event one choice: their own making is enumerated by the tests beside them.
impl<const BITS: u32> Choices for Path<BITS> {
    fn band(&mut self) -> Result<u64, PrivacyError> {
        self.rounds += 1;
        if self.rounds > 1 {
            return Err(PrivacyError::RandomSource);
        }
        let weight = |k: u64| (-((k * k) as f64) / 2.0).exp();
        let total: f64 = (0..9).map(weight).sum();
        self.choose(9, |k| weight(k) / total)
    }

    fn below(&mut self, n: u64) -> Result<u64, PrivacyError> {
        self.choose(n, |_| 1.0 / n as f64)
    }

    fn decay(&mut self, p: u64, q: u64) -> Result<bool, PrivacyError> {
        self.event((-(p as f64) / q as f64).exp())
    }

    fn bell(&mut self, p: u64, q: u64) -> Result<bool, PrivacyError> {
        self.event((-(p as f64 / q as f64).powi(2) / 2.0).exp())
    }

    fn sign(&mut self) -> Result<bool, PrivacyError> {
        self.event(0.5)
    }
}
