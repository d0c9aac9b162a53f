//! A Merkle tree and its entries as static files: C2SP tlog-tiles (<https://c2sp.org/tlog-tiles>).
//!
//! A tile is 256 consecutive hashes of one level of the tree, every eighth level; an entry bundle holds
//! the 256 entries under a tile of level 0. The last of each is partial, and its path says how wide.

mod bundle;
mod path;
mod set;

use thiserror::Error;

pub use bundle::{MAX_ENTRY_BYTES, decode_bundle, decode_hashes, encode_bundle};
pub use path::{TileKind, TilePath, WIDTH};
pub use set::{changed, for_each_changed};

/// Why a path, a tile or a bundle was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TileError {
    /// The text does not name a tile in the one way a tile is named.
    #[error(
        "not the path of a tile: expected tile/<level>/<index> or tile/entries/<index>, such as tile/0/x001/x234/067.p/5"
    )]
    Path,
    /// A tile is 1 to 256 wide, at a level from 0 to 63.
    #[error("not a tile: the width must be 1 to 256 and the level 0 to 63")]
    Shape,
    /// A bundle holds short entries only.
    #[error("the entry has {bytes} bytes; a bundle holds entries of at most {MAX_ENTRY_BYTES}")]
    EntryTooLong {
        /// How long it is.
        bytes: usize,
    },
    /// The bytes of a tile or bundle do not hold exactly what its path says.
    #[error(
        "the tile holds another number of hashes or entries than its path says, or ends inside one: fetch it again"
    )]
    Width,
    /// The tree has not all the hashes that the tile holds.
    #[error("the tree is smaller than the tiles asked for: give the size of a tree that was written whole")]
    Missing,
}
