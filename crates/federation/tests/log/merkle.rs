//! Roots and proofs are the ones that the other implementation computes and accepts.

use almoner_federation::Digest;
use almoner_federation::merkle::{
    Frontier, Tree, inclusion_proof, leaf_hash, verify_consistency, verify_inclusion,
};
use tlog_tiles::tlog;

use crate::support::{Numbers, Oracle, entry, ours, theirs, tree};

/// Compares the proof of one leaf, and lets both implementations verify it.
fn check_inclusion(tree: &Tree, oracle: &Oracle, index: u64, size: u64) {
    let (leaf, root) = (leaf_hash(&entry(index)), oracle.root(size));
    let proof = tree.inclusion_proof(index, size).expect("the leaf exists");
    assert_eq!(proof, ours(tlog::prove_record(size, index, oracle).expect("the leaf exists")));
    assert!(verify_inclusion(leaf, index, size, &proof, root), "leaf {index} of {size}");
    let checked = tlog::check_record(&theirs(&proof), size, tlog::Hash(root.0), index, tlog::Hash(leaf.0));
    assert!(checked.is_ok(), "leaf {index} of {size}");
}

/// Compares the proof between two sizes, and lets both implementations verify it.
fn check_consistency(tree: &Tree, oracle: &Oracle, old: u64, new: u64) {
    let (old_root, new_root) = (oracle.root(old), oracle.root(new));
    let proof = tree.consistency_proof(old, new).expect("the tree had both sizes");
    assert!(verify_consistency(old, old_root, new, new_root, &proof), "{old} to {new}");
    if old == 0 {
        assert_eq!(proof, [], "nothing shows that nothing stays: 0 to {new}");
        return;
    }
    assert_eq!(proof, ours(tlog::prove_tree(new, old, oracle).expect("the tree had both sizes")));
    let checked = tlog::check_tree(&theirs(&proof), new, tlog::Hash(new_root.0), old, tlog::Hash(old_root.0));
    assert!(checked.is_ok(), "{old} to {new}");
}

#[test]
fn every_small_tree_has_the_roots_and_proofs_of_the_other_implementation() {
    let (tree, oracle) = (tree(70), Oracle::new(70));
    let leaves: Vec<Digest> = (0..70).map(|index| leaf_hash(&entry(index))).collect();
    for size in 0..=70 {
        assert_eq!(tree.root_at(size), Some(oracle.root(size)), "size {size}");
        for index in 0..size {
            check_inclusion(&tree, &oracle, index, size);
            let from_leaves = inclusion_proof(&leaves[..size as usize], index as usize);
            assert_eq!(tree.inclusion_proof(index, size), from_leaves);
        }
        for old in 0..=size {
            check_consistency(&tree, &oracle, old, size);
        }
    }
}

#[test]
fn large_trees_have_the_roots_and_proofs_of_the_other_implementation() {
    let most = 20_011;
    let (tree, oracle) = (tree(most), Oracle::new(most));
    let mut numbers = Numbers::new(1);
    for _ in 0..200 {
        let size = 1 + numbers.up_to(most - 1);
        assert_eq!(tree.root_at(size), Some(oracle.root(size)), "size {size}");
        check_inclusion(&tree, &oracle, numbers.up_to(size - 1), size);
        check_consistency(&tree, &oracle, numbers.up_to(size), size);
    }
    assert_eq!(tree.root(), oracle.root(most));
}

/// Roots and a proof of the test tree of the RFC 6962 reference implementation.
#[test]
fn the_tree_of_the_reference_implementation_has_its_published_proof() {
    let entries =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let mut tree = Tree::new();
    for entry in entries {
        tree.push(leaf_hash(&hex::decode(entry).expect("hexadecimal")));
    }
    assert_eq!(tree.root().to_string(), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    let published = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    .map(|digest| digest.parse().expect("a digest"));
    assert_eq!(tree.consistency_proof(6, 8), Some(published.to_vec()));
}

#[test]
fn a_tree_cut_back_is_the_tree_that_never_grew() {
    let mut numbers = Numbers::new(2);
    let mut changing = Tree::new();
    for _ in 0..300 {
        if numbers.up_to(3) == 0 {
            let cut = numbers.up_to(changing.size() + 2);
            let kept = cut.min(changing.size());
            changing.truncate(cut);
            assert_eq!(changing.size(), kept, "cut to {cut}");
        } else {
            for _ in 0..=numbers.up_to(9) {
                changing.push(leaf_hash(&entry(changing.size())));
            }
        }
        assert_eq!(changing, tree(changing.size()));
        let mut streamed = Frontier::new();
        (0..changing.size()).for_each(|index| streamed.push(leaf_hash(&entry(index))));
        assert_eq!((changing.size(), changing.root()), (streamed.size(), streamed.root()));
    }
    changing.truncate(0);
    assert_eq!((changing.root(), changing), (Digest::of(&[]), Tree::new()));
}

#[test]
fn what_the_tree_has_not_it_does_not_answer() {
    let tree = tree(9);
    assert_eq!(tree.root_at(10), None);
    assert_eq!(tree.root_at(u64::MAX), None);
    for (index, size) in [(9, 9), (0, 10), (0, 0), (u64::MAX, u64::MAX)] {
        assert_eq!(tree.inclusion_proof(index, size), None, "{index} of {size}");
    }
    for (old, new) in [(5, 4), (0, 10), (10, 10), (1, u64::MAX)] {
        assert_eq!(tree.consistency_proof(old, new), None, "{old} to {new}");
    }
    assert_eq!(tree.subtree(3, 0), tree.root_at(8));
    for (level, index) in [(0, 9), (3, 1), (4, 0), (64, 0), (u32::MAX, 0), (0, u64::MAX)] {
        assert_eq!(tree.subtree(level, index), None, "level {level}, {index}");
    }
}
