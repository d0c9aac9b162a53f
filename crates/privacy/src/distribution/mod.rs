//! Everything that is concluded from one release of a distribution: quantiles, poverty at any line,
//! inequality. Post-processing only; it costs nothing and can be repeated by anyone with the same result.

mod bootstrap;
mod fit;

use std::sync::Arc;

use almoner_federation::Digest;

use self::bootstrap::{Reading, Replicates, Tail};
use self::fit::Fit;
use crate::Strategy;
use crate::estimate::{Estimate, Z};

/// What to conclude. Shares are fractions of the people, lines and results are in the values' unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// How many there are, in the release's weight.
    Total,
    /// The mean. Its interval, and those of the shares and gaps at a line, hold wherever in their bins people stand.
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
    /// Whether it speaks of the distribution's shape, so that people far out weigh more than others, or a line
    /// that itself is noisy.
    fn is_shape(self) -> bool {
        use Statistic::{AtRisk, AtRiskGap, Gini, Lorenz, MedianGap, Palma};
        matches!(self, AtRisk(_) | AtRiskGap(_) | MedianGap(_) | Gini | Palma | Lorenz(_))
    }

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

/// Where the noise of a prefix sum is a larger part of all people than this, the upper tail is read in two ways.
const HEAVY: f64 = 0.003;

/// How much wider intervals of shape statistics get with the noise's part of all people, up to a quarter: the
/// bootstrap cannot see all of the bias. Found by simulation (docs/accuracy.md).
const WIDENING: f64 = 2.5;

/// A way to conclude from releases of one shape: public bins and a known noise.
pub struct Distribution {
    strategy: Arc<Strategy>,
    bins: Vec<(f64, f64)>,
    unit: f64,
    replicates: Replicates,
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
        // Without noise all replicates are the same.
        let count = if sd == 0.0 { 2 } else { REPLICATES };
        let replicates = Replicates::new(&strategy, sd, unit, count, seed);
        Distribution { strategy, bins, unit, replicates }
    }

    /// The statistics of one release, in the order of `wanted`.
    ///
    /// A parametric bootstrap ([`Reading`]) tells standard errors and biases; a bias is taken off, but from
    /// quantiles. Where noise is a visible part of all people, people whom the fit sees in the upper tail may be
    /// noise: it is read with and without a tail that noise could feign; the value is the middle of both, the
    /// interval reaches over both. Where the noise could be everybody, nothing bounds a statistic.
    pub fn estimates(&self, released: &[i64], wanted: &[Statistic]) -> Vec<Estimate> {
        let y: Vec<f64> = released.iter().map(|y| *y as f64).collect();
        let prefixes: Vec<f64> = self.strategy.prefixes(&y).into_iter().map(|sum| sum * self.unit).collect();
        let total = prefixes.last().copied().unwrap_or_default();
        let noise = self.replicates.typical();
        // Shares of all income need the mean as well.
        let shares = wanted.iter().any(|one| matches!(one, Statistic::Gini | Statistic::Lorenz(_)));
        let mean = shares.then_some(Statistic::Mean);
        let all: Vec<Statistic> = wanted.iter().copied().chain(mean).collect();
        let kept = Reading::new(&self.bins, &self.replicates, &prefixes, Tail::Kept, &all);
        let cut = (noise > HEAVY * total)
            .then(|| Reading::new(&self.bins, &self.replicates, &prefixes, Tail::Cut, &all));
        // Where the noise could be everybody, the people are lost in it.
        let lost = cut.is_some() && Z * noise >= total;
        let nothing_to_share = shares && kept.unbiased(wanted.len()).low <= 0.0 && noise > 0.0;
        let unbounded = |index: usize| kept.found(index).map_or(Estimate::UNKNOWN, Estimate::unbounded);
        let quantile = |index: usize, share: f64, scale: f64| {
            let read = self.quantile(&kept, index, share, scale);
            cut.as_ref().map_or(read, |cut| between(read, self.quantile(cut, index, share, scale)))
        };
        let part = if total > 0.0 { (noise / total).min(0.25) } else { 0.25 };
        let estimates = wanted.iter().enumerate().map(|(index, statistic)| match statistic {
            // The last prefix sum itself: fitting would only bias it.
            Statistic::Total => Estimate::normal(total, kept.error(index)),
            _ if lost => unbounded(index),
            // Without income that is clearly above none there is nothing whose shares could be told.
            Statistic::Gini | Statistic::Lorenz(_) if nothing_to_share => unbounded(index),
            Statistic::Quantile(share) => quantile(index, *share, 1.0),
            Statistic::RiskThreshold(share) => quantile(index, 0.5, *share),
            _ => {
                let read = kept.unbiased(index);
                let read = cut.as_ref().map_or(read, |cut| between(read, cut.unbiased(index)));
                let read = match statistic {
                    Statistic::MedianGap(line) => self.median_gap(read, &kept, *line),
                    Statistic::AtRiskGap(share) => {
                        let median = kept.fit().quantile(0.5);
                        median.map_or(read, |median| self.median_gap(read, &kept, median * share))
                    }
                    _ => self.within_bins(read, &kept, index, *statistic),
                };
                if cut.is_some() && statistic.is_shape() {
                    widened(read, 1.0 + WIDENING * part)
                } else {
                    read
                }
            }
        });
        estimates.collect()
    }

    /// `scale` times a quantile, with Woodruff's interval (JASA 47, 1952): the values at which the distribution
    /// passes the share less and more the noise of the prefix sum there. It is right where people stand close
    /// together and where they stand far apart, which no standard error is.
    fn quantile(&self, reading: &Reading<'_>, index: usize, share: f64, scale: f64) -> Estimate {
        let Some(found) = reading.found(index) else { return Estimate::UNKNOWN };
        if reading.is_lost(index) {
            return Estimate::unbounded(found);
        }
        let (fit, last) = (reading.fit(), self.bins.len() - 1);
        let ends = fit
            .bin_of(share)
            .and_then(|bin| fit.around(share, Z * self.replicates.spread_at(bin, share, last)));
        ends.map_or(Estimate::UNKNOWN, |(low, high)| {
            Estimate::checked(found, reading.error(index), low * scale, high * scale)
        })
    }

    /// An interval that holds wherever in their bins people stand, for what could have been measured without bins:
    /// many stand at round values, and at lines.
    fn within_bins(
        &self,
        read: Estimate,
        reading: &Reading<'_>,
        index: usize,
        statistic: Statistic,
    ) -> Estimate {
        let fit = reading.fit();
        let gap = |line: f64, value: f64| ((line - value) / line).clamp(0.0, 1.0);
        let extremes = match statistic {
            Statistic::Mean => fit.extremes(|value, _| value),
            Statistic::ShareBelow(line) => {
                fit.extremes(|value, at| f64::from(u8::from(value < line || value == line && !at)))
            }
            Statistic::Gap(line) => fit.extremes(|value, _| gap(line, value)),
            Statistic::Severity(line) => fit.extremes(|value, _| gap(line, value).powi(2)),
            _ => None,
        };
        let (Some(value), Some(found), Some((least, most))) = (read.value, reading.found(index), extremes)
        else {
            return read;
        };
        let (low, high) = (read.low - (found - least).max(0.0), read.high + (most - found).max(0.0));
        Estimate::checked(value, read.standard_error, low, high)
    }

    /// The median gap's interval, no narrower than Woodruff's for the median of the poor at a fixed line.
    fn median_gap(&self, read: Estimate, reading: &Reading<'_>, line: f64) -> Estimate {
        let fit = reading.fit();
        let Some(value) = read.value else { return read };
        let Some((median, at_line)) = fit.bins_of_the_poor(line) else { return read };
        let people = Z * self.replicates.spread_at(median, 0.5, at_line);
        let (high, low) = (fit.median_gap_at(line, -people), fit.median_gap_at(line, people));
        let (low, high) = (low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY));
        Estimate::checked(value, read.standard_error, read.low.min(low), read.high.max(high))
    }
}

/// Between two readings of the same statistic.
fn between(one: Estimate, other: Estimate) -> Estimate {
    let (Some(a), Some(b)) = (one.value, other.value) else {
        return if one.value.is_some() { one } else { other };
    };
    let squares = (one.standard_error.powi(2) + other.standard_error.powi(2)) / 2.0;
    let error = (squares + (a - b).powi(2) / 4.0).sqrt();
    Estimate::checked((a + b) / 2.0, error, one.low.min(other.low), one.high.max(other.high))
}

/// The same with an error and an interval `factor` times as large.
fn widened(estimate: Estimate, factor: f64) -> Estimate {
    let Some(value) = estimate.value else { return estimate };
    let end = |end: f64| value + (end - value) * factor;
    Estimate::checked(value, estimate.standard_error * factor, end(estimate.low), end(estimate.high))
}
