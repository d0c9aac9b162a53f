//! A node's secret mask key and what it shares with each peer for one epoch. Neither ever shows itself.

use std::collections::BTreeMap;
use std::fmt;

use almoner_federation::{Digest, NodeId};
use ring::rand::SecureRandom;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::schedule::{Secret, pair_root, pair_salt};
use crate::{LocalFault, NodeFault, Roster, SecureSumError};

/// A secret X25519 key (RFC 7748), one per node and epoch; wiped when dropped.
pub struct MaskKey(StaticSecret);

impl MaskKey {
    /// Draws a new key.
    ///
    /// # Errors
    /// [`LocalFault::Random`] when the random source fails.
    pub fn generate(random: &dyn SecureRandom) -> Result<Self, SecureSumError> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        random.fill(bytes.as_mut_slice()).map_err(|_| LocalFault::Random)?;
        Ok(MaskKey::from_bytes(&bytes))
    }

    /// The key with these secret bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        MaskKey(StaticSecret::from(*bytes))
    }

    /// The secret bytes, to be kept in a file of the node's own.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half, for the manifest.
    pub fn public(&self) -> [u8; 32] {
        PublicKey::from(&self.0).to_bytes()
    }
}

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKey")
    }
}

/// One node's pair roots with all its peers under one manifest. Deriving them takes about 0.1 ms a
/// peer, so they are derived once an epoch and kept.
pub struct PairRoots {
    node: NodeId,
    manifest_hash: Digest,
    roots: BTreeMap<NodeId, Secret>,
}

impl PairRoots {
    /// Agrees with every other member of `roster` on a pair root.
    ///
    /// # Errors
    /// [`NodeFault::Stranger`] when `node` is no member, [`LocalFault::MaskKey`] when `key` is not its
    /// key in the roster, [`NodeFault::LowOrderKey`] naming a peer whose key gives an all-zero secret.
    pub fn derive(roster: &Roster, node: NodeId, key: &MaskKey) -> Result<Self, SecureSumError> {
        PairRoots::derive_with(roster, node, key, roster.members().map(|(peer, _)| peer))
    }

    /// Agrees with `peers` alone: enough to mask where they are all neighbours, as
    /// [`AcceptedContext::neighbours`](crate::AcceptedContext::neighbours) names them. The node itself is passed
    /// over among them.
    ///
    /// # Errors
    /// As for [`PairRoots::derive`]; [`NodeFault::Stranger`] also naming a peer that is no member.
    pub fn derive_with(
        roster: &Roster,
        node: NodeId,
        key: &MaskKey,
        peers: impl IntoIterator<Item = NodeId>,
    ) -> Result<Self, SecureSumError> {
        let own = key.public();
        if roster.require(node)?.mask_key != own {
            return Err(LocalFault::MaskKey.into());
        }
        let salt = pair_salt(roster.federation(), roster.manifest_hash());
        let mut roots = BTreeMap::new();
        for peer in peers.into_iter().filter(|peer| *peer != node) {
            let member = roster.require(peer)?;
            let shared = key.0.diffie_hellman(&PublicKey::from(member.mask_key));
            if !shared.was_contributory() {
                return Err(SecureSumError::node(peer, NodeFault::LowOrderKey));
            }
            let (ours, theirs) = ((node, &own), (peer, &member.mask_key));
            let (low, high) = if node < peer { (ours, theirs) } else { (theirs, ours) };
            roots.insert(peer, pair_root(salt, shared.as_bytes(), low, high));
        }
        Ok(PairRoots { node, manifest_hash: roster.manifest_hash(), roots })
    }

    /// The node whose roots these are.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The manifest under which they were agreed.
    pub fn manifest_hash(&self) -> Digest {
        self.manifest_hash
    }

    /// Roots that no key agreement made, to test what is done with them.
    #[cfg(test)]
    pub(crate) fn fabricated(
        node: NodeId,
        manifest_hash: Digest,
        roots: impl IntoIterator<Item = (NodeId, Secret)>,
    ) -> Self {
        PairRoots { node, manifest_hash, roots: roots.into_iter().collect() }
    }

    pub(crate) fn with(&self, peer: NodeId) -> Option<&Secret> {
        self.roots.get(&peer)
    }
}

impl fmt::Debug for PairRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PairRoots(node {}, {} peers)", self.node, self.roots.len())
    }
}

#[cfg(test)]
mod tests;
