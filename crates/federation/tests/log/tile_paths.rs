//! Names of tiles, and which tiles a tree of some size has.

use almoner_federation::tiles::{TileError, TileKind, TilePath, changed};
use tlog_tiles::tile::Tile;

use crate::support::Numbers;

/// The other implementation's name has the height in it, and calls entries `data`.
fn their_path(tile: &Tile) -> String {
    tile.path().replace("tile/8/data/", "tile/entries/").replace("tile/8/", "tile/")
}

#[test]
fn a_path_names_its_tile_as_the_other_implementation_does() {
    let mut numbers = Numbers::new(4);
    let edges = [0, 1, 999, 1000, 999_999, 1_000_000, 1_234_067, u64::MAX];
    let indexes: Vec<u64> =
        edges.into_iter().chain((0..300).map(|n| numbers.up_to(u64::MAX) >> (n % 64))).collect();
    for index in indexes {
        for level in [0, 1, 7, 63] {
            for width in [1, 9, 10, 255, 256] {
                let kind = TileKind::Hashes { level };
                let path = TilePath::new(kind, index, width).expect("a tile");
                let their = Tile::new(8, level, index, width as u32, false);
                assert_eq!(path.to_string(), their_path(&their));
                assert_eq!(path.to_string().parse(), Ok(path));
                let entries = TilePath::new(TileKind::Entries, index, width).expect("a bundle");
                let their = Tile::new(8, 0, index, width as u32, true);
                assert_eq!(entries.to_string(), their_path(&their));
                assert_eq!(entries.to_string().parse(), Ok(entries));
            }
        }
    }
    let example = TilePath::new(TileKind::Hashes { level: 3 }, 1_234_067, 5).expect("a tile");
    assert_eq!(example.to_string(), "tile/3/x001/x234/067.p/5");
    assert_eq!(
        (example.kind(), example.index(), example.width()),
        (TileKind::Hashes { level: 3 }, 1_234_067, 5)
    );
}

#[test]
fn each_tile_has_one_path() {
    for bad in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/0/000/",
        "tile//000",
        "tile/0//000",
        "tile/00/000",
        "tile/+0/000",
        "tile/-1/000",
        "tile/64/000",
        "tile/256/000",
        "tile/data/000",
        "tile/Entries/000",
        "tile/8/0/000",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/1000",
        "tile/0/x000",
        "tile/0/xx00",
        "tile/0/x000/000",
        "tile/0/x000/x001/000",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/X001/000",
        "tile/0/x001/0x0",
        "tile/0/+01",
        "tile/0/ 01",
        "tile/0/../000",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/0/000.p/01",
        "tile/0/000.p/+1",
        "tile/0/000.p/1.p/1",
        "tile/0/x001.p/1/000",
        "tile/0/000.p/1/",
        "tile/0/٠٠٠",
        "tile/0/000\n",
    ] {
        assert_eq!(bad.parse::<TilePath>(), Err(TileError::Path), "{bad}");
    }
    for (kind, width) in
        [(TileKind::Entries, 0), (TileKind::Entries, 257), (TileKind::Hashes { level: 64 }, 1)]
    {
        assert_eq!(TilePath::new(kind, 0, width), Err(TileError::Shape));
    }
}

#[test]
fn a_growing_tree_changes_the_tiles_that_the_other_implementation_names() {
    let compare = |old: u64, new: u64| {
        let ours: Vec<TilePath> = changed(old, new).collect();
        let (bundles, hashes): (Vec<TilePath>, Vec<TilePath>) =
            ours.iter().partition(|path| path.kind() == TileKind::Entries);
        let theirs: Vec<String> = Tile::new_tiles(8, old, new).iter().map(their_path).collect();
        let named: Vec<String> = hashes.iter().map(ToString::to_string).collect();
        assert_eq!(named, theirs, "{old} to {new}");
        let of_leaves: Vec<String> =
            theirs.iter().filter(|path| path.starts_with("tile/0/")).cloned().collect();
        let bundles: Vec<String> =
            bundles.iter().map(|path: &TilePath| path.to_string().replace("entries", "0")).collect();
        assert_eq!(bundles, of_leaves, "{old} to {new}");
        assert!(ours.iter().all(|path| path.is_within(new)), "{old} to {new}");
    };
    for new in 0..70 {
        (0..=new).for_each(|old| compare(old, new));
    }
    let mut numbers = Numbers::new(5);
    for _ in 0..100 {
        let new = numbers.up_to(200_000);
        compare(numbers.up_to(new), new);
    }
    for exponent in 8..56 {
        let new = (1 << exponent) + numbers.up_to(600);
        compare(new - numbers.up_to(100), new);
    }
}

/// The example of C2SP tlog-tiles.
#[test]
fn seventy_thousand_entries_have_the_published_tiles() {
    let count =
        |kind, width| changed(0, 70_000).filter(|path| (path.kind(), path.width()) == (kind, width)).count();
    for kind in [TileKind::Entries, TileKind::Hashes { level: 0 }] {
        assert_eq!((count(kind, 256), count(kind, 112)), (273, 1));
    }
    let level = |level| TileKind::Hashes { level };
    assert_eq!((count(level(1), 256), count(level(1), 17), count(level(2), 1)), (1, 1, 1));
    assert_eq!(changed(0, 70_000).count(), 274 + 274 + 2 + 1);
    let of_256: Vec<String> = changed(0, 256).map(|path| path.to_string()).collect();
    assert_eq!(of_256, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(changed(5, 5).count() + changed(6, 5).count() + changed(0, 0).count(), 0);
}

#[test]
fn a_tile_is_within_a_tree_that_has_all_of_it() {
    let tile = |level, index, width| {
        TilePath::new(TileKind::Hashes { level }, index, width).expect("a tile").is_within(70_000)
    };
    assert!(tile(0, 273, 112) && tile(0, 273, 5) && tile(0, 272, 256) && tile(1, 1, 17) && tile(2, 0, 1));
    assert!(!tile(0, 273, 113) && !tile(0, 273, 256) && !tile(1, 1, 18) && !tile(2, 0, 2) && !tile(3, 0, 1));
    assert!(!tile(8, 0, 1) && !tile(63, 0, 1) && !tile(0, u64::MAX, 256));
    let bundle =
        |index, width| TilePath::new(TileKind::Entries, index, width).expect("a bundle").is_within(70_000);
    assert!(bundle(273, 112) && !bundle(273, 113) && !bundle(274, 1));
}
