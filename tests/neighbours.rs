//! Two federations that differ in one person, as the coordinator and t colluding agencies see them:
//! everything known to them is subtracted, what is left is the honest agencies' noise. The loss that is
//! measured never passes the price, and it does pass it when the overlap is ignored or when the noise is
//! planned for n instead of q - t shares.
//!
//! That a person moves an agency's cells by no more than the row bound times her rows is shown where the
//! cells are computed, over random data; here she moves them by exactly that.

use almoner_federation::{Manifest, PicoRho};
use almoner_privacy::{DiscreteGaussian, NoiseSource, epsilon};
use almoner_query::plan;

/// Agencies, colluders, agencies that hold the person, rows of hers at each.
const N: u64 = 5;
const T: u64 = 1;
const M: i64 = 3;
const ROWS: i64 = 2;

/// Releases simulated on each side. The relative standard deviation of a variance over so many normal
/// draws is sqrt(2 / 400000) = 0.22 %.
const RELEASES: usize = 400_000;

/// Nine standard deviations of the measured loss: a right system fails with probability below 1e-18.
const TOLERANCE: f64 = 1.02;

/// What a mutant must at least show, far from the tolerance on the other side.
const CAUGHT: f64 = 1.15;

fn manifest() -> Manifest {
    let agency = |node: u64| {
        let key = |kind: u64| format!("{:02}", kind * 10 + node).repeat(32);
        format!(
            "[[agency]]\nnode = {node}\nname = \"a{node}\"\nlegal_name = \"A\"\nsector = \"money\"\n\
             endpoint = \"https://127.0.0.1:{}\"\nsigning_key = \"{}\"\nofficer_key = \"{}\"\n\
             mask_key = \"{}\"\n",
            7000 + node,
            key(1),
            key(3),
            key(2)
        )
    };
    let agencies: String = (1..=N).map(agency).collect();
    let text = format!(
        "[federation]\nid = \"test\"\nepoch = 1\n[coordinator]\nname = \"c\"\nendpoint = \"https://127.0.0.1:7000\"\n\
         signing_key = \"{}\"\n[unit]\nkind = \"person\"\ncolumn = \"id\"\npopulation = 100000\n\
         [policy]\ndelta = 1e-6\ntotal_rho = 10\nquorum = {N}\ncolluders = {T}\nmin_honest = 2\n\
         [[sector]]\nname = \"money\"\nagencies_per_unit = {M}\n{agencies}\
         [[table]]\nname = \"income\"\nrows_per_unit = {ROWS}\n[[table.column]]\nname = \"yuan\"\ntype = \"number\"\n\
         min = 0\nmax = 60000\nresolution = 1\n",
        "99".repeat(32)
    );
    Manifest::parse(&text, "federation.toml").expect("a sound manifest")
}

/// How the noise is planned and drawn.
struct Scheme {
    /// Each node's noise share, in scaled steps.
    sigma: u64,
    /// Largest movement of the scaled total by one person.
    movement: i64,
    price: PicoRho,
}

impl Scheme {
    /// The plan's own.
    fn planned() -> Scheme {
        let rho: PicoRho = "0.5".parse().expect("a rho");
        let plan = plan(&manifest(), "SELECT SUM(yuan) FROM income", rho).expect("a plan");
        let block = &plan.blocks()[0];
        let movement = (M * ROWS * i64::try_from(block.row_bound).expect("60,000 steps")) << block.shift;
        Scheme { sigma: block.sigma, movement, price: plan.price() }
    }

    /// The total of one release less everything that the coalition knows: the honest shares, and the person.
    fn remainders(&self, present: bool, source: &mut NoiseSource) -> Vec<f64> {
        let share = DiscreteGaussian::new(self.sigma).expect("a scale");
        let mut draw = || share.sample(source).expect("randomness");
        (0..RELEASES)
            .map(|_| {
                let honest: i64 = (0..N - T).map(|_| draw()).sum();
                (honest + if present { self.movement } else { 0 }) as f64
            })
            .collect()
    }
}

fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    (mean, variance)
}

/// The zCDP loss of two normals of one variance a movement apart: movement^2 / (2 variance).
fn measured_loss(scheme: &Scheme) -> f64 {
    let mut source = NoiseSource::from_system().expect("randomness");
    let ((with, spread), (without, other)) =
        (moments(&scheme.remainders(true, &mut source)), moments(&scheme.remainders(false, &mut source)));
    // The movement is known exactly; that the means show it is a check of this test itself.
    let movement = scheme.movement as f64;
    assert!((with - without - movement).abs() < 8.0 * (2.0 * spread / RELEASES as f64).sqrt());
    movement.powi(2) / (spread + other)
}

#[test]
fn the_loss_that_a_coalition_measures_never_passes_the_price() {
    let scheme = Scheme::planned();
    let (loss, price) = (measured_loss(&scheme), scheme.price.as_f64());
    println!("measured {loss:.5} of a price of {price:.5}");
    assert!(loss <= price * TOLERANCE, "{loss} passes {price}");
    // Nor is noise wasted: the price is what it buys.
    assert!(loss >= price / TOLERANCE, "{loss} is far below {price}");
}

#[test]
fn no_threshold_tells_the_two_federations_apart_better_than_epsilon_and_delta_allow() {
    let scheme = Scheme::planned();
    let mut source = NoiseSource::from_system().expect("randomness");
    let (with, without) = (scheme.remainders(true, &mut source), scheme.remainders(false, &mut source));
    for delta in [1e-6, 1e-3, 1e-2] {
        let allowed = epsilon(scheme.price, delta).exp();
        for step in -10..=20 {
            let threshold = scheme.movement as f64 * f64::from(step) / 5.0;
            let above = |values: &[f64]| values.iter().filter(|value| **value > threshold).count() as f64;
            let (seen, other) = (above(&with), above(&without));
            // Hoeffding: each frequency is within 0.0051 of its probability but for 1e-9; 93 checks.
            let slack = 0.0051 * RELEASES as f64;
            let bound = allowed * (other + slack) + delta * RELEASES as f64 + slack;
            assert!(seen <= bound, "delta {delta}, threshold {threshold}: {seen} above {bound}");
        }
    }
}

#[test]
fn ignoring_the_overlap_or_planning_for_too_many_shares_is_caught() {
    let right = Scheme::planned();
    let price = right.price.as_f64();
    // Noise for a person at one agency, where she is at three.
    let overlap = Scheme { sigma: right.sigma / M as u64, ..Scheme::planned() };
    let loss = measured_loss(&overlap);
    assert!(loss > price * CAUGHT, "m ignored: {loss}");
    // Noise that n = 5 shares make sufficient, where one of them is the coalition's.
    let shares = (right.sigma as f64 * ((N - T) as f64 / N as f64).sqrt()) as u64;
    let loss = measured_loss(&Scheme { sigma: shares, ..Scheme::planned() });
    assert!(loss > price * CAUGHT, "n for q - t: {loss}");
}
