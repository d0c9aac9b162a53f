//! How a distribution is released: every released number is a weighted sum over the bins below it.
//!
//! No floating point may decide what is released; the reconstruction at the end is post-processing.

/// Fewest and most bins.
const MIN_BINS: usize = 2;
const MAX_BINS: usize = 4096;

/// Fraction bits of the coefficients before rounding.
const FRACTION_BITS: u32 = 50;

/// What a column's norm is near, in integer steps.
const SCALE: u64 = 1 << 10;

/// The integer normalised square-root strategy for prefix sums (PROTOCOL D.4): release `y = S h` for a
/// histogram `h`, where `S` is the lower triangular Toeplitz square root of the matrix of prefix sums with
/// coefficients `f_0 = 1, f_k = f_{k-1} (2k-1)/(2k)` (Fichtenberger, Henzinger, Upadhyay, ICML 2023), each
/// column divided by its norm (Henzinger, Kalinin, Upadhyay, arXiv 2509.14334), times 2^10 and rounded. The
/// entries are integers, so the sensitivity is exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strategy {
    bins: usize,
    /// Row `i` has `i + 1` entries and begins at `i (i + 1) / 2`.
    rows: Vec<u16>,
}

impl Strategy {
    /// The strategy for so many bins, taken into `2..=4096`.
    pub fn new(bins: usize) -> Strategy {
        let bins = bins.clamp(MIN_BINS, MAX_BINS);
        let mut f: Vec<u64> = vec![1 << FRACTION_BITS];
        for k in 1..bins as u64 {
            let last = f.last().copied().unwrap_or_default();
            f.push(last * (2 * k - 1) / (2 * k));
        }
        // norms[n] is that of a column with n + 1 entries; squares sum to less than 4 * 2^100.
        let norms: Vec<u64> = f
            .iter()
            .scan(0u128, |sum, f| {
                *sum += u128::from(*f) * u128::from(*f);
                Some(sum.isqrt() as u64)
            })
            .collect();
        let entry = |row: usize, column: usize| {
            let norm = norms[bins - 1 - column];
            let rounded = (2 * SCALE * f[row - column] + norm) / (2 * norm);
            u16::try_from(rounded).expect("an entry is at most the norm, 2^10")
        };
        let rows = (0..bins).flat_map(|row| (0..=row).map(move |column| (row, column)));
        Strategy { bins, rows: rows.map(|(row, column)| entry(row, column)).collect() }
    }

    /// How many bins.
    pub fn bins(&self) -> usize {
        self.bins
    }

    fn row(&self, row: usize) -> &[u16] {
        &self.rows[row * (row + 1) / 2..][..=row]
    }

    /// The least integer that is at least every column's L2 norm: by how much one person in one bin can
    /// move the release.
    pub fn norm(&self) -> u64 {
        let mut squares = vec![0u64; self.bins];
        for row in 0..self.bins {
            for (square, entry) in squares.iter_mut().zip(self.row(row)) {
                *square += u64::from(*entry) * u64::from(*entry);
            }
        }
        let largest = squares.into_iter().max().unwrap_or_default();
        let root = largest.isqrt();
        root + u64::from(root * root < largest)
    }

    /// `y = S h` modulo 2^64, in place. What is beyond the bins stays as it is.
    pub fn apply(&self, histogram: &mut [i64]) {
        for row in (0..self.bins.min(histogram.len())).rev() {
            let sum =
                self.row(row).iter().zip(histogram.iter()).fold(0i64, |sum, (entry, count)| {
                    sum.wrapping_add(count.wrapping_mul(i64::from(*entry)))
                });
            // Rows from the last to the first: none needs what was overwritten.
            histogram[row] = sum;
        }
    }

    /// The prefix sums `L S^-1 y`, one for each bin: how many are in it or below. `y` has one number a bin.
    pub fn prefixes(&self, y: &[f64]) -> Vec<f64> {
        let mut bins: Vec<f64> = Vec::with_capacity(self.bins);
        for (row, total) in y.iter().take(self.bins).enumerate() {
            let entries = self.row(row);
            let below: f64 = bins.iter().zip(entries).map(|(count, entry)| count * f64::from(*entry)).sum();
            bins.push((total - below) / f64::from(entries[row]));
        }
        let mut sum = 0.0;
        bins.iter_mut().for_each(|count| {
            sum += *count;
            *count = sum;
        });
        bins
    }

    /// The factors with which released numbers add up to a sum over the bins with these factors: `S^-T` times
    /// `factors`, one for each bin.
    pub fn weights(&self, factors: &[f64]) -> Vec<f64> {
        let mut weights = factors.to_vec();
        weights.resize(self.bins, 0.0);
        for at in (0..self.bins).rev() {
            let entries = self.row(at);
            let solved = weights[at] / f64::from(entries[at]);
            weights[at] = solved;
            for (left, entry) in weights[..at].iter_mut().zip(entries) {
                *left -= solved * f64::from(*entry);
            }
        }
        weights
    }

    /// The variance of the prefix sum up to and with `bin`, when every released number has noise of
    /// variance 1: the squared norm of its [`Strategy::weights`].
    pub fn prefix_variance(&self, bin: usize) -> f64 {
        let prefix = vec![1.0; bin.min(self.bins - 1) + 1];
        self.weights(&prefix).iter().map(|weight| weight * weight).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PROTOCOL D.4's table: mean and largest variance of a prefix, times the squared sensitivity.
    #[test]
    fn the_variances_are_those_of_the_published_table() {
        for (bins, mean, max) in [(256, 6.55, 7.01), (1024, 8.96, 9.51)] {
            let strategy = Strategy::new(bins);
            let squared = (strategy.norm() as f64).powi(2);
            let variances: Vec<f64> = (0..bins).map(|bin| strategy.prefix_variance(bin) * squared).collect();
            let found = variances.iter().sum::<f64>() / bins as f64;
            let largest = variances.iter().copied().fold(0.0, f64::max);
            // The norm is rounded up, which costs at most 2/1024 of a variance.
            assert!((found / mean - 1.0).abs() < 0.005, "{bins}: {found}");
            assert!((largest / max - 1.0).abs() < 0.005, "{bins}: {largest}");
        }
        assert_eq!(Strategy::new(1024).norm(), 1025, "1024.7 rounded up");
    }

    /// No histogram of one person moves the release by more than the norm, and one moves it by nearly that.
    #[test]
    fn one_person_moves_the_release_by_at_most_the_norm() {
        for bins in [2, 3, 17, 100] {
            let strategy = Strategy::new(bins);
            let moved = (0..bins).map(|bin| {
                let mut histogram = vec![0i64; bins];
                histogram[bin] = 1;
                strategy.apply(&mut histogram);
                histogram.iter().map(|y| (y * y) as u64).sum::<u64>()
            });
            let largest = moved.max().expect("bins");
            assert!(largest <= strategy.norm().pow(2), "{bins}");
            assert!(largest > (strategy.norm() - 1).pow(2), "{bins}");
        }
    }

    #[test]
    fn prefixes_undo_what_apply_did() {
        for bins in [2, 5, 64, 1000] {
            let strategy = Strategy::new(bins);
            let counts: Vec<i64> = (0..bins as i64).map(|bin| (bin * bin * 7 + 3) % 101).collect();
            let mut released = counts.clone();
            strategy.apply(&mut released);
            let y: Vec<f64> = released.iter().map(|y| *y as f64).collect();
            let mut sum = 0;
            for (found, count) in strategy.prefixes(&y).iter().zip(&counts) {
                sum += count;
                assert!((found - sum as f64).abs() < 1e-6 * (1.0 + sum as f64));
            }
        }
    }

    #[test]
    fn odd_lengths_are_taken_into_the_bounds_and_sums_wrap() {
        assert_eq!(Strategy::new(0).bins(), MIN_BINS);
        assert_eq!(Strategy::new(1 << 40).bins(), MAX_BINS);
        let strategy = Strategy::new(8);
        let mut extreme = vec![i64::MAX, i64::MIN, i64::MAX, 1, 0, 0, 0, i64::MIN];
        strategy.apply(&mut extreme);
        strategy.apply(&mut []);
    }
}
