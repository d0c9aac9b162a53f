//! One node's noise in a sketch.

use super::flips::check_flip;
use crate::parallel::{in_parts, threads_for};
use crate::{NoiseSource, PrivacyError};

/// Replaces every bit b of `words`, 64 buckets each, by `(r AND b) XOR e` with `r = 1` with probability 1/2
/// and `e = 1` with probability exactly `flip/2^64`, all of them independent.
///
/// How long it takes and how much randomness it uses do not depend on the bits. Threads share the work as in
/// [`add_share`](crate::add_share).
///
/// # Errors
/// `Flip` unless `1 <= flip <= 2^63`; `RandomSource` or `RandomHealth` when no trustworthy randomness is to
/// be had. The words are then all zero, so that no bucket without its noise can leave this function.
pub fn add_flips(words: &mut [u64], flip: u64, source: &mut NoiseSource) -> Result<(), PrivacyError> {
    let threads = threads_for(words.len());
    in_parts(words, threads, source, |_, words, source| {
        check_flip(flip)?;
        words.iter_mut().try_for_each(|word| {
            *word = noisy(*word, flip, || source.word())?;
            Ok(())
        })
    })
}

/// 64 buckets with their noise.
fn noisy(
    bits: u64,
    flip: u64,
    mut random: impl FnMut() -> Result<u64, PrivacyError>,
) -> Result<u64, PrivacyError> {
    let kept = random()?;
    Ok((bits & kept) ^ flips(flip, random)?)
}

/// 64 bits, each 1 exactly when its own uniform 64-bit number is below `flip`. The 64 numbers are drawn side
/// by side, one binary digit of all of them at a time from the highest, and no more digits than it takes
/// until every number differs from `flip`: some 7.3 draws instead of 64.
fn flips(flip: u64, mut random: impl FnMut() -> Result<u64, PrivacyError>) -> Result<u64, PrivacyError> {
    let (mut below, mut equal) = (0, u64::MAX);
    for digit in (0..u64::BITS).rev() {
        let drawn = random()?;
        if flip >> digit & 1 == 1 {
            below |= equal & !drawn;
            equal &= drawn;
        } else {
            equal &= !drawn;
        }
        if equal == 0 {
            break;
        }
    }
    Ok(below)
}

#[cfg(test)]
mod tests {
    use almoner_federation::Exact;
    use proptest::prelude::*;

    use super::*;

    /// Gives `words`, then fails.
    fn script(words: &[u64]) -> impl FnMut() -> Result<u64, PrivacyError> {
        let mut words = words.iter().copied();
        move || words.next().ok_or(PrivacyError::RandomSource)
    }

    proptest! {
        #[test]
        fn a_bit_flips_when_its_number_is_below_the_flip(
            flip in 1u64..=1 << 63, numbers in prop::collection::vec(any::<u64>(), 64), near in 0..64usize,
        ) {
            let mut numbers = numbers;
            // The numbers whose comparison takes all 64 digits, in neighbouring lanes.
            for (offset, number) in [flip - 1, flip, flip + 1].into_iter().enumerate() {
                numbers[(near + offset) % 64] = number;
            }
            let lanes = |bit: &dyn Fn(u64) -> bool| {
                (0..64).fold(0, |word, lane| word | u64::from(bit(numbers[lane])) << lane)
            };
            let digit = |place: u32| lanes(&|number| number >> place & 1 == 1);
            let digits: Vec<u64> = (0..64).rev().map(digit).collect();
            prop_assert_eq!(flips(flip, script(&digits)), Ok(lanes(&|number| number < flip)));
            prop_assert_eq!(flips(flip, script(&digits[..40])), Err(PrivacyError::RandomSource));
        }
    }

    /// How many of 64 equally likely outcomes of a node's noise give a 1, for `flip = k/32 * 2^64`: lane j of
    /// a word follows the j-th of all sequences of one coin for r and five digits for e. The digits of the
    /// flip after the fifth are zero, so that later draws decide nothing.
    fn ones_of_64(set: bool, k: u64) -> u64 {
        let enumeration =
            (0..6).map(|draw| (0..64u64).fold(0, |word, lane| word | (lane >> draw & 1) << lane));
        let draws: Vec<u64> = enumeration.chain([0; 59]).collect();
        let bits = if set { u64::MAX } else { 0 };
        u64::from(noisy(bits, k << 59, script(&draws)).expect("enough draws").count_ones())
    }

    /// The exact probability that the XOR over nodes with these bits is 1, for flips of k/32.
    fn law(bits: &[bool], k: u64) -> Exact {
        let xor = |(ones, all): (u64, u64), set: &bool| {
            let own = ones_of_64(*set, k);
            (ones * (64 - own) + (all - ones) * own, all * 64)
        };
        let (ones, all) = bits.iter().fold((0, 1), xor);
        Exact::from(ones) / Exact::from(all)
    }

    /// `(1 - 2k/32)^n`.
    fn beta(k: u64, n: usize) -> Exact {
        (0..n).fold(Exact::ONE, |product, _| product * (Exact::from(16 - k) / Exact::from(16u8)))
    }

    #[test]
    fn a_set_bucket_is_a_fair_coin_and_an_unset_one_is_as_the_price_says() {
        let half = || Exact::ONE / Exact::from(2u8);
        for k in 1..=16 {
            for n in 1..=4usize {
                for pattern in 0..1u32 << n {
                    let bits: Vec<bool> = (0..n).map(|node| pattern >> node & 1 == 1).collect();
                    let expected = if pattern > 0 { half() } else { (Exact::ONE - beta(k, n)) * half() };
                    assert_eq!(law(&bits, k), expected, "{k}/32 {bits:?}");
                }
            }
        }
    }

    /// Colluders know their own releases, so they see the XOR of the honest ones. Whatever set of nodes is
    /// honest, whichever of them hold the person and whoever else is in the bucket, no outcome's likelihood
    /// changes by more than the factor `1/(1-beta)`, which is reached exactly.
    #[test]
    fn one_person_changes_no_likelihood_by_more_than_the_priced_factor() {
        for k in 1..16 {
            for honest in 1..=4usize {
                let factor = Exact::ONE / (Exact::ONE - beta(k, honest));
                let mut largest = Exact::ZERO;
                let holders = |pattern: u32| -> Vec<bool> {
                    (0..honest).map(|node| pattern >> node & 1 == 1).collect()
                };
                for others in 0..1u32 << honest {
                    for person in 1..1u32 << honest {
                        let (with, without) = (law(&holders(others | person), k), law(&holders(others), k));
                        let pairs =
                            [(with.clone(), without.clone()), (Exact::ONE - with, Exact::ONE - without)];
                        for (p, q) in pairs {
                            largest = largest.max(&p / &q).max(q / p);
                        }
                    }
                }
                assert_eq!(largest, factor, "{k}/32, {honest} honest");
            }
        }
    }

    #[test]
    fn as_many_digits_are_drawn_as_it_takes() {
        // Half is 1000...: a first digit 0 decides, and after a 1 the next 1 does.
        assert_eq!(flips(1 << 63, script(&[0])), Ok(u64::MAX));
        assert_eq!(flips(1 << 63, script(&[u64::MAX, u64::MAX])), Ok(0));
        assert_eq!(flips(1 << 63, script(&[0b10, u64::MAX])), Ok(!0b10));
        assert_eq!(flips(1, script(&[0; 64])), Ok(u64::MAX));
        assert_eq!(flips(1, script(&[0; 63])), Err(PrivacyError::RandomSource));
    }
}
