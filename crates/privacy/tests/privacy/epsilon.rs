//! Epsilon against the specification's table, a 150-bit evaluation of the formula, and OpenDP's conversion.

use almoner_federation::PicoRho;
use almoner_privacy::{epsilon, rho_for_epsilon};
use dashu::base::Abs;
use dashu::float::FBig;
use dashu::float::round::mode::HalfEven;
use opendp::combinators::ConcentratedMeasure;
use opendp::measures::ZeroConcentratedDivergence;

type Wide = FBig<HalfEven, 2>;

const RHOS: [u64; 16] = [
    1,
    1_000,
    1_000_000,
    100_000_000,
    1_000_000_000,
    5_000_000_000,
    12_345_678_901,
    20_000_000_000,
    100_000_000_000,
    250_000_000_000,
    500_000_000_000,
    1_000_000_000_000,
    3_141_592_653_589,
    10_000_000_000_000,
    100_000_000_000_000,
    1_000_000_000_000_000,
];
const DELTAS: [f64; 7] = [0.1, 1e-3, 1e-6, 1e-9, 1e-12, 1e-30, 1e-100];

fn wide(x: f64) -> Wide {
    Wide::try_from(x).expect("finite").with_precision(150).value()
}

/// `alpha rho + (ln(1/delta) + (alpha-1) ln(1 - 1/alpha) - ln alpha)/(alpha-1)` at `alpha = 1 + a`.
fn formula(rho: &Wide, log: &Wide, a: &Wide) -> Wide {
    let one = wide(1.0);
    let alpha = a + &one;
    &alpha * rho + (log + a * (a / &alpha).ln() - alpha.ln()) / a
}

/// The least value of the formula over `alpha`, by golden sections of ln(alpha - 1); the formula has one minimum.
fn least(rho: PicoRho, delta: f64) -> Wide {
    let rho = wide(rho.get() as f64) / wide(1e12);
    let log = -wide(delta).ln();
    let golden = (wide(5.0).ln() / wide(2.0)).exp() / wide(2.0) - wide(0.5);
    let value = |position: &Wide| formula(&rho, &log, &position.exp());
    let (mut low, mut high) = (wide(-15.0), wide(25.0));
    for _ in 0..110 {
        let step = (&high - &low) * &golden;
        let (first, second) = (&high - &step, &low + &step);
        if value(&first) < value(&second) { high = second } else { low = first }
    }
    value(&((low + high) / wide(2.0)))
}

#[test]
fn the_specifications_table_is_reproduced() {
    for (rho, at_6, at_9, half_digit) in [
        (5_000_000_000, 0.430, 0.565, 0.0005),
        (20_000_000_000, 0.900, 1.163, 0.0005),
        (100_000_000_000, 2.14, 2.72, 0.005),
        (250_000_000_000, 3.54, 4.44, 0.005),
        (500_000_000_000, 5.22, 6.47, 0.005),
        (1_000_000_000_000, 7.77, 9.52, 0.005),
    ] {
        for (delta, expected) in [(1e-6, at_6), (1e-9, at_9)] {
            let found = epsilon(PicoRho::new(rho), delta);
            assert!((found - expected).abs() <= half_digit, "{rho} {delta}: {found} {expected}");
        }
    }
}

#[test]
fn epsilon_is_never_below_the_formulas_minimum_and_above_it_by_rounding_only() {
    for rho in RHOS.map(PicoRho::new) {
        for delta in DELTAS {
            let (found, exact) = (epsilon(rho, delta), least(rho, delta));
            if exact < wide(0.0) {
                assert_eq!(found, 0.0, "{rho} {delta}");
                continue;
            }
            let excess = wide(found) - &exact;
            // The terms of the formula cancel for tiny rho: allow 1e-13 of the largest, which is below 1.
            let allowed = wide(1e-13) * (wide(1.0) + exact.clone().abs());
            assert!(wide(0.0) <= excess && excess <= allowed, "{rho} {delta}: {found} {exact:?}");
        }
    }
}

/// OpenDP minimises delta for each epsilon over alpha >= 1.01 and rounds every step up; ours must agree where its
/// restriction does not bite (alpha - 1 is about sqrt(ln(1/delta)/rho)), and never claim less.
#[test]
fn epsilon_equals_opendps_conversion() {
    for rho in RHOS.map(PicoRho::new) {
        let profile = ZeroConcentratedDivergence::convert(rho.as_f64()).expect("a valid rho");
        for delta in DELTAS {
            let (ours, theirs) = (epsilon(rho, delta), profile.epsilon(delta).expect("a valid delta"));
            assert!(ours >= theirs - 1e-9, "{rho} {delta}: {ours} {theirs}");
            assert!(ours <= theirs + 1e-9 * theirs.max(1.0), "{rho} {delta}: {ours} {theirs}");
        }
    }
}

#[test]
fn the_largest_rho_for_an_epsilon_is_found() {
    for delta in DELTAS {
        for limit in [0.01, 0.1, 0.5, 1.0, 3.0, 10.0, 100.0] {
            let rho = rho_for_epsilon(limit, delta).expect("some rho fits");
            assert!(epsilon(rho, delta) <= limit);
            assert!(epsilon(PicoRho::new(rho.get() + 1), delta) > limit);
        }
    }
    for rho in RHOS[3..].iter().copied().map(PicoRho::new) {
        let back = rho_for_epsilon(epsilon(rho, 1e-9), 1e-9).expect("rho itself fits");
        assert!(back >= rho && back.get() - rho.get() <= 1 + rho.get() / 1_000_000_000);
    }
}

#[test]
fn what_is_no_promise_gets_no_number() {
    let rho = PicoRho::new(5_000_000_000);
    for delta in [0.0, -0.0, -1e-9, 1.0, 2.0, f64::NAN, f64::INFINITY] {
        assert_eq!(epsilon(rho, delta), f64::INFINITY);
        assert_eq!(rho_for_epsilon(1.0, delta), None);
    }
    for limit in [f64::NAN, -1.0, f64::NEG_INFINITY, 1e-12] {
        assert_eq!(rho_for_epsilon(limit, 1e-9), None);
    }
    assert_eq!(epsilon(PicoRho::ZERO, 1e-9), 0.0);
    for delta in [f64::MIN_POSITIVE, 5e-324, 1.0 - f64::EPSILON / 2.0] {
        assert!(epsilon(rho, delta).is_finite());
        assert!(epsilon(PicoRho::new(u64::MAX), delta).is_finite());
    }
}
