//! The optimal split of a question's rho over its blocks. No floating point may ever enter this file.

use almoner_federation::PicoRho;
use dashu::base::SquareRoot;
use dashu::integer::UBig;

/// Fraction bits of a square root.
const ROOT_BITS: usize = 64;

/// Splits `rho` so that `sum of weight_b / part_b` is least: each part is proportional to the square root
/// of its block's weight, the block's error squared at rho = 1 times its importance (PROTOCOL C, where the
/// weight is `w_b m_b D_b^2`). Parts are rounded down, so they add up to at most `rho`; a weight of 0 counts
/// as 1.
pub fn allocate(rho: PicoRho, weights: &[UBig]) -> Vec<PicoRho> {
    let roots: Vec<UBig> =
        weights.iter().map(|weight| (weight.clone().max(UBig::ONE) << (2 * ROOT_BITS)).sqrt()).collect();
    let sum: UBig = roots.iter().fold(UBig::ZERO, |sum, root| sum + root);
    let part = |root: &UBig| {
        let part = UBig::from(rho.get()) * root / &sum;
        PicoRho::new(u64::try_from(&part).expect("a part is at most the whole"))
    };
    roots.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(rho: u64, weights: &[u64]) -> Vec<u64> {
        let weights: Vec<UBig> = weights.iter().map(|weight| UBig::from(*weight)).collect();
        allocate(PicoRho::new(rho), &weights).into_iter().map(PicoRho::get).collect()
    }

    #[test]
    fn parts_follow_the_square_roots_and_never_pass_the_whole() {
        assert_eq!(parts(100, &[7]), [100]);
        assert_eq!(parts(100, &[1, 1]), [50, 50]);
        assert_eq!(parts(400, &[1, 9]), [100, 300]);
        assert_eq!(parts(u64::MAX, &[u64::MAX]), [u64::MAX]);
        assert_eq!(parts(1, &[0, 5]), [0, 0]);
        assert!(parts(1_000_003, &[2, 3, 5, 7, 11]).iter().sum::<u64>() <= 1_000_003);
    }

    /// No other split of a thousand tried does better.
    #[test]
    fn the_split_minimises_the_weighted_error() {
        let weights = [9u64, 1, 25];
        let cost =
            |parts: &[u64]| -> f64 { parts.iter().zip(weights).map(|(p, w)| w as f64 / *p as f64).sum() };
        let best = cost(&parts(9_000_000, &weights));
        for i in 1..90u64 {
            for j in 1..(90 - i) {
                let other = [i * 100_000, j * 100_000, 9_000_000 - (i + j) * 100_000];
                assert!(best <= cost(&other) * (1.0 + 1e-6), "{other:?}");
            }
        }
    }
}
