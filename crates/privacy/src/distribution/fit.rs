//! A distribution as prefix sums over public bins, and everything that planners conclude from one.
//!
//! Within a bin people are taken to be spread evenly: quantiles, shares, gaps, Lorenz curve and Gini all
//! rest on that one reading, so that they agree with each other.

/// A nondecreasing cumulative distribution: `cumulated[k]` people lie in `bins[k]` or below it. A bin from
/// `low` to `high` holds the values `low <= x < high`, one with `low == high` those that are `low`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fit<'a> {
    bins: &'a [(f64, f64)],
    cumulated: Vec<f64>,
}

/// A bin with people in it: from, to, how many.
#[derive(Clone, Copy)]
struct Bin {
    low: f64,
    high: f64,
    count: f64,
}

impl Bin {
    fn middle(self) -> f64 {
        (self.low + self.high) / 2.0
    }

    /// The share of its people who are below a value.
    fn part_below(self, value: f64) -> f64 {
        if self.low >= value {
            0.0
        } else if self.high <= value {
            1.0
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }
}

impl<'a> Fit<'a> {
    /// The nondecreasing, nonnegative prefix sums that are nearest to noisy ones (least squares, by pooling
    /// adjacent violators).
    pub(crate) fn new(bins: &'a [(f64, f64)], prefixes: &[f64]) -> Fit<'a> {
        let mut pools: Vec<(f64, usize)> = Vec::with_capacity(prefixes.len());
        for prefix in prefixes {
            let mut pool = (*prefix, 1usize);
            while let Some((mean, size)) = pools.last().copied().filter(|(mean, _)| *mean >= pool.0) {
                let together = size + pool.1;
                pool = ((mean * size as f64 + pool.0 * pool.1 as f64) / together as f64, together);
                pools.pop();
            }
            pools.push(pool);
        }
        let cumulated =
            pools.iter().flat_map(|(mean, size)| std::iter::repeat_n(mean.max(0.0), *size)).collect();
        Fit { bins, cumulated }
    }

    /// The fitted prefix sums.
    pub(crate) fn prefixes(&self) -> &[f64] {
        &self.cumulated
    }

    pub(crate) fn total(&self) -> f64 {
        self.cumulated.last().copied().unwrap_or_default()
    }

    /// `None` when nobody is there.
    fn people(&self) -> Option<f64> {
        Some(self.total()).filter(|total| *total > 0.0)
    }

    fn bins(&self) -> impl Iterator<Item = Bin> + '_ {
        let below = std::iter::once(&0.0).chain(&self.cumulated);
        let counts = self.cumulated.iter().zip(below).map(|(to, from)| to - from);
        self.bins.iter().zip(counts).map(|((low, high), count)| Bin { low: *low, high: *high, count })
    }

    /// The bin in which `target` people are reached, or the last one.
    fn bin_at(&self, target: f64) -> Option<usize> {
        let last = self.cumulated.len().checked_sub(1)?;
        Some(self.cumulated.partition_point(|people| *people < target).min(last))
    }

    /// The value below which `target` people lie.
    fn value_at(&self, target: f64) -> Option<f64> {
        let bin = self.bin_at(target)?;
        let below = if bin == 0 { 0.0 } else { self.cumulated[bin - 1] };
        let count = self.cumulated[bin] - below;
        let part = if count > 0.0 { ((target - below) / count).clamp(0.0, 1.0) } else { 0.0 };
        let (low, high) = self.bins[bin];
        Some(low + part * (high - low))
    }

    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        self.value_at(share * self.people()?)
    }

    /// The bin of a quantile.
    pub(crate) fn bin_of(&self, share: f64) -> Option<usize> {
        self.bin_at(share * self.people()?)
    }

    /// The values below which `people` fewer, and more, lie than below a quantile.
    pub(crate) fn around(&self, share: f64, people: f64) -> Option<(f64, f64)> {
        let (target, all) = (share * self.people()?, self.total());
        // Fewer than nobody, and more than all, are at the ends of the range.
        let low = if target > people { self.value_at(target - people)? } else { self.bins.first()?.0 };
        let high = if target + people < all { self.value_at(target + people)? } else { self.bins.last()?.1 };
        Some((low, high))
    }

    /// How many lie below a value.
    fn below(&self, value: f64) -> f64 {
        self.bins().map(|bin| bin.count * bin.part_below(value)).sum()
    }

    pub(crate) fn share_below(&self, line: f64) -> Option<f64> {
        Some(self.below(line) / self.people()?)
    }

    /// Foster-Greer-Thorbecke: the mean of `((line - x)/line)^power` over those below, and of 0 over the rest.
    /// Who has less than nothing counts as having nothing.
    pub(crate) fn gap(&self, line: f64, squared: bool) -> Option<f64> {
        let people = self.people()?;
        if line <= 0.0 {
            return None;
        }
        let mean = |bin: Bin| {
            let part = bin.part_below(line);
            let gap = |value: f64| ((line - value) / line).clamp(0.0, 1.0);
            let (most, least) = (gap(bin.low), gap(bin.high));
            // The means of a line, and of its square, between its ends.
            let mean = if squared {
                (most * most + most * least + least * least) / 3.0
            } else {
                (most + least) / 2.0
            };
            bin.count * part * mean
        };
        Some(self.bins().map(mean).sum::<f64>() / people)
    }

    /// The least and the largest mean of `f` over everyone, wherever in their bins people stand: all at the one end or
    /// all at the other. `f` falls or rises throughout; it is asked of a value, and whether people may stand at that
    /// value or only before it.
    pub(crate) fn extremes(&self, f: impl Fn(f64, bool) -> f64) -> Option<(f64, f64)> {
        let people = self.people()?;
        let last = self.bins.len() - 1;
        let (mut low, mut high) = (0.0, 0.0);
        for (index, bin) in self.bins().enumerate() {
            let at_end = index == last || bin.low == bin.high;
            low += bin.count * f(bin.low, true);
            high += bin.count * f(bin.high, at_end);
        }
        let (low, high) = (low / people, high / people);
        Some((low.min(high), low.max(high)))
    }

    /// `(line - median of the poor) / line`.
    pub(crate) fn median_gap(&self, line: f64) -> Option<f64> {
        self.median_gap_at(line, 0.0)
    }

    /// The median gap if the median were so many people further up.
    pub(crate) fn median_gap_at(&self, line: f64, people: f64) -> Option<f64> {
        let poor = self.below(line);
        if line <= 0.0 || poor <= 0.0 {
            return None;
        }
        Some((line - self.value_at(poor / 2.0 + people)?) / line)
    }

    /// The bins of the poor's median and of the line.
    pub(crate) fn bins_of_the_poor(&self, line: f64) -> Option<(usize, usize)> {
        let at_line =
            self.bins.partition_point(|(_, high)| *high < line).min(self.bins.len().checked_sub(1)?);
        Some((self.bin_at(self.below(line) / 2.0)?, at_line))
    }

    pub(crate) fn mean(&self) -> Option<f64> {
        Some(self.bins().map(|bin| bin.count * bin.middle()).sum::<f64>() / self.people()?)
    }

    /// What the lowest `share` of the people have together.
    fn income_of_lowest(&self, share: f64) -> Option<f64> {
        let mut left = share * self.people()?;
        let mut income = 0.0;
        for bin in self.bins().filter(|bin| bin.count > 0.0) {
            let taken = bin.count.min(left);
            income += taken * (bin.low + (bin.high - bin.low) * taken / bin.count / 2.0);
            left -= taken;
            if left <= 0.0 {
                break;
            }
        }
        Some(income)
    }

    fn income(&self) -> Option<f64> {
        Some(self.mean()? * self.people()?)
    }

    /// The share of all income that the lowest `share` of the people have; only where there is income.
    pub(crate) fn lorenz(&self, share: f64) -> Option<f64> {
        let income = self.income().filter(|income| *income > 0.0)?;
        Some(self.income_of_lowest(share)? / income)
    }

    /// `integral of F (1 - F) over the range, divided by the mean`: twice the area between the Lorenz curve
    /// and the diagonal. With negative incomes it may pass 1.
    pub(crate) fn gini(&self) -> Option<f64> {
        let people = self.people()?;
        let mean = self.mean().filter(|mean| *mean > 0.0)?;
        let (mut from, mut end, mut area) = (0.0, f64::NAN, 0.0);
        for bin in self.bins() {
            let to = from + bin.count / people;
            let of_f = (from + to) / 2.0 - (from * from + from * to + to * to) / 3.0;
            area += of_f * (bin.high - bin.low);
            // Between a bin's end and the next one's beginning nobody is.
            if bin.low > end {
                area += from * (1.0 - from) * (bin.low - end);
            }
            (from, end) = (to, bin.high);
        }
        Some(area / mean)
    }

    /// What those above the quantile `upper` have, over what those up to the quantile `lower` have.
    pub(crate) fn share_ratio(&self, upper: f64, lower: f64) -> Option<f64> {
        let rich = self.income()? - self.income_of_lowest(upper)?;
        let poor = self.income_of_lowest(lower).filter(|poor| *poor > 0.0)?;
        Some(rich / poor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fine bins over 0..=100, so that the binning error is below 0.2.
    fn of(values: &[f64]) -> (Vec<(f64, f64)>, Vec<f64>) {
        let bins = between(&(0..=1000).map(|k| f64::from(k) / 10.0).collect::<Vec<f64>>());
        let cumulated = bins.iter().map(|(_, high)| values.iter().filter(|v| *v < high).count() as f64);
        (bins.clone(), cumulated.collect())
    }

    fn between(edges: &[f64]) -> Vec<(f64, f64)> {
        edges.windows(2).map(|ends| (ends[0], ends[1])).collect()
    }

    fn near(found: Option<f64>, expected: f64, off: f64) {
        let found = found.expect("defined");
        assert!((found - expected).abs() <= off, "{found} {expected}");
    }

    #[test]
    fn the_measures_of_ten_people_are_those_computed_by_hand() {
        let people = [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 30.0];
        let (bins, cumulated) = of(&people);
        let fit = Fit::new(&bins, &cumulated);
        // Everyone stands in a bin of width 0.1 that begins at her own value: 0.05 above it on average.
        near(fit.mean(), 12.05, 1e-9);
        near(fit.quantile(0.5), 10.1, 1e-9);
        near(fit.share_below(7.0), 0.3, 1e-9);
        near(fit.gap(7.0, false), (4.95 + 2.95 + 0.95) / 70.0, 1e-9);
        // The squares have the variance of a bin besides.
        let squares = 4.95 * 4.95 + 2.95 * 2.95 + 0.95 * 0.95 + 3.0 * 0.01 / 12.0;
        near(fit.gap(7.0, true), squares / 490.0, 1e-9);
        // Half of the three poor are reached in the middle of the second one's bin.
        near(fit.median_gap(7.0), 2.95 / 7.0, 1e-9);
        near(fit.lorenz(0.4), 20.2 / 120.5, 1e-9);
        near(fit.share_ratio(0.8, 0.2), 48.1 / 6.1, 1e-9);
        near(fit.share_ratio(0.9, 0.4), 30.05 / 20.2, 1e-9);
        let pairs: f64 = people.iter().flat_map(|a| people.iter().map(move |b| (a - b).abs())).sum();
        near(fit.gini(), pairs / (2.0 * 100.0 * 12.0), 0.002);
    }

    #[test]
    fn pooling_gives_the_nearest_nondecreasing_sums() {
        let edges = between(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let fit = Fit::new(&edges, &[-3.0, 1.0, 4.0, 2.0, 7.0]);
        assert_eq!(fit.cumulated, [0.0, 1.0, 3.0, 3.0, 7.0]);
        assert_eq!(Fit::new(&edges, &[5.0, 4.0, 3.0, 2.0, 1.0]).cumulated, [3.0; 5]);
    }

    #[test]
    fn degenerate_populations_have_defined_answers() {
        let edges = between(&[-10.0, 0.0, 10.0, 20.0]);
        for prefixes in [[0.0; 3], [-5.0, -1.0, -2.0]] {
            let nobody = Fit::new(&edges, &prefixes);
            let all = [
                nobody.quantile(0.5),
                nobody.share_below(5.0),
                nobody.gap(5.0, true),
                nobody.median_gap(5.0),
                nobody.mean(),
                nobody.lorenz(0.1),
                nobody.gini(),
                nobody.share_ratio(0.8, 0.2),
            ];
            assert_eq!(all, [None; 8]);
        }
        let negative = Fit::new(&edges, &[9.0, 9.0, 9.0]);
        assert_eq!(
            (negative.gini(), negative.lorenz(0.5), negative.share_ratio(0.8, 0.2)),
            (None, None, None)
        );
        assert_eq!(negative.median_gap(-20.0), None, "a line below the range");
        assert_eq!(negative.share_below(-20.0), Some(0.0));
        assert_eq!(negative.share_below(1e9), Some(1.0));
        let equal = Fit::new(&edges, &[0.0, 4.0, 4.0]);
        assert_eq!(equal.quantile(0.5), Some(5.0));
        assert_eq!(equal.share_below(0.0), Some(0.0));
        assert!(equal.gini().is_some_and(|gini| gini < 0.34), "only the spread within one bin");
    }

    /// Bins of one value each leave nothing to be read into them.
    #[test]
    fn single_values_are_met_exactly() {
        let bins = [(-2.0, -2.0), (0.0, 0.0), (1.0, 1.0), (4.0, 4.0)];
        // -2, 0, 0, 1, 4.
        let fit = Fit::new(&bins, &[1.0, 3.0, 4.0, 5.0]);
        near(fit.mean(), 0.6, 1e-12);
        near(fit.quantile(0.5), 0.0, 1e-12);
        near(fit.share_below(0.0), 0.2, 1e-12);
        near(fit.share_below(0.5), 0.6, 1e-12);
        near(fit.gap(2.0, false), 3.5 / 5.0, 1e-12);
        near(fit.gap(2.0, true), 3.25 / 5.0, 1e-12);
        near(fit.median_gap(2.0), 1.0, 1e-12);
        near(fit.lorenz(0.8), -1.0 / 3.0, 1e-12);
        let people = [-2.0f64, 0.0, 0.0, 1.0, 4.0];
        let pairs: f64 = people.iter().flat_map(|a| people.iter().map(move |b| (a - b).abs())).sum();
        near(fit.gini(), pairs / (2.0 * 25.0 * 0.6), 1e-12);
        let nothing = Fit::new(&bins, &[0.0, 9.0, 9.0, 9.0]);
        assert_eq!((nothing.gini(), nothing.lorenz(0.5)), (None, None), "nothing to share");
        assert_eq!(nothing.share_below(2.0), Some(1.0));
    }
}
