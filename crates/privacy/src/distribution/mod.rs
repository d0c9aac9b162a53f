//! Everything that is concluded from one release of a distribution: quantiles, poverty at any line,
//! inequality. Post-processing only; it costs nothing and can be repeated by anyone with the same result.

mod fit;

use std::sync::Arc;

use almoner_federation::Digest;

use self::fit::Fit;
use crate::Strategy;
use crate::estimate::{Estimate, Z};

/// What to conclude. Shares are fractions of the people, lines and results are in the values' unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// How many there are, in the release's weight.
    Total,
    /// The mean.
    Mean,
    /// The value below which this share lies.
    Quantile(f64),
    /// The share below a line: the headcount.
    ShareBelow(f64),
    /// The mean gap to a line, over everyone.
    Gap(f64),
    /// The mean squared gap to a line, over everyone.
    Severity(f64),
    /// The gap between a line and the median of those below, as a share of the line.
    MedianGap(f64),
    /// The line at this share of the median.
    RiskThreshold(f64),
    /// The share of people below this share of the median.
    AtRisk(f64),
    /// [`Statistic::MedianGap`] at this share of the median.
    AtRiskGap(f64),
    /// Twice the area between the Lorenz curve and the diagonal.
    Gini,
    /// What the upper fifth has over what the lower fifth has.
    S80S20,
    /// What the upper tenth has over what the lower four tenths have.
    Palma,
    /// The share of all income that this lowest share of the people has.
    Lorenz(f64),
}

impl Statistic {
    fn of(self, fit: &Fit<'_>) -> Option<f64> {
        let median = |share: f64| fit.quantile(0.5).map(|median| median * share);
        match self {
            Statistic::Total => Some(fit.total()),
            Statistic::Mean => fit.mean(),
            Statistic::Quantile(share) => fit.quantile(share),
            Statistic::ShareBelow(line) => fit.share_below(line),
            Statistic::Gap(line) => fit.gap(line, false),
            Statistic::Severity(line) => fit.gap(line, true),
            Statistic::MedianGap(line) => fit.median_gap(line),
            Statistic::RiskThreshold(share) => median(share),
            Statistic::AtRisk(share) => fit.share_below(median(share)?),
            Statistic::AtRiskGap(share) => fit.median_gap(median(share)?),
            Statistic::Gini => fit.gini(),
            Statistic::S80S20 => fit.share_ratio(0.8, 0.2),
            Statistic::Palma => fit.share_ratio(0.9, 0.4),
            Statistic::Lorenz(share) => fit.lorenz(share),
        }
        .filter(|value| value.is_finite())
    }
}

/// Replicates of the noise from which errors and bias are learnt: the standard error of a standard
/// error is then 4 %.
const REPLICATES: usize = 400;

/// A way to conclude from releases of one shape: public bins and a known noise.
pub struct Distribution {
    strategy: Arc<Strategy>,
    bins: Vec<(f64, f64)>,
    unit: f64,
    /// Noise on the prefix sums, as it could have been.
    replicates: Vec<Vec<f64>>,
}

impl Distribution {
    /// For releases over these ascending bins, as many as the strategy's, each from its first value to before
    /// its second one, or of a single value where both are equal. Every number has noise of standard
    /// deviation `sd`; one step of a released number is `unit` people (or units of weight). `seed` fixes the
    /// replicates of the noise, so that everyone concludes the same.
    pub fn new(
        strategy: Arc<Strategy>,
        bins: Vec<(f64, f64)>,
        unit: f64,
        sd: f64,
        seed: Digest,
    ) -> Distribution {
        let mut noise = Noise(u64::from_be_bytes(std::array::from_fn(|i| seed.0[i])));
        // Without noise all replicates are the same.
        let pairs = if sd == 0.0 { 1 } else { REPLICATES / 2 };
        let replicates = (0..pairs)
            .flat_map(|_| {
                let y: Vec<f64> = (0..strategy.bins()).map(|_| noise.normal() * sd).collect();
                let plus: Vec<f64> = strategy.prefixes(&y).into_iter().map(|sum| sum * unit).collect();
                // With each replicate its mirror image: what is odd in the noise averages out.
                let minus = plus.iter().map(|sum| -sum).collect();
                [plus, minus]
            })
            .collect();
        Distribution { strategy, bins, unit, replicates }
    }

    /// The statistics of one release, in the order of `wanted`.
    ///
    /// A parametric bootstrap: the fitted distribution is released again with every replicate of the noise
    /// and fitted anew. The standard deviation of what comes out is the standard error. Its mean, less what went
    /// in, estimates the bias that fitting and non-linearity cause, and is taken off, but from quantiles.
    pub fn estimates(&self, released: &[i64], wanted: &[Statistic]) -> Vec<Estimate> {
        let y: Vec<f64> = released.iter().map(|y| *y as f64).collect();
        let prefixes: Vec<f64> = self.strategy.prefixes(&y).into_iter().map(|sum| sum * self.unit).collect();
        let fit = Fit::new(&self.bins, &prefixes);
        let fitted = fit.prefixes();
        let found: Vec<Option<f64>> = wanted.iter().map(|statistic| statistic.of(&fit)).collect();
        let mut samples: Vec<Vec<f64>> = vec![Vec::with_capacity(self.replicates.len()); wanted.len()];
        let mut noisy = vec![0.0; fitted.len()];
        for replicate in &self.replicates {
            for ((to, from), noise) in noisy.iter_mut().zip(fitted).zip(replicate) {
                *to = from + noise;
            }
            let again = Fit::new(&self.bins, &noisy);
            for (statistic, samples) in wanted.iter().zip(&mut samples) {
                samples.extend(statistic.of(&again));
            }
        }
        let total = prefixes.last().copied().unwrap_or_default();
        wanted
            .iter()
            .zip(found)
            .zip(samples)
            .map(|((statistic, found), samples)| match (statistic, found) {
                // The last prefix sum itself: fitting would only bias it.
                (Statistic::Total, _) => {
                    let error = deviation(&samples).1;
                    Estimate::checked(total, error, total - Z * error, total + Z * error)
                }
                (_, None) => Estimate::UNKNOWN,
                // Where replicates lose the statistic altogether, nothing bounds it.
                (_, Some(found)) if samples.len() * 20 < self.replicates.len() * 19 => {
                    Estimate::checked(found, f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY)
                }
                (Statistic::Quantile(share), Some(found)) => {
                    self.quantile(&fit, *share, 1.0, found, &samples)
                }
                (Statistic::RiskThreshold(share), Some(found)) => {
                    self.quantile(&fit, 0.5, *share, found, &samples)
                }
                (_, Some(found)) => unbiased(found, &samples),
            })
            .collect()
    }

    /// `scale` times a quantile, with Woodruff's interval (JASA 47, 1952): the values at which the distribution
    /// passes the share less and more the noise of the prefix sum there. It is right where people stand close
    /// together and where they stand far apart, which no standard error is.
    fn quantile(&self, fit: &Fit<'_>, share: f64, scale: f64, found: f64, samples: &[f64]) -> Estimate {
        let last = self.bins.len() - 1;
        let ends = fit.bin_of(share).and_then(|bin| {
            let noise: Vec<f64> =
                self.replicates.iter().map(|noise| noise[bin] - share * noise[last]).collect();
            fit.around(share, Z * deviation(&noise).1)
        });
        ends.map_or(Estimate::UNKNOWN, |(low, high)| {
            Estimate::checked(found, deviation(samples).1, low * scale, high * scale)
        })
    }
}

/// Mean and standard deviation.
fn deviation(samples: &[f64]) -> (f64, f64) {
    let mean = samples.iter().sum::<f64>() / samples.len() as f64;
    let square = samples.iter().map(|sample| (sample - mean).powi(2)).sum::<f64>() / samples.len() as f64;
    (mean, square.sqrt())
}

/// A statistic less its bias, both learnt from its replicates.
fn unbiased(found: f64, samples: &[f64]) -> Estimate {
    let (mean, error) = deviation(samples);
    let corrected = 2.0 * found - mean;
    Estimate::checked(corrected, error, corrected - Z * error, corrected + Z * error)
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
