//! Both rings through whole releases: what goes in comes out combined, and nothing less than all of it.

use almoner_federation::NodeId;
use almoner_secure_sum::{Question, Ring};
use proptest::prelude::*;

use crate::federation::{Federation, IDS, RINGS, question, sum_in};

fn asked(ring: Ring, words: usize) -> Question {
    Question { ring, ..question(words, 1) }
}

/// 20 bits of the node's own in every word.
fn bits(id: NodeId) -> Vec<i64> {
    (0..50).map(|k| i64::from((id.0 * 7919 + k * 104_729) & 0xF_FFFF)).collect()
}

#[test]
fn a_round_of_bits_ends_with_their_xor() {
    let federation = Federation::new();
    let asked = asked(Ring::Gf2, 50);
    let mut releasing = federation.releasing(asked, &IDS, "");
    assert_eq!(releasing.context().ring, Ring::Gf2);
    for id in IDS {
        let release = releasing.release_for(id).expect("a participant");
        let accepted = federation.accept(id, &asked, "", &release).expect("an honest release");
        let (output, masked) = federation.output(&bits(id), &accepted);
        releasing.receive(id, output.as_signed(), &masked).expect("an honest output");
    }
    let expected: Vec<i64> = (0..50).map(|k| IDS.iter().fold(0, |word, id| word ^ bits(*id)[k])).collect();
    assert_eq!(releasing.finish().expect("every output is in").cells, expected);
}

/// A uniform word has no bit above the lowest 20 with a probability of 2^-44. 62 subsets of 50 words,
/// combined in two ways, are fewer than 2^13, so a false alarm has less than 2^-31.
#[test]
fn a_part_of_the_bit_vectors_is_uniform_however_it_is_combined() {
    let federation = Federation::new();
    let masked = federation.masked(asked(Ring::Gf2, 50), &IDS, "", bits);
    let plausible = |words: Vec<i64>| words.iter().any(|word| word.cast_unsigned() >> 20 == 0);
    assert!(plausible(sum_in(Ring::Gf2, &masked)));
    for subset in 1..(1u32 << IDS.len()) - 1 {
        let part = || masked.iter().enumerate().filter(|(at, _)| subset >> at & 1 == 1).map(|(_, y)| y);
        for ring in RINGS {
            assert!(!plausible(sum_in(ring, part())), "subset {subset:06b} in {ring:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn masked_vectors_combine_to_what_the_inputs_combine_to(
        ring in prop::sample::select(&RINGS[..]),
        participants in prop::sample::subsequence(&IDS[3..], 0..=3),
        vectors in (1..20usize).prop_flat_map(|words| {
            prop::collection::vec(prop::collection::vec(any::<i64>(), words), IDS.len())
        }),
    ) {
        // The anchors always take part, else no node releases.
        let participants: Vec<NodeId> = IDS[..3].iter().chain(&participants).copied().collect();
        let of = |id: NodeId| &vectors[IDS.binary_search(&id).expect("a member")];
        let federation = Federation::new();
        let words = vectors[0].len();
        let masked = federation.masked(asked(ring, words), &participants, "", |id| of(id).clone());
        let add = |a: i64, b: i64| match ring {
            Ring::Z64 => a.wrapping_add(b),
            Ring::Gf2 => a ^ b,
        };
        let expected: Vec<i64> =
            (0..words).map(|k| participants.iter().fold(0, |sum, id| add(sum, of(*id)[k]))).collect();
        prop_assert_eq!(sum_in(ring, &masked), expected);
    }
}
