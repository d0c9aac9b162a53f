//! From noisy cells to masked cells: `y_i = v_i + sum over neighbours j of sgn(i,j) mask_ij` in the
//! context's ring, with sgn = +1 when i < j, which among bits changes nothing (PROTOCOL A.5). Only masked
//! cells leave a node.

use almoner_federation::{DecodeError, Digest};
use ring::digest::{Context as Hasher, SHA256};

use crate::keystream::{Pads, Sign};
use crate::{AcceptedContext, LocalFault, MAX_CELLS, PairRoots, SecureSumError, schedule};

/// A masked vector: 1 to [`MAX_CELLS`] words of a ring, uniform to whoever lacks a mask. Which ring, the
/// context says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked(Vec<u64>);

impl Masked {
    /// Takes cells that arrived masked.
    ///
    /// # Errors
    /// [`LocalFault::VectorLength`] outside the bounds of the type.
    pub fn from_cells(cells: Vec<u64>) -> Result<Self, SecureSumError> {
        if (1..=MAX_CELLS).contains(&cells.len()) {
            Ok(Masked(cells))
        } else {
            Err(LocalFault::VectorLength.into())
        }
    }

    /// Reads little-endian cells, 8 bytes each.
    ///
    /// # Errors
    /// [`SecureSumError::Malformed`] when the bytes are no whole number of cells within the bounds.
    pub fn from_le_bytes(bytes: &[u8]) -> Result<Self, SecureSumError> {
        let (cells, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() || !(1..=MAX_CELLS).contains(&cells.len()) {
            return Err(DecodeError::Malformed("not a vector of cells").into());
        }
        Ok(Masked(cells.iter().map(|cell| u64::from_le_bytes(*cell)).collect()))
    }

    /// The cells, little-endian, 8 bytes each.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|cell| cell.to_le_bytes()).collect()
    }

    /// The cells.
    pub fn cells(&self) -> &[u64] {
        &self.0
    }

    /// SHA-256 of [`Masked::to_le_bytes`].
    pub fn hash(&self) -> Digest {
        let mut hasher = Hasher::new(&SHA256);
        let mut buffer = [0u8; 4096];
        for cells in self.0.chunks(buffer.len() / 8) {
            let bytes = &mut buffer[..cells.len() * 8];
            for (place, cell) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(cells) {
                *place = cell.to_le_bytes();
            }
            hasher.update(bytes);
        }
        Digest(hasher.finish().as_ref().try_into().expect("SHA-256 gives 32 bytes"))
    }
}

/// Masks `noisy`, which must be the words that were charged for `accepted`, in the ring of its context:
/// that of the READY, for which they were noised. The same input gives the same bytes, so a
/// retransmission needs no stored output.
///
/// # Errors
/// [`LocalFault::VectorLength`] for no cells or more than [`MAX_CELLS`]; [`LocalFault::PairRoots`] when
/// `roots` are another node's or another manifest's, or lack a neighbour.
pub fn mask(noisy: &[i64], accepted: &AcceptedContext, roots: &PairRoots) -> Result<Masked, SecureSumError> {
    if !(1..=MAX_CELLS).contains(&noisy.len()) {
        return Err(LocalFault::VectorLength.into());
    }
    let (node, context) = (accepted.node(), accepted.context());
    if roots.node() != node || roots.manifest_hash() != context.manifest_hash {
        return Err(LocalFault::PairRoots.into());
    }
    let mut seeds = Vec::new();
    for peer in accepted.neighbours() {
        let root = roots.with(peer).ok_or(LocalFault::PairRoots)?;
        let sign = if node < peer { Sign::Plus } else { Sign::Minus };
        seeds.push((schedule::mask_seed(root, accepted.hash(), context.ring), sign));
    }
    let mut cells: Vec<u64> = noisy.iter().map(|cell| cell.cast_unsigned()).collect();
    Pads::new(context.ring, seeds.iter().map(|(seed, sign)| (seed, *sign))).apply(&mut cells);
    Ok(Masked(cells))
}

#[cfg(test)]
mod tests;
