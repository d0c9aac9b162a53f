//! Whether masked vectors look masked: what an agency sends must be uniform to whoever lacks its keys.

use almoner_secure_sum::Ring;

/// Words of one agency, and how many of them begin with 16 equal bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Uniform {
    words: u64,
    alike: u64,
}

impl Uniform {
    /// Takes a masked vector. Small numbers, which a vector without masks holds, begin with many equal bits. Bits that
    /// combine by XOR tell nothing this way.
    pub(crate) fn add(&mut self, ring: Ring, cells: &[u64]) {
        if ring == Ring::Z64 {
            self.words += cells.len() as u64;
            self.alike += cells.iter().filter(|cell| matches!(**cell >> 48, 0 | 0xffff)).count() as u64;
        }
    }

    /// Adds another's counts.
    pub(crate) fn join(&mut self, other: Uniform) {
        self.words += other.words;
        self.alike += other.alike;
    }

    /// Whether the words could be uniform. Of uniform words one in 2^15 begins so, and by Bernstein's inequality their
    /// count passes `mean + sqrt(2 mean L) + L` with probability at most `exp(-L)`: below 4e-11 for L = 24.
    pub(crate) fn holds(&self) -> bool {
        let mean = self.words as f64 / 32_768.0;
        let room = 24.0;
        (self.alike as f64) <= mean + (2.0 * mean * room).sqrt() + room
    }

    /// How many words were looked at.
    pub(crate) fn words(&self) -> u64 {
        self.words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_told_from_uniform_ones() {
        // SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let (mut masked, mut bare) = (Uniform::default(), Uniform::default());
        for _ in 0..1_000 {
            let words: Vec<u64> = (0..100).map(|_| next()).collect();
            masked.add(Ring::Z64, &words);
        }
        bare.add(Ring::Z64, &(0..60).map(|_| (next() as i64 >> 40) as u64).collect::<Vec<_>>());
        assert!(masked.holds() && masked.words() == 100_000);
        assert!(!bare.holds());
        let mut bits = Uniform::default();
        bits.add(Ring::Gf2, &[0; 1_000]);
        assert!(bits.holds());
    }
}
