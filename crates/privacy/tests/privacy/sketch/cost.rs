//! The price of a sketch against a search over Rényi orders, and the least flips for a rho.

use std::time::Instant;

use almoner_federation::PicoRho;
use almoner_privacy::{PrivacyError, flips, flips_price};
use proptest::prelude::*;

/// The flip that says nothing.
const HALF: u64 = 1 << 63;

/// Room for the rounding of the search: its logarithms are about 1e-7 at the least beta, and exact to 1e-15.
const ROUNDING: f64 = 1e-7;

/// The numbers at which both divergences are looked at: `alpha - 1` from 0.02 to 2e4.
const ORDERS: i32 = 4_000;

fn beta(flip: u64, honest: u32) -> f64 {
    (f64::from(honest) * (-(flip as f64) / HALF as f64).ln_1p()).exp()
}

/// `ln sum_x p(x)^alpha q(x)^(1-alpha)` of two laws on {0, 1} with these logarithms of their probabilities.
fn log_moment(p: [f64; 2], q: [f64; 2], alpha: f64) -> f64 {
    let [a, b] = [0, 1].map(|x| alpha * p[x] + (1.0 - alpha) * q[x]);
    a.max(b) + (-(a - b).abs()).exp().ln_1p()
}

/// The largest `D_alpha/alpha` over many orders, of a fair coin against an unset bucket and the reverse:
/// the least rho that a bucket may cost, from below, to 1e-5 of it.
fn exact_cost(beta: f64) -> f64 {
    let ln_half = -std::f64::consts::LN_2;
    let (set, unset) = ([ln_half; 2], [ln_half + beta.ln_1p(), ln_half + (-beta).ln_1p()]);
    let worst = |index| {
        let s = 0.02 * 1e6f64.powf(f64::from(index) / f64::from(ORDERS));
        let alpha = 1.0 + s;
        log_moment(set, unset, alpha).max(log_moment(unset, set, alpha)) / (s * alpha)
    };
    (0..=ORDERS).map(worst).fold(0.0, f64::max)
}

/// Integers of every size up to 2^63.
fn flip_of_any_size() -> impl Strategy<Value = u64> {
    (0..64u32, any::<u64>()).prop_map(|(shift, word)| (word >> 1 >> shift).max(1))
}

#[test]
fn the_price_covers_both_divergences_at_every_order_and_is_tight() {
    let mut loosest: f64 = 0.0;
    for honest in [1, 2, 3, 7, 50, 5_000] {
        for step in 1..200 {
            // beta from 0.001 over 1/2 to values beyond 1 - 1e-4.
            let odds = 10f64.powf(-3.0 + f64::from(step) * 0.035);
            let target = odds / (1.0 + odds);
            let flip = ((1.0 - target.powf(1.0 / f64::from(honest))) * HALF as f64) as u64;
            let beta = beta(flip, honest);
            let (price, exact) = (flips_price(flip, honest, 1).expect("in range").as_f64(), exact_cost(beta));
            assert!(price >= exact * (1.0 - ROUNDING), "h {honest} beta {beta}: {price} {exact}");
            // The ceiling of the pico is 2e-6 of the least price.
            let excess = price / exact - 1.0;
            assert!(excess <= 2e-5, "h {honest} beta {beta}: {price} {exact}");
            loosest = loosest.max(excess);
            let m = -0.5 * (-beta * beta).ln_1p();
            assert!(price >= m && price <= 0.5 * beta.atanh().powi(2) * (1.0 + 1e-9) + 2e-12);
        }
    }
    println!("the price exceeds the search by at most {loosest:e}");
}

/// Where beta rounds to 1 in floating point: `F(s)/(1+s)` with `1 - beta = 2^(1-k)` and `1 + beta = 2`.
#[test]
fn the_price_is_tight_down_to_the_least_flip() {
    for k in 1..64u32 {
        let flip = HALF >> (k - 1) >> 1;
        let (set, tiny) = ([-std::f64::consts::LN_2; 2], -f64::from(k + 1) * std::f64::consts::LN_2);
        let unset = [(-tiny.exp()).ln_1p(), tiny];
        let orders = (1..100_000).map(|index| 1.0 + f64::from(index) * 1e-4);
        let exact =
            orders.map(|alpha| log_moment(set, unset, alpha) / (alpha * (alpha - 1.0))).fold(0.0, f64::max);
        let price = flips_price(flip, 1, 1).expect("in range").as_f64();
        assert!(price >= exact * (1.0 - ROUNDING) && price <= exact * 1.0002, "2^-{k}: {price} {exact}");
    }
}

#[test]
fn pure_promises_have_their_known_prices() {
    for (epsilon, rho) in [(0.25f64, 0.0251), (0.5, 0.0847), (1.0, 0.260), (2.0, 0.728)] {
        // beta = 1 - exp(-epsilon) at one share.
        let flip = ((-epsilon).exp() * HALF as f64) as u64;
        let price = flips_price(flip, 1, 1).expect("in range").as_f64();
        assert!((price / rho - 1.0).abs() < 0.003, "{epsilon}: {price}");
    }
}

#[test]
fn least_flips_keep_the_promise_and_one_less_would_break_it() {
    for honest in [1, 2, 4, 7, 50, 5_000] {
        for rho in ["0.000001", "0.001", "0.0847", "0.26", "1", "5", "20"] {
            for buckets in [1, 2] {
                let rho: PicoRho = rho.parse().expect("a rho");
                let found = flips(rho, honest, buckets).expect("enough rho");
                assert!(found.cost <= rho);
                assert_eq!(flips_price(found.flip, honest, buckets), Ok(found.cost));
                let less = flips_price(found.flip - 1, honest, buckets).expect("20 rho need some noise");
                assert!(less > rho, "h {honest} rho {rho:?}: {found:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn more_noise_never_costs_more(
        a in flip_of_any_size(), b in flip_of_any_size(), honest in 1u32..6_000, buckets in 1u32..100,
    ) {
        let price = |flip, honest, buckets| flips_price(flip, honest, buckets).expect("in range");
        let (less, more) = (a.min(b), a.max(b));
        prop_assert!(price(less, honest, buckets) >= price(more, honest, buckets));
        prop_assert!(price(less, honest, buckets) >= price(less, honest + 1, buckets));
        // k buckets cost k times one, before rounding.
        let (one, all) = (price(a, honest, 1).get(), price(a, honest, buckets).get());
        prop_assert!(all <= one * u64::from(buckets) && all + u64::from(buckets) >= one * u64::from(buckets));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn the_least_flip_for_any_rho_is_the_least(
        rho in 10_000_000u64..40_000_000_000_000, honest in 1u32..6_000, buckets in 1u32..20,
    ) {
        let rho = PicoRho::new(rho);
        let found = flips(rho, honest, buckets).expect("enough rho");
        prop_assert!(found.cost <= rho);
        prop_assert_eq!(flips_price(found.flip, honest, buckets), Ok(found.cost));
        if found.flip > 1 {
            prop_assert!(flips_price(found.flip - 1, honest, buckets).is_ok_and(|less| less > rho));
        }
    }
}

#[test]
fn planning_is_quick_for_a_few_nodes_and_for_thousands() {
    for honest in [4, 5_000] {
        let start = Instant::now();
        for rho in 1..=10 {
            flips(PicoRho::new(rho * 100_000_000_000), honest, 3).expect("enough rho");
        }
        println!("{honest} honest: {:?} a plan", start.elapsed() / 10);
        assert!(start.elapsed().as_secs_f64() < 5.0, "{:?} for ten plans", start.elapsed());
    }
}

#[test]
fn the_extremes_are_refused_or_exact() {
    let rho = PicoRho::new(1_000_000_000);
    for flip in [0, HALF + 1, u64::MAX] {
        assert_eq!(flips_price(flip, 1, 1), Err(PrivacyError::Flip));
    }
    assert_eq!(flips_price(1, 0, 1), Err(PrivacyError::NoHonestShare));
    assert_eq!(flips_price(1, 1, 0), Err(PrivacyError::NoBucket));
    assert_eq!(flips_price(1, 1, u32::MAX), Err(PrivacyError::PriceTooLarge));
    assert_eq!(flips_price(HALF, 1, u32::MAX), Ok(PicoRho::ZERO));
    assert_eq!(flips_price(HALF - 1, 1, 1), Ok(PicoRho::new(1)), "what is not nothing costs a pico");
    assert_eq!(flips_price(1 << 62, u32::MAX, 1), Ok(PicoRho::new(1)));
    assert_eq!(flips(rho, 0, 1), Err(PrivacyError::NoHonestShare));
    assert_eq!(flips(rho, 1, 0), Err(PrivacyError::NoBucket));
    assert_eq!(flips(PicoRho::ZERO, 1, 1), Err(PrivacyError::NothingOffered));
    for honest in [1, 5_000] {
        // One bucket at beta = 2^-10 costs 2^-21 (1 + 2^-20/2) or so.
        assert!(flips(PicoRho::new(476_840), honest, 1).is_ok());
        assert_eq!(flips(PicoRho::new(476_830), honest, 1), Err(PrivacyError::SketchTooNoisy));
        assert_eq!(flips(PicoRho::new(1), honest, 1), Err(PrivacyError::SketchTooNoisy));
        assert!(flips(PicoRho::new(500_000 * 37), honest, 37).is_ok(), "what the refusal advises is enough");
    }
    let free = flips(PicoRho::new(u64::MAX), 1, 1).expect("more than the least flip costs");
    assert_eq!((free.flip, Ok(free.cost)), (1, flips_price(1, 1, 1)));
    assert_eq!(flips(rho, u32::MAX, 1).map(|found| found.cost <= rho), Ok(true));
}
