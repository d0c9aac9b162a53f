//! Prices and calibrations against their definitions in exact rationals, and against OpenDP's privacy map.

use almoner_federation::{Exact, PicoRho};
use almoner_privacy::{MAX_COORDINATES, MAX_SIGMA, MIN_SIGMA, PrivacyError, calibrate, price};
use dashu::integer::{IBig, UBig};
use opendp::domains::{AtomDomain, VectorDomain};
use opendp::measurements::{MakeNoise, ZExpFamily, make_gaussian};
use opendp::measures::ZeroConcentratedDivergence;
use opendp::metrics::L2Distance;
use proptest::prelude::*;

/// `1e12 D^2 / (2 h sigma^2)`: the price without its tau term.
fn central(d2: u128, honest: u32, sigma: u64) -> Exact {
    let loss = IBig::from(1_000_000_000_000u64) * IBig::from(d2) * IBig::from(d2);
    Exact::from_parts(loss, UBig::from(2u8) * UBig::from(honest) * UBig::from(sigma) * UBig::from(sigma))
}

/// Whether the exact loss is within `target`: with several shares there is a tau term, positive however small,
/// so the central part must stay strictly below.
fn keeps(d2: u128, honest: u32, sigma: u64, target: PicoRho) -> bool {
    let (loss, target) = (central(d2, honest, sigma), Exact::from(target.get()));
    if honest == 1 { loss <= target } else { loss < target }
}

/// Integers of every size up to `bits` bits.
fn sized(bits: u32) -> impl Strategy<Value = u64> {
    (1..=bits, any::<u64>()).prop_map(|(bits, word)| (word >> (u64::BITS - bits)).max(1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_price_is_the_least_integer_that_covers_the_loss(
        d2 in sized(60), honest in sized(32), sigma in sized(50), coordinates in sized(24),
    ) {
        let (d2, honest, sigma) = (u128::from(d2), honest as u32, sigma.max(MIN_SIGMA));
        match price(d2, honest, sigma, coordinates as usize) {
            Ok(cost) => {
                prop_assert!(keeps(d2, honest, sigma, cost));
                prop_assert!(!keeps(d2, honest, sigma, PicoRho::new(cost.get() - 1)));
            }
            Err(error) => {
                prop_assert_eq!(error, PrivacyError::PriceTooLarge);
                prop_assert!(!keeps(d2, honest, sigma, PicoRho::new(u64::MAX)));
            }
        }
    }

    #[test]
    fn a_calibration_never_passes_its_target_and_no_smaller_noise_would_do(
        d2 in sized(64), honest in sized(32), coordinates in sized(24), target in sized(64),
    ) {
        let (d2, honest, target) = (u128::from(d2), honest as u32, PicoRho::new(target));
        match calibrate(d2, honest, coordinates as usize, target) {
            Ok(found) => {
                let scaled = d2 << found.shift;
                prop_assert!(found.cost <= target);
                prop_assert_eq!(price(scaled, honest, found.sigma, coordinates as usize), Ok(found.cost));
                prop_assert!((MIN_SIGMA..=MAX_SIGMA).contains(&found.sigma));
                prop_assert!(keeps(scaled, honest, found.sigma, target));
                prop_assert!(!keeps(scaled, honest, found.sigma - 1, target), "sigma is minimal");
                if found.shift > 0 {
                    prop_assert!(found.sigma < 2 * MIN_SIGMA);
                    prop_assert!(keeps(scaled >> 1, honest, MIN_SIGMA - 1, target), "shift is minimal");
                }
            }
            Err(error) => {
                prop_assert_eq!(error, PrivacyError::NoiseTooLarge);
                prop_assert!(!keeps(d2, honest, MAX_SIGMA, target));
            }
        }
    }

    #[test]
    fn more_rho_never_means_more_noise(d2 in sized(40), honest in 1u32..300, target in sized(60), more in sized(60)) {
        let [less, more] = [target, target + more].map(|pico| calibrate(d2.into(), honest, 5, PicoRho::new(pico)));
        if let Ok(less) = less {
            let more = more.expect("what less rho allows, more allows");
            let noise = |found: almoner_privacy::Calibration| found.sigma as f64 / 2f64.powi(found.shift as i32);
            // The finer scale of the larger budget may round up by one step in 256.
            prop_assert!(noise(more) <= noise(less) * (1.0 + 1.0 / 255.0));
        }
    }

    /// OpenDP's map for a Gaussian of scale `sqrt(h) sigma` over the same sensitivity. Its scale is rounded to
    /// 53 bits and its answer up to the next float: 4e-16 relative together.
    #[test]
    fn prices_equal_opendps_privacy_map_to_the_last_pico(
        d2 in sized(53), honest in 1u32..5_000, ratio in 0.01f64..10_000.0,
    ) {
        let sigma = ((d2 as f64 * ratio) as u64).clamp(MIN_SIGMA, 1 << 45);
        if let Ok(ours) = price(d2.into(), honest, sigma, 7) {
            let space = (VectorDomain::new(AtomDomain::<i64>::default()), L2Distance::<f64>::default());
            let scale = f64::from(honest).sqrt() * sigma as f64;
            let oracle = make_gaussian::<_, _, ZeroConcentratedDivergence>(space.0, space.1, scale, None)
                .expect("a valid scale");
            let theirs = oracle.map(&(d2 as f64)).expect("a valid sensitivity") * 1e12;
            let difference = ours.get() as f64 - theirs;
            let rounding = 1e-15 * theirs;
            prop_assert!(-rounding <= difference && difference <= 1.0 + rounding, "{} {theirs}", ours.get());
        }
    }

    /// For square h the scale is an integer, and OpenDP's integer mechanism takes sensitivities of any size.
    #[test]
    fn prices_equal_opendps_exact_integer_mechanism(d2 in sized(64), root in 1u32..60, sigma in sized(50)) {
        let sigma = sigma.max(MIN_SIGMA);
        if let Ok(ours) = price(d2.into(), root * root, sigma, 1) {
            let space = (VectorDomain::<AtomDomain<IBig>>::default(), L2Distance::<Exact>::default());
            let family = ZExpFamily::<2> { scale: Exact::from(u64::from(root)) * Exact::from(sigma) };
            let oracle = MakeNoise::<_, _, ZeroConcentratedDivergence>::make_noise(family, space)
                .expect("a valid scale");
            let theirs = oracle.map(&Exact::from(d2)).expect("a valid sensitivity") * 1e12;
            let difference = ours.get() as f64 - theirs;
            prop_assert!(difference.abs() <= 1.0 + 1e-15 * theirs, "{} {theirs}", ours.get());
        }
    }
}

#[test]
fn the_tau_term_of_several_shares_shows_exactly_when_the_rest_is_whole() {
    let pico = |d2, honest, sigma| price(d2, honest, sigma, 1000).map(PicoRho::get);
    assert_eq!(pico(256, 1, 256), Ok(500_000_000_000));
    assert_eq!(pico(256, 2, 256), Ok(250_000_000_001));
    assert_eq!(pico(256, 3, 256), Ok(166_666_666_667));
    assert_eq!(pico(256, 3, 300), Ok(121_362_962_963));
    assert_eq!(pico(0, 1, 256), Ok(0));
    assert_eq!(pico(0, 2, 256), Ok(1));
}

#[test]
fn a_count_over_five_agencies_gets_the_textbook_noise() {
    let rho: PicoRho = "0.005".parse().expect("a rho");
    let found = calibrate(2, 4, 200, rho).expect("feasible");
    // sigma = D / sqrt(2 rho h) = 10 without scaling; 2^5 * 10 = 320 is the first that reaches 256.
    assert_eq!((found.shift, found.sigma), (5, 321), "320 would cost one pico too much");
    let alone = calibrate(2, 1, 200, rho).expect("feasible");
    assert_eq!((alone.shift, alone.sigma, alone.cost), (4, 320, rho));
    let nothing = calibrate(0, 4, 200, rho).expect("feasible");
    assert_eq!((nothing.shift, nothing.sigma, nothing.cost), (0, 256, PicoRho::new(1)));
}

#[test]
fn the_extremes_are_refused_or_exact() {
    let (most, one) = (PicoRho::new(u64::MAX), PicoRho::new(1));
    assert_eq!(calibrate(1, u32::MAX, 1, most).map(|found| found.shift), Ok(37));
    assert_eq!(calibrate(1 << 44, 1, 1, one), Err(PrivacyError::NoiseTooLarge));
    assert_eq!(calibrate(u128::MAX, 1, 1, most), Err(PrivacyError::NoiseTooLarge));
    assert_eq!(calibrate(1, 1, 1, PicoRho::ZERO), Err(PrivacyError::NothingOffered));
    assert_eq!(price(u128::MAX, 1, MAX_SIGMA, 1), Err(PrivacyError::PriceTooLarge));
    for sigma in [0, 1, MIN_SIGMA - 1, MAX_SIGMA + 1, u64::MAX] {
        assert_eq!(price(1, 2, sigma, 1), Err(PrivacyError::Sigma));
    }
    for coordinates in [0, MAX_COORDINATES + 1, usize::MAX] {
        assert_eq!(price(1, 2, 256, coordinates), Err(PrivacyError::Coordinates));
        assert_eq!(calibrate(1, 2, coordinates, one), Err(PrivacyError::Coordinates));
    }
    assert_eq!(price(1, 0, 256, 1), Err(PrivacyError::NoHonestShare));
    assert_eq!(calibrate(1, 0, 1, one), Err(PrivacyError::NoHonestShare));
}
