//! Bytes of tiles: the other implementation computes the tree again from the files that this one wrote.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use almoner_federation::Digest;
use almoner_federation::merkle::{Frontier, Tree, leaf_hash};
use almoner_federation::tiles::{
    MAX_ENTRY_BYTES, TileError, TileKind, TilePath, changed, decode_bundle, decode_hashes, encode_bundle,
    for_each_changed,
};
use tlog_tiles::tile::{Tile, TileHashReader, TileReader};
use tlog_tiles::tlog::{self, Hash, HashReader};

use crate::support::{Numbers, entry, tree};

/// Files by path.
type Files = BTreeMap<String, Vec<u8>>;

fn entries(range: Range<u64>) -> Result<Vec<Vec<u8>>, TileError> {
    assert!(range.end - range.start <= 256, "a bundle at a time");
    Ok(range.map(entry).collect())
}

/// Writes what changed between two sizes.
fn write(files: &mut Files, tree: &Tree, old: u64, new: u64) {
    for_each_changed(tree, old, new, entries, |path, bytes| {
        let before = files.insert(path.to_string(), bytes.to_vec());
        assert!(before.is_none(), "{path} was written before: files never change");
        Ok::<_, TileError>(())
    })
    .expect("the tree is as large");
}

/// Gives the files to the other implementation, and notes what it took for verified.
struct Reader<'a> {
    files: &'a Files,
    verified: RefCell<usize>,
}

impl TileReader for Reader<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog::Error> {
        Ok(tiles.iter().map(|tile| self.files[&tile.path().replace("tile/8/", "tile/")].clone()).collect())
    }

    fn save_tiles(&self, tiles: &[Tile], _data: &[Vec<u8>]) {
        *self.verified.borrow_mut() += tiles.len();
    }
}

/// Whether the other implementation finds all stored hashes in `files`, under the root; and whether they
/// are the tree's.
fn reads_back(files: &Files, tree: &Tree, size: u64) -> bool {
    let reader = Reader { files, verified: RefCell::new(0) };
    let root = tree.root_at(size).expect("that size was");
    let hashes = TileHashReader::new(size, Hash(root.0), &reader);
    let indexes: Vec<u64> = (0..tlog::stored_hash_count(size)).collect();
    let Ok(found) = hashes.read_hashes(&indexes) else { return false };
    assert!(*reader.verified.borrow() > 0);
    indexes.iter().zip(found).all(|(index, hash)| {
        let (level, place) = tlog::split_stored_hash_index(*index);
        tree.subtree(level.into(), place) == Some(Digest(hash.0))
    })
}

/// The root that the entry bundles of a tree of `size` add up to, and whether they agree with the tiles
/// of leaves.
fn root_of_bundles(files: &Files, size: u64) -> Digest {
    let mut streamed = Frontier::new();
    for path in changed(0, size).filter(|path| path.kind() == TileKind::Entries) {
        let bundle = decode_bundle(&files[&path.to_string()], path.width()).expect("a bundle");
        let leaves: Vec<Digest> = bundle.iter().copied().map(leaf_hash).collect();
        let tile = &files[&path.to_string().replace("entries", "0")];
        assert_eq!(decode_hashes(tile, path.width()), Ok(leaves.clone()), "{path}");
        leaves.into_iter().for_each(|leaf| streamed.push(leaf));
    }
    streamed.root()
}

#[test]
fn the_other_implementation_computes_our_tree_from_our_tiles() {
    let most = 66_000;
    let tree = tree(most);
    assert_eq!(
        changed(0, 0).count(),
        0,
        "the empty tree has no tiles, and the other implementation asks for none"
    );
    let sizes = (1..=70).chain([255, 256, 257, 511, 512, 513, 4000, 65_535, 65_536, 65_537, most]);
    for size in sizes {
        let mut files = Files::new();
        write(&mut files, &tree, 0, size);
        // Of the largest trees only the hashes of some leaves are asked for.
        if size <= 4000 {
            assert!(reads_back(&files, &tree, size), "size {size}");
        } else {
            let reader = Reader { files: &files, verified: RefCell::new(0) };
            let root = tree.root_at(size).expect("that size was");
            let hashes = TileHashReader::new(size, Hash(root.0), &reader);
            let mut numbers = Numbers::new(size);
            for index in [0, size - 1, numbers.up_to(size - 1), numbers.up_to(size - 1)] {
                let proof = tlog::prove_record(size, index, &hashes).expect("they find it in the tiles");
                let leaf = Hash(leaf_hash(&entry(index)).0);
                assert!(tlog::check_record(&proof, size, Hash(root.0), index, leaf).is_ok());
            }
        }
        assert_eq!(Some(root_of_bundles(&files, size)), tree.root_at(size), "size {size}");
    }
}

#[test]
fn tiles_written_as_the_tree_grows_are_the_tiles_of_the_whole() {
    let tree = tree(2000);
    let mut numbers = Numbers::new(6);
    for most_at_once in [1, 7, 300, 900] {
        let (mut files, mut size) = (Files::new(), 0);
        while size < 2000 {
            let next = (size + 1 + numbers.up_to(most_at_once)).min(2000);
            write(&mut files, &tree, size, next);
            size = next;
        }
        let mut whole = Files::new();
        write(&mut whole, &tree, 0, 2000);
        assert!(whole.iter().all(|(path, bytes)| files.get(path) == Some(bytes)), "by {most_at_once}");
        assert!(reads_back(&files, &tree, 2000), "by {most_at_once}");
    }
}

#[test]
fn a_tile_changed_anywhere_is_found_by_the_other_implementation() {
    let tree = tree(300);
    let mut files = Files::new();
    write(&mut files, &tree, 0, 300);
    assert!(reads_back(&files, &tree, 300));
    let hash_tiles: Vec<String> = files.keys().filter(|path| !path.contains("entries")).cloned().collect();
    assert_eq!(hash_tiles, ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"]);
    let mut numbers = Numbers::new(7);
    for path in hash_tiles {
        for _ in 0..8 {
            let mut changed = files.clone();
            let bytes = changed.get_mut(&path).expect("it was written");
            let bit = numbers.up_to(bytes.len() as u64 * 8 - 1) as usize;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!reads_back(&changed, &tree, 300), "bit {bit} of {path}");
        }
    }
}

#[test]
fn a_bundle_reads_back_and_nothing_else_is_one() {
    let entries: Vec<Vec<u8>> = (0..9).map(entry).collect();
    let bytes = encode_bundle(&entries).expect("short entries");
    assert_eq!(decode_bundle(&bytes, 9).expect("a bundle"), entries);
    for width in [0, 1, 8, 10, 256, 257, u64::MAX] {
        assert_eq!(decode_bundle(&bytes, width), Err(TileError::Width), "{width} wide");
    }
    for end in 0..bytes.len() {
        assert_eq!(decode_bundle(&bytes[..end], 9), Err(TileError::Width), "{end} bytes");
    }
    assert_eq!(decode_bundle(&[bytes.as_slice(), &[0]].concat(), 9), Err(TileError::Width));
    assert_eq!(decode_bundle(&[bytes.as_slice(), &[0, 0]].concat(), 9), Err(TileError::Width));
    assert_eq!(decode_bundle(&[], 0), Err(TileError::Width), "empty tiles are never served");
    // Every entry and every length counts: a changed bit is another bundle, or none.
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(decode_bundle(&changed, 9), Ok(entries.iter().map(Vec::as_slice).collect()), "bit {bit}");
    }
    assert_eq!(encode_bundle(&[b"ab".as_slice(), b""]), Ok(vec![0, 2, b'a', b'b', 0, 0]));
}

#[test]
fn bounds_of_tiles_hold_at_their_edges() {
    let longest = vec![7u8; MAX_ENTRY_BYTES];
    let bytes = encode_bundle(&[&longest, &longest]).expect("as long as two bytes count");
    assert_eq!(decode_bundle(&bytes, 2), Ok(vec![longest.as_slice(), &longest]));
    let bytes = MAX_ENTRY_BYTES + 1;
    assert_eq!(encode_bundle(&[vec![7u8; bytes]]), Err(TileError::EntryTooLong { bytes }));
    assert!(encode_bundle(&vec![[1u8]; 256]).is_ok());
    assert_eq!(encode_bundle(&vec![[1u8]; 257]), Err(TileError::Shape));
    assert_eq!(encode_bundle::<Vec<u8>>(&[]), Err(TileError::Shape));
    assert_eq!(decode_bundle(&[0; 514], 257), Err(TileError::Width));

    assert_eq!(decode_hashes(&[5; 64], 2), Ok(vec![Digest([5; 32]); 2]));
    for (bytes, width) in [(64, 1), (64, 3), (63, 2), (65, 2), (0, 0), (32 * 257, 257)] {
        assert_eq!(decode_hashes(&vec![5; bytes], width), Err(TileError::Width), "{bytes} bytes");
    }
}

#[test]
fn tiles_of_a_tree_that_is_too_small_are_not_written() {
    let tree = tree(300);
    let none = |_: &TilePath, _: &[u8]| -> Result<(), TileError> { panic!("nothing is written") };
    assert_eq!(for_each_changed(&tree, 0, 301, entries, none), Err(TileError::Missing));
    let too_few = |range: Range<u64>| entries(range.start..range.end - 1);
    assert_eq!(for_each_changed(&tree, 0, 300, too_few, none), Err(TileError::Missing));
    let too_long = |range: Range<u64>| Ok(range.map(|_| vec![0; MAX_ENTRY_BYTES + 1]).collect());
    let bytes = MAX_ENTRY_BYTES + 1;
    assert_eq!(for_each_changed(&tree, 0, 300, too_long, none), Err(TileError::EntryTooLong { bytes }));

    let tile = |level, index, width| TilePath::new(TileKind::Hashes { level }, index, width).expect("a tile");
    assert_eq!(tree.tile(&tile(0, 1, 44)).map(|bytes| bytes.len()), Some(44 * 32));
    for missing in [tile(0, 1, 45), tile(1, 0, 2), tile(2, 0, 1), tile(63, 0, 1), tile(0, u64::MAX, 1)] {
        assert_eq!(tree.tile(&missing), None, "{missing}");
    }
    let bundle = TilePath::new(TileKind::Entries, 0, 256).expect("a bundle");
    assert_eq!(tree.tile(&bundle), None, "the tree has no entries");
}
