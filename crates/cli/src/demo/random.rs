//! A small seeded generator for the demo's register: the same seed gives the same people on every
//! machine. It must never draw a key or a noise share.

/// xoshiro256++ (Blackman and Vigna, ACM TOMS 2021), seeded through splitmix64 (Steele et al., 2014).
pub(super) struct Random([u64; 4]);

impl Random {
    /// An independent stream for each pair of seed and purpose.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        let mut state = seed ^ purpose.wrapping_mul(0xd1b5_4a32_d192_ed03);
        Random(std::array::from_fn(|_| split_mix(&mut state)))
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.0;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.0 = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in `low..=high`.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + (self.unit() * f64::from(high - low + 1)) as u32
    }

    /// The index of one of `weights`, which sum to 1.
    pub(super) fn pick(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        weights.len() - 1
    }

    /// A standard normal number (Box and Muller, 1958).
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_stream_and_a_purpose_another() {
        let first = |seed, purpose| {
            let mut random = Random::new(seed, purpose);
            [random.next(), random.next(), random.next()]
        };
        assert_eq!(first(7, 1), first(7, 1));
        assert_ne!(first(7, 1), first(7, 2));
        assert_ne!(first(7, 1), first(8, 1));
    }

    #[test]
    fn split_mix_gives_its_published_sequence() {
        let mut state = 1_234_567;
        let drawn: Vec<u64> = (0..3).map(|_| split_mix(&mut state)).collect();
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    /// Seeded, hence no false alarm; the tolerances are six standard errors.
    #[test]
    fn draws_have_their_shapes() {
        const N: usize = 100_000;
        let mut random = Random::new(1, 1);
        let mean = |draws: Vec<f64>| draws.iter().sum::<f64>() / N as f64;
        let tolerance = |sd: f64| 6.0 * sd / (N as f64).sqrt();
        let uniform = mean((0..N).map(|_| random.unit()).collect());
        assert!((uniform - 0.5).abs() < tolerance(0.289), "{uniform}");
        let normals: Vec<f64> = (0..N).map(|_| random.normal()).collect();
        assert!(mean(normals.clone()).abs() < tolerance(1.0));
        let square = mean(normals.iter().map(|x| x * x).collect());
        assert!((square - 1.0).abs() < tolerance(2.0_f64.sqrt()), "{square}");
        let mut counts = [0; 3];
        (0..N).for_each(|_| counts[random.pick(&[0.2, 0.5, 0.3])] += 1);
        assert!((f64::from(counts[1]) / N as f64 - 0.5).abs() < tolerance(0.5));
        assert!((0..N).map(|_| random.between(3, 5)).all(|drawn| (3..=5).contains(&drawn)));
    }
}
