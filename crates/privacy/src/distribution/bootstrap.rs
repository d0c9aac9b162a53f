//! The parametric bootstrap of a fitted distribution: what noise like the one that was added does to each statistic.

use almoner_federation::Digest;

use super::Statistic;
use super::fit::Fit;
use crate::Strategy;
use crate::estimate::Estimate;

/// So many replicates make a smooth centre.
const SMOOTHING: usize = 100;

/// Deviations from the total within which the people beyond a bin may be nothing but noise.
const TAIL: f64 = 3.0;

/// Noise on prefix sums as it could have been, in people.
pub(super) struct Replicates {
    all: Vec<Vec<f64>>,
    /// Standard deviation of the number of people beyond each bin.
    beyond: Vec<f64>,
}

impl Replicates {
    /// `count` replicates of the noise, an even number; every released number has standard deviation `sd`.
    pub(super) fn new(strategy: &Strategy, sd: f64, unit: f64, count: usize, seed: Digest) -> Replicates {
        let mut noise = Noise(u64::from_be_bytes(std::array::from_fn(|i| seed.0[i])));
        let pair = |_| {
            let y: Vec<f64> = (0..strategy.bins()).map(|_| noise.normal() * sd).collect();
            let plus: Vec<f64> = strategy.prefixes(&y).into_iter().map(|sum| sum * unit).collect();
            // With each replicate its mirror image: what is odd in the noise averages out.
            let minus = plus.iter().map(|sum| -sum).collect();
            [plus, minus]
        };
        let all: Vec<Vec<f64>> = (0..count / 2).flat_map(pair).collect();
        let last = strategy.bins() - 1;
        let beyond = |bin: usize| {
            let people: Vec<f64> = all.iter().map(|noise| noise[last] - noise[bin]).collect();
            deviation(&people).1
        };
        let beyond = (0..=last).map(beyond).collect();
        Replicates { all, beyond }
    }

    /// The noise on a typical number of people between two places.
    pub(super) fn typical(&self) -> f64 {
        self.beyond[self.beyond.len() / 2]
    }

    /// The noise on the people up to and with `bin`, less `share` of that on those up to and with another.
    pub(super) fn spread_at(&self, bin: usize, share: f64, other: usize) -> f64 {
        let noise: Vec<f64> = self.all.iter().map(|noise| noise[bin] - share * noise[other]).collect();
        deviation(&noise).1
    }
}

/// What is made of people in the upper tail who cannot be told from noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    Kept,
    Cut,
}

/// One release, fitted, with everything that follows from it and from its replicates.
pub(super) struct Reading<'a> {
    fit: Fit<'a>,
    replicates: usize,
    found: Vec<Option<f64>>,
    /// The statistics of the centre of the replicates.
    centre: Vec<Option<f64>>,
    samples: Vec<Vec<f64>>,
}

impl<'a> Reading<'a> {
    /// Fits the noisy prefix sums. The fit is released again with every replicate of the noise and fitted anew.
    /// Its centre is not the fit itself, whose steps would swallow some of the noise, but the mean of such
    /// fits, which is smooth.
    pub(super) fn new(
        bins: &'a [(f64, f64)],
        replicates: &Replicates,
        prefixes: &[f64],
        tail: Tail,
        wanted: &[Statistic],
    ) -> Reading<'a> {
        let again = |noisy: &mut [f64]| {
            if tail == Tail::Cut {
                cut(noisy, &replicates.beyond);
            }
            Fit::new(bins, noisy)
        };
        let mut noisy = prefixes.to_vec();
        let fit = again(&mut noisy);
        let mut mean = vec![0.0; prefixes.len()];
        let smoothing = &replicates.all[..replicates.all.len().min(SMOOTHING)];
        for replicate in smoothing {
            add(&mut noisy, fit.prefixes(), replicate);
            let refitted = again(&mut noisy);
            mean.iter_mut().zip(refitted.prefixes()).for_each(|(mean, prefix)| *mean += prefix);
        }
        mean.iter_mut().for_each(|mean| *mean /= smoothing.len() as f64);
        let of = |fit: &Fit<'_>| wanted.iter().map(|statistic| statistic.of(fit)).collect();
        let (found, centre) = (of(&fit), of(&Fit::new(bins, &mean)));
        let mut samples: Vec<Vec<f64>> = vec![Vec::with_capacity(replicates.all.len()); wanted.len()];
        for replicate in &replicates.all {
            add(&mut noisy, &mean, replicate);
            let refitted = again(&mut noisy);
            for (statistic, samples) in wanted.iter().zip(&mut samples) {
                samples.extend(statistic.of(&refitted));
            }
        }
        Reading { fit, replicates: replicates.all.len(), found, centre, samples }
    }

    pub(super) fn fit(&self) -> &Fit<'a> {
        &self.fit
    }

    /// The fit's own value.
    pub(super) fn found(&self, statistic: usize) -> Option<f64> {
        self.found[statistic]
    }

    /// Whether more than a twentieth of the replicates lose the statistic, so that nothing bounds it.
    pub(super) fn is_lost(&self, statistic: usize) -> bool {
        self.samples[statistic].len() * 20 < self.replicates * 19
    }

    /// The standard error.
    pub(super) fn error(&self, statistic: usize) -> f64 {
        deviation(&self.samples[statistic]).1
    }

    /// The value less the bias that fitting and non-linearity cause, which is the replicates' mean less their
    /// centre.
    pub(super) fn unbiased(&self, statistic: usize) -> Estimate {
        let Some(found) = self.found[statistic] else { return Estimate::UNKNOWN };
        let Some(centre) = self.centre[statistic].filter(|_| !self.is_lost(statistic)) else {
            return Estimate::unbounded(found);
        };
        let (mean, error) = deviation(&self.samples[statistic]);
        Estimate::normal(found - (mean - centre), error)
    }
}

fn add(to: &mut [f64], from: &[f64], noise: &[f64]) {
    to.iter_mut().zip(from).zip(noise).for_each(|((to, from), noise)| *to = from + noise);
}

/// Leaves out whom noise could feign: from the first bin on beyond which, and beyond every later one, the
/// number of people is within [`TAIL`] deviations of none, nobody is left.
fn cut(prefixes: &mut [f64], beyond: &[f64]) {
    let Some(total) = prefixes.last().copied() else { return };
    for (prefix, beyond) in prefixes.iter_mut().zip(beyond).rev() {
        if total - *prefix > TAIL * beyond {
            return;
        }
        *prefix = total;
    }
}

/// Mean and standard deviation.
fn deviation(samples: &[f64]) -> (f64, f64) {
    let mean = samples.iter().sum::<f64>() / samples.len() as f64;
    let square = samples.iter().map(|sample| (sample - mean).powi(2)).sum::<f64>() / samples.len() as f64;
    (mean, square.sqrt())
}

/// A small deterministic generator (SplitMix64) for replicates; it protects nobody.
struct Noise(u64);

impl Noise {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The sum of twelve uniform numbers, less 6: near enough to normal for means and standard deviations,
    /// and the same on every machine, as a logarithm would not be.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| (self.word() >> 11) as f64 / (1u64 << 53) as f64).sum::<f64>() - 6.0
    }
}
