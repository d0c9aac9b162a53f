//! Names of tiles.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::TileError;

/// Hashes in a full tile, and entries in a full bundle.
pub const WIDTH: u64 = 256;

/// Levels are 0 to 63 in a path; a tree of fewer than 2^64 leaves has tiles at levels 0 to 7.
const MAX_LEVEL: u8 = 63;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TileKind {
    /// The entries themselves.
    Entries,
    /// Hashes of complete subtrees of `256^level` leaves.
    Hashes {
        /// From 0, the leaves' own hashes, to 63.
        level: u8,
    },
}

/// The name of one tile: `tile/<level>/<index>[.p/<width>]`, or `tile/entries/...` for an entry bundle.
///
/// `<index>` is written in groups of three digits, all but the last led by `x`: 1234067 is
/// `x001/x234/067`. `.p/<width>` stands only after a partial tile's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TilePath {
    kind: TileKind,
    index: u64,
    width: u64,
}

impl TilePath {
    /// The tile number `index`, from 0, of `kind`, with `width` hashes or entries, 1 to 256.
    pub fn new(kind: TileKind, index: u64, width: u64) -> Result<Self, TileError> {
        let level_fits = match kind {
            TileKind::Entries => true,
            TileKind::Hashes { level } => level <= MAX_LEVEL,
        };
        if level_fits && (1..=WIDTH).contains(&width) {
            Ok(TilePath { kind, index, width })
        } else {
            Err(TileError::Shape)
        }
    }

    /// What the tile holds.
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Its number among the tiles of its kind, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds: 1 to 256, 256 when it is full.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// The numbers of the hashes on the tree's level `8 * level`, or of the entries, that it holds;
    /// `None` beyond what 64 bits count.
    pub fn items(&self) -> Option<Range<u64>> {
        let first = self.index.checked_mul(WIDTH)?;
        Some(first..first.checked_add(self.width)?)
    }

    /// Whether a tree of `size` leaves has this tile, as its own last partial one or as an earlier
    /// part of what it has: a server asks before it reads.
    pub fn is_within(&self, size: u64) -> bool {
        let available = match self.kind {
            TileKind::Entries => size,
            TileKind::Hashes { level } => size.checked_shr(8 * u32::from(level)).unwrap_or(0),
        };
        self.items().is_some_and(|items| items.end <= available)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Entries => f.write_str("tile/entries")?,
            TileKind::Hashes { level } => write!(f, "tile/{level}")?,
        }
        // 64 bits are at most seven groups of three digits.
        let mut groups = 1;
        while groups < 7 && self.index >= 1000u64.pow(groups) {
            groups += 1;
        }
        for group in (1..groups).rev() {
            write!(f, "/x{:03}", self.index / 1000u64.pow(group) % 1000)?;
        }
        write!(f, "/{:03}", self.index % 1000)?;
        if self.width < WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for TilePath {
    type Err = TileError;

    fn from_str(text: &str) -> Result<Self, TileError> {
        let path = read(text).ok_or(TileError::Path)?;
        // Each tile has one path: whatever reads as this tile but is written otherwise is refused.
        if path.to_string() == text { Ok(path) } else { Err(TileError::Path) }
    }
}

/// The tile that `text` names, perhaps not in the one right way.
fn read(text: &str) -> Option<TilePath> {
    let (kind, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes { level: level.parse().ok()? },
    };
    let (groups, width) = match rest.split_once(".p/") {
        Some((groups, width)) => (groups, width.parse().ok()?),
        None => (rest, WIDTH),
    };
    let mut index = 0u64;
    for group in groups.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    TilePath::new(kind, index, width).ok()
}
