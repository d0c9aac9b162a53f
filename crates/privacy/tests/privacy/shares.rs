//! Shares of several nodes together, as a release sums them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use almoner_federation::PicoRho;
use almoner_privacy::{NoiseSource, PrivacyError, add_share, add_share_by, calibrate};

use crate::statistics::FIVE_SIGMA;

/// Variance of the sum of three honest shares, and the mutants that use n or 1 instead of h. A relative error
/// of 1 % is 5 standard deviations at 500,000 cells (false alarm 5.7e-7).
#[test]
fn three_shares_have_the_planned_variance_and_keep_the_promise_alone() {
    const CELLS: usize = 500_000;
    let (d2, honest, rho) = (2u128, 3u32, 20_000_000_000u64);
    let plan = calibrate(d2, honest, CELLS, PicoRho::new(rho)).expect("feasible");
    let mut source = NoiseSource::from_system().expect("the system gives randomness");
    let mut total = vec![0i64; CELLS];
    for _ in 0..honest {
        add_share(&mut total, |_| plan.sigma, &mut source).expect("the system gives randomness");
    }
    let unit = 2f64.powi(-(plan.shift as i32));
    let variance = total.iter().map(|y| (*y as f64 * unit).powi(2)).sum::<f64>() / CELLS as f64;
    // A trusted curator's variance at the same rho; the shares may exceed it by the rounding of sigma alone.
    let curator = (d2 * d2) as f64 / (2.0 * rho as f64 / 1e12);
    let planned = f64::from(honest) * (plan.sigma as f64 * unit).powi(2);
    assert!(planned >= curator && planned < curator * (1.0 + 2.0 / 255.0));
    let z = (variance / planned - 1.0) * (CELLS as f64 / 2.0).sqrt();
    assert!(z.abs() < FIVE_SIGMA, "{variance} {planned}");
}

#[test]
fn each_cell_gets_the_scale_of_its_own_block_and_keeps_its_value() {
    let mut source = NoiseSource::from_system().expect("the system gives randomness");
    let values: Vec<i64> = (0..40_000).map(|index| index * 1_000_000_000).collect();
    let mut cells = values.clone();
    let sigma_of = |index: usize| if index.is_multiple_of(2) { 256 } else { 1 << 20 };
    add_share(&mut cells, sigma_of, &mut source).expect("the system gives randomness");
    for parity in [0, 1] {
        let noise =
            || cells.iter().zip(&values).skip(parity).step_by(2).map(|(cell, value)| (cell - value) as f64);
        let (n, sigma) = (noise().count() as f64, sigma_of(parity) as f64);
        let z_mean = noise().sum::<f64>() / (sigma * n.sqrt());
        let z_variance = (noise().map(|y| y * y).sum::<f64>() / (n * sigma * sigma) - 1.0) * (n / 2.0).sqrt();
        assert!(
            z_mean.abs() < FIVE_SIGMA && z_variance.abs() < FIVE_SIGMA,
            "{parity}: {z_mean} {z_variance}"
        );
    }
}

/// A draw of sigma 1 passes 40 with probability below 1e-300, one of sigma 2^50 lies within 40 with probability
/// below 3e-14, two of these are equal with probability below 3e-16: false alarms below 1e-6 in all.
#[test]
fn threads_leave_every_cell_its_own_scale_and_its_own_noise() {
    const WIDE: usize = 10_001;
    let mut source = NoiseSource::from_system().expect("the system gives randomness");
    let sigma_of = |index: usize| if index < WIDE { 1 << 50 } else { 1 };
    for threads in [0, 1, 2, 7] {
        let mut cells = vec![0i64; 30_000];
        add_share_by(threads, &mut cells, sigma_of, &mut source).expect("the system gives randomness");
        let (wide, narrow) = cells.split_at(WIDE);
        assert!(wide.iter().all(|cell| cell.unsigned_abs() > 40), "{threads} threads");
        assert!(narrow.iter().all(|cell| cell.unsigned_abs() < 40), "{threads} threads");
        assert_eq!(wide.iter().collect::<BTreeSet<_>>().len(), WIDE, "no two threads drew the same");
        let mut few = vec![0i64; 3];
        add_share_by(threads, &mut few, |_| 1 << 50, &mut source).expect("the system gives randomness");
        assert!(few.iter().all(|cell| *cell != 0));
        // A failure in the last part alone reaches all.
        let bad_last = |index| if index == cells.len() - 1 { 0 } else { 256 };
        let mut doomed = vec![1_000_000i64; cells.len()];
        assert_eq!(add_share_by(threads, &mut doomed, bad_last, &mut source), Err(PrivacyError::Sigma));
        assert!(doomed.iter().all(|cell| *cell == 0), "{threads} threads");
    }
}

#[test]
fn a_share_wraps_around_the_ring() {
    let mut source = NoiseSource::from_system().expect("the system gives randomness");
    let mut cells = vec![i64::MAX; 2_000];
    add_share(&mut cells, |_| 256, &mut source).expect("the system gives randomness");
    assert!(cells.iter().any(|cell| *cell < 0) && cells.iter().any(|cell| *cell > 0));
    assert!(cells.iter().all(|cell| cell.wrapping_sub(i64::MAX).unsigned_abs() < 256 * 30));
}

#[test]
fn no_cell_without_its_noise_survives_a_failure() {
    static FILLS: AtomicU32 = AtomicU32::new(0);
    let mut source = NoiseSource::insecure_for_tests(|block| {
        let count = FILLS.fetch_add(1, Ordering::Relaxed);
        if count == 5 {
            return Err(PrivacyError::RandomSource);
        }
        let mut state = u64::from(count) + 1;
        block.fill_with(|| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        });
        Ok(())
    })
    .expect("the first fills are healthy");
    let mut cells = vec![1_000_000i64; 100_000];
    assert_eq!(add_share(&mut cells, |_| 256, &mut source), Err(PrivacyError::RandomSource));
    assert!(cells.iter().all(|cell| *cell == 0));

    let mut source = NoiseSource::from_system().expect("the system gives randomness");
    for bad in [0, (1 << 50) + 1] {
        let mut cells = vec![1_000_000i64; 10];
        let sigma_of = |index| if index == 7 { bad } else { 256 };
        assert_eq!(add_share(&mut cells, sigma_of, &mut source), Err(PrivacyError::Sigma));
        assert!(cells.iter().all(|cell| *cell == 0));
    }
}
