//! What a planner may conclude from a released sketch.

use super::flips::MAX_FLIP;
use crate::estimate::{Estimate, Z};

/// Fewest buckets of a sketch.
const MIN_BUCKETS: u64 = 1024;

/// The number of distinct persons, from a sketch of `buckets` = D buckets of which `ones` came out 1, the sum
/// of `participants` = n releases with flips of probability `q = flip/2^64`.
///
/// A share u of the buckets that nobody set makes `ones/D = 1/2 - u beta/2` on average, `beta = (1-2q)^n`; so
/// `u = (1/2 - ones/D)/(beta/2)`, and N persons thrown into D buckets leave `u = exp(-N/D)` unset:
/// `N = -D ln u` (linear counting: Whang, Vander-Zanden, Taylor, ACM TODS 1990). The variance of u is
/// * of the noise: D coins, `(1 - u beta^2)/(D beta^2)`;
/// * of the collisions: `(exp(-L) - (1+L) exp(-2L))/D` at the load `L = N/D` (ibid.), and `u = exp(-L)`;
///
/// together `(1/beta^2 - (1+L) u^2)/D`. The standard error is `D sd(u)/u`, by the delta method, and the
/// interval is that of `u +- z sd(u)` put into `-D ln`: without an upper end when u might be 0. Unlike for
/// other estimates, they hold the error of the collisions besides the privacy noise.
///
/// For `u <= 0` nothing can be said: too many persons for the buckets, or too much noise. A value below 0
/// stays, because sums would be biased if it were moved. What remains is the bias of the logarithm, upwards
/// by about `standard_error^2/(2D)`. `UNKNOWN` too for a sketch that cannot be: no buckets, no participants,
/// more ones than buckets, a flip of 1/2 or more.
pub fn distinct(ones: u64, buckets: u64, flip: u64, participants: u32) -> Estimate {
    if participants == 0 || ones > buckets || flip >= MAX_FLIP {
        return Estimate::UNKNOWN;
    }
    let d = buckets as f64;
    let beta = beta(flip, participants);
    let u = (1.0 - 2.0 * (ones as f64 / d)) / beta;
    // False for NaN: no buckets, or a beta too small for a float.
    if !(u > 0.0 && u < f64::INFINITY) {
        return Estimate::UNKNOWN;
    }
    let load = 0.0 - u.ln();
    // More unset buckets than there are: the best guess is that nobody is in.
    let known = if u < 1.0 { (1.0 + load) * u * u } else { 1.0 };
    // Rounding alone can make this negative.
    let sd = ((1.0 / beta / beta - known).max(0.0) / d).sqrt();
    let persons = |unset: f64| if unset > 0.0 { -d * unset.ln() } else { f64::INFINITY };
    Estimate::checked(d * load, d * sd / u, persons(u + Z * sd), persons(u - Z * sd))
}

/// The standard error of [`distinct`] when so many persons are in the sketch: known before any data are touched.
pub fn distinct_error(persons: f64, buckets: u64, flip: u64, participants: u32) -> f64 {
    let (d, beta) = (buckets as f64, beta(flip, participants));
    let load = persons / d;
    let u = (-load).exp();
    let error = d * ((1.0 / beta / beta - (1.0 + load) * u * u).max(0.0) / d).sqrt() / u;
    if error.is_nan() { f64::INFINITY } else { error }
}

/// `(1 - 2q)^n`.
fn beta(flip: u64, participants: u32) -> f64 {
    (f64::from(participants) * (-(flip as f64) / MAX_FLIP as f64).ln_1p()).exp()
}

/// The sum of independent estimates, each times its factor: for a union less its parts, and the like. The
/// standard errors add in squares; the interval is the value plus and minus z standard errors, without an
/// end on the side where a part has none. A part with the factor 0 is ignored; any other unknown one makes
/// the sum unknown.
///
/// Independent are estimates from different releases with differently keyed buckets. With the same buckets
/// the noise still is, but collisions are shared: a difference then is more precise than it is said to be, a
/// sum less.
pub fn combined(parts: &[(f64, Estimate)]) -> Estimate {
    let (mut value, mut variance) = (0.0, 0.0);
    let (mut has_low, mut has_high) = (true, true);
    for (factor, part) in parts.iter().filter(|(factor, _)| *factor != 0.0) {
        let Some(own) = part.value else { return Estimate::UNKNOWN };
        value += factor * own;
        variance += (factor * part.standard_error).powi(2);
        let (low, high) = (part.low.is_finite(), part.high.is_finite());
        let (low, high) = if *factor > 0.0 { (low, high) } else { (high, low) };
        has_low &= low;
        has_high &= high;
    }
    let error = variance.sqrt();
    let low = if has_low { value - Z * error } else { f64::NEG_INFINITY };
    let high = if has_high { value + Z * error } else { f64::INFINITY };
    Estimate::checked(value, error, low, high)
}

/// How many buckets a sketch of at most `population` persons gets: the least power of two, and at least
/// 1,024, for which the load `population/D` is at most `sqrt(1/2)`, hence above `sqrt(1/8)` from 725 persons on.
/// (2^63 is the most; no population needs it.)
///
/// By the formulas of [`distinct`], N persons are counted with a relative error whose square is
/// `(exp(2L)/beta^2 - 1 - L)/(L N)`, `L = N/D`, at the same rho for every D. For small beta it is least at L = 1/2
/// (for large beta at less), within 4 % of its least from 0.35 to 0.7, and 1.5 times that at 0.1, where a question
/// about a small part of the population stands. More buckets cost no rho, but traffic.
pub fn buckets_for(population: u64) -> u64 {
    // Least D with D^2 >= 2 population^2.
    let enough = |d: u64| u128::from(d).pow(2) / 2 >= u128::from(population).pow(2);
    (MIN_BUCKETS.trailing_zeros()..63).map(|power| 1 << power).find(|d| enough(*d)).unwrap_or(1 << 63)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_input_makes_a_nan_or_an_interval_without_its_value(
            ones: u64, buckets: u64, flip: u64, participants: u32, small in 0u64..100, shift in 0u32..64,
            factors in prop::collection::vec(any::<f64>(), 4),
        ) {
            let found = [
                distinct(ones, buckets, flip, participants),
                distinct(ones.min(buckets), ones.max(buckets), flip >> shift, participants % 6),
                distinct(small, 100, flip >> shift, 3),
                distinct(small % 3, 2 + small % 3, flip >> 1, 1),
            ];
            prop_assert!(found.iter().all(Estimate::is_sound), "{found:?}");
            let parts: Vec<(f64, Estimate)> = factors.iter().copied().zip(found).collect();
            prop_assert!(combined(&parts).is_sound());
            for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0] {
                prop_assert!(combined(&[(odd, found[1]), (1.0, found[2]), (odd, found[3])]).is_sound());
            }
        }

        #[test]
        fn loads_are_between_the_roots_of_an_eighth_and_of_a_half(shift in 0u32..63, word: u64) {
            let population = word >> 2 >> shift;
            let d = buckets_for(population);
            prop_assert!(d.is_power_of_two() && d >= 1024);
            let load = population as f64 / d as f64;
            prop_assert!(load <= 0.7072 && (load >= 0.3535 || d == 1024), "{population} {d}");
        }
    }

    #[test]
    fn buckets_change_where_the_load_would_pass_the_root_of_a_half() {
        for (population, d) in [
            (0, 1024),
            (724, 1024),
            (725, 2048),
            (20_000, 32_768),
            (1_000_000, 1 << 21),
            (1 << 62, 1 << 63),
            (u64::MAX, 1 << 63),
        ] {
            assert_eq!(buckets_for(population), d, "{population}");
        }
    }

    /// One honest node, a flip of 1/4: beta = 1/2, and 1,500 ones of 4,096 are `u = (1 - 3000/4096)/(1/2)`.
    #[test]
    fn the_formulas_are_those_of_the_documentation() {
        let found = distinct(1_500, 4096, 1 << 62, 1);
        let u: f64 = (1.0 - 3_000.0 / 4096.0) * 2.0;
        let load = -u.ln();
        let variance =
            (1.0 - u / 4.0) * 4.0 / 4096.0 + ((-load).exp() - (1.0 + load) * (-2.0 * load).exp()) / 4096.0;
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
        assert!(close(found.value.expect("enough"), 4096.0 * load));
        assert!(close(found.standard_error, 4096.0 * variance.sqrt() / u));
        assert!(close(found.low, -4096.0 * (u + Z * variance.sqrt()).ln()));
        assert!(close(found.high, -4096.0 * (u - Z * variance.sqrt()).ln()));
        // Two nodes with half of the logarithm of beta each are as one.
        let half = ((1.0 - 0.5f64.sqrt()) * MAX_FLIP as f64) as u64;
        assert!(close(distinct(1_500, 4096, half, 2).standard_error, found.standard_error));
    }

    #[test]
    fn degenerate_sketches_say_what_they_can() {
        let flip = 1 << 62;
        for (ones, buckets, flip, participants) in [
            (0, 0, flip, 1),
            (2049, 2048, flip, 1),
            (0, 2048, flip, 0),
            (100, 2048, MAX_FLIP, 1),
            (100, 2048, u64::MAX, 1),
            (100, 2048, flip, u32::MAX),
            (1024, 2048, flip, 1),
            (2048, 2048, flip, 1),
        ] {
            assert_eq!(distinct(ones, buckets, flip, participants), Estimate::UNKNOWN, "{ones} {buckets}");
        }
        // Nobody: a quarter of the buckets flipped, and fewer by chance, which is a negative number.
        assert_eq!(distinct(512, 2048, flip, 1).value, Some(0.0));
        let negative = distinct(480, 2048, flip, 1);
        assert!(negative.value.is_some_and(|value| value < 0.0) && negative.high > 0.0);
        // Nearly half: anything above some number.
        let full = distinct(1_020, 2048, flip, 1);
        assert_eq!(full.high, f64::INFINITY);
        assert!(full.value.is_some() && full.low > 2048.0 && full.low < 1e9);
        // Hardly any noise: the error left is that of collisions.
        let clear = distinct(1_000, 8192, 1, 1);
        let load: f64 = -(1.0 - 2_000.0 / 8192.0f64).ln();
        let u = (-load).exp();
        let expected = (8192.0 * (1.0 - u + u - (1.0 + load) * u * u)).sqrt() / u;
        assert!((clear.standard_error / expected - 1.0).abs() < 1e-9);
    }

    #[test]
    fn sums_add_errors_in_squares_and_keep_open_ends_open() {
        let part = |value, error: f64| Estimate {
            value: Some(value),
            standard_error: error,
            low: value - 2.0 * error,
            high: value + 2.0 * error,
        };
        let found = combined(&[(1.0, part(100.0, 3.0)), (-2.0, part(20.0, 2.0)), (0.0, Estimate::UNKNOWN)]);
        assert_eq!((found.value, found.standard_error), (Some(60.0), 5.0));
        assert_eq!((found.low, found.high), (60.0 - Z * 5.0, 60.0 + Z * 5.0));

        let open = Estimate { high: f64::INFINITY, ..part(20.0, 2.0) };
        let sum = combined(&[(1.0, part(100.0, 3.0)), (1.0, open)]);
        assert_eq!((sum.low, sum.high), (120.0 - Z * 13f64.sqrt(), f64::INFINITY));
        let difference = combined(&[(1.0, part(100.0, 3.0)), (-1.0, open)]);
        assert_eq!((difference.low, difference.high), (f64::NEG_INFINITY, 80.0 + Z * 13f64.sqrt()));

        assert_eq!(combined(&[(1.0, open), (0.5, Estimate::UNKNOWN)]), Estimate::UNKNOWN);
        assert_eq!(combined(&[]), Estimate { value: Some(0.0), standard_error: 0.0, low: 0.0, high: 0.0 });
    }
}
