//! A proof that was changed anywhere is refused, and a proof under other sizes is judged as the other
//! implementation judges it: a proof alone does not bind the size.

use almoner_federation::Digest;
use almoner_federation::merkle::{Tree, leaf_hash, verify_consistency, verify_inclusion};
use tlog_tiles::tlog::{self, Hash};

use crate::support::{Numbers, entry, theirs, tree};

/// Most sizes whose proofs are changed in every bit.
const SMALL: u64 = 17;

/// `digests` with each single bit changed, one after another.
fn flipped(digests: &[Digest]) -> impl Iterator<Item = Vec<Digest>> {
    (0..digests.len() * 256).map(|bit| {
        let mut changed = digests.to_vec();
        changed[bit / 256].0[bit % 256 / 8] ^= 1 << (bit % 8);
        changed
    })
}

/// `proof` with an item left out, doubled, exchanged with its neighbour, or added at either end.
fn rearranged(proof: &[Digest]) -> Vec<Vec<Digest>> {
    let stranger = Digest::of(b"stranger");
    let mut all = vec![[proof, &[stranger]].concat(), [&[stranger], proof].concat()];
    for place in 0..proof.len() {
        let (mut shorter, mut longer, mut swapped) = (proof.to_vec(), proof.to_vec(), proof.to_vec());
        shorter.remove(place);
        longer.insert(place, proof[place]);
        all.extend([shorter, longer]);
        if place > 0 {
            swapped.swap(place - 1, place);
            all.push(swapped);
        }
    }
    all
}

#[test]
fn a_changed_inclusion_proof_is_refused() {
    let tree = tree(SMALL);
    for size in 1..=SMALL {
        let root = tree.root_at(size).expect("that size was");
        for index in 0..size {
            let leaf = leaf_hash(&entry(index));
            let proof = tree.inclusion_proof(index, size).expect("the leaf exists");
            let all = [&[leaf, root], proof.as_slice()].concat();
            for changed in flipped(&all) {
                assert!(!verify_inclusion(changed[0], index, size, &changed[2..], changed[1]));
            }
            for changed in rearranged(&proof) {
                assert!(!verify_inclusion(leaf, index, size, &changed, root), "{index} of {size}");
            }
        }
    }
}

#[test]
fn a_changed_consistency_proof_is_refused() {
    let tree = tree(SMALL);
    for new in 0..=SMALL {
        for old in 0..=new {
            let roots = [old, new].map(|size| tree.root_at(size).expect("that size was"));
            let proof = tree.consistency_proof(old, new).expect("both sizes were");
            // Whatever grows out of the empty tree is consistent with it: only its own root is fixed.
            let bound = if old == 0 && new > 0 { &roots[..1] } else { &roots[..] };
            for changed in flipped(&[bound, &proof].concat()) {
                let (changed_roots, changed_proof) = changed.split_at(bound.len());
                let new_root = changed_roots.get(1).unwrap_or(&roots[1]);
                assert!(!verify_consistency(old, changed_roots[0], new, *new_root, changed_proof));
            }
            for changed in rearranged(&proof) {
                assert!(!verify_consistency(old, roots[0], new, roots[1], &changed), "{old} to {new}");
            }
            if old < new {
                assert!(!verify_consistency(new, roots[1], old, roots[0], &proof), "{new} back to {old}");
            }
        }
    }
}

#[test]
fn a_large_tree_refuses_changed_proofs() {
    let most = 3001;
    let tree = tree(most);
    let mut numbers = Numbers::new(3);
    for _ in 0..20 {
        let new = 2 + numbers.up_to(most - 2);
        let old = 1 + numbers.up_to(new - 2);
        let [old_root, new_root] = [old, new].map(|size| tree.root_at(size).expect("that size was"));
        let proof = tree.consistency_proof(old, new).expect("both sizes were");
        for changed in flipped(&proof).chain(rearranged(&proof)) {
            assert!(!verify_consistency(old, old_root, new, new_root, &changed), "{old} to {new}");
        }
    }
}

/// Another history of the same size is not consistent, by any proof the honest or the other log has.
#[test]
fn a_log_that_rewrote_its_past_proves_nothing() {
    let honest = tree(33);
    for rewritten in 0..20 {
        let mut other = Tree::new();
        for index in 0..33 {
            let changed = if index == rewritten { b"rewritten".to_vec() } else { entry(index) };
            other.push(leaf_hash(&changed));
        }
        for old in rewritten + 1..33 {
            let [old_root, new_root] = [honest.root_at(old), Some(other.root())].map(|r| r.expect("it was"));
            for proof in [honest.consistency_proof(old, 33), other.consistency_proof(old, 33)] {
                let proof = proof.expect("both sizes were");
                assert!(!verify_consistency(old, old_root, 33, new_root, &proof), "{rewritten} at {old}");
            }
        }
    }
}

#[test]
fn under_other_sizes_both_implementations_judge_alike() {
    let tree = tree(SMALL);
    for new in 1..=SMALL {
        for old in 1..=new {
            let [old_root, new_root] = [old, new].map(|size| tree.root_at(size).expect("that size was"));
            let proof = tree.consistency_proof(old, new).expect("both sizes were");
            for claimed_new in 1..=2 * SMALL {
                for claimed_old in 1..=claimed_new {
                    let [o, n] = [old_root, new_root].map(|root| Hash(root.0));
                    let judged = tlog::check_tree(&theirs(&proof), claimed_new, n, claimed_old, o).is_ok();
                    let found = verify_consistency(claimed_old, old_root, claimed_new, new_root, &proof);
                    assert_eq!(found, judged, "{old} to {new} as {claimed_old} to {claimed_new}");
                }
            }
            assert!(!verify_consistency(0, old_root, new, new_root, &proof));
            assert!(!verify_consistency(old, old_root, u64::MAX, new_root, &proof));
        }
    }
}

#[test]
fn under_other_places_both_implementations_judge_alike() {
    let tree = tree(SMALL);
    for size in 1..=SMALL {
        let root = tree.root_at(size).expect("that size was");
        for index in 0..size {
            let leaf = leaf_hash(&entry(index));
            let proof = tree.inclusion_proof(index, size).expect("the leaf exists");
            for claimed_size in 1..=2 * SMALL {
                for claimed in 0..claimed_size {
                    let (r, l) = (Hash(root.0), Hash(leaf.0));
                    let judged = tlog::check_record(&theirs(&proof), claimed_size, r, claimed, l).is_ok();
                    let found = verify_inclusion(leaf, claimed, claimed_size, &proof, root);
                    assert_eq!(found, judged, "{index} of {size} as {claimed} of {claimed_size}");
                }
                assert!(!verify_inclusion(leaf, claimed_size, claimed_size, &proof, root));
            }
        }
    }
}

#[test]
fn the_empty_tree_begins_every_tree_and_has_one_root() {
    let (empty, some) = (Digest::of(&[]), Digest::of(b"some root"));
    assert!(verify_consistency(0, empty, 0, empty, &[]));
    assert!(verify_consistency(0, empty, 5, some, &[]));
    assert!(!verify_consistency(0, some, 5, some, &[]));
    assert!(!verify_consistency(0, some, 0, some, &[]));
    assert!(!verify_consistency(0, empty, 0, some, &[]));
    assert!(!verify_consistency(0, empty, 5, some, &[some]));
    assert!(!verify_consistency(5, some, 5, some, &[some]));
    assert!(!verify_consistency(5, some, 5, empty, &[]));
    assert!(!verify_consistency(4, some, 5, some, &[]));
}
