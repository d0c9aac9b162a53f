//! Who takes part: the members of a federation with their public keys, as the pinned manifest lists
//! them. It never comes from the coordinator.

use std::collections::{BTreeMap, BTreeSet};

use almoner_federation::{Digest, FederationId, Manifest, NodeId, VerifyingKey};

use crate::{LocalFault, MAX_PARTICIPANTS, NodeFault, SecureSumError};

/// One member's public keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Verifies READYs, outputs and aborts.
    pub signing_key: VerifyingKey,
    /// The X25519 public key of this epoch.
    pub mask_key: [u8; 32],
}

/// The members of one federation under one manifest: 2 to [`MAX_PARTICIPANTS`], no mask key twice.
#[derive(Debug, Clone)]
pub struct Roster {
    federation: FederationId,
    manifest_hash: Digest,
    coordinator: VerifyingKey,
    members: BTreeMap<NodeId, Member>,
}

impl Roster {
    /// The roster with these members.
    ///
    /// # Errors
    /// [`LocalFault::Roster`] when the bounds of the type are broken.
    pub fn new(
        federation: FederationId,
        manifest_hash: Digest,
        coordinator: VerifyingKey,
        members: impl IntoIterator<Item = (NodeId, Member)>,
    ) -> Result<Self, SecureSumError> {
        let mut by_node = BTreeMap::new();
        for (node, member) in members.into_iter().take(MAX_PARTICIPANTS + 1) {
            if by_node.insert(node, member).is_some() {
                return Err(LocalFault::Roster("a node number occurs twice").into());
            }
        }
        if !(2..=MAX_PARTICIPANTS).contains(&by_node.len()) {
            return Err(LocalFault::Roster("expected 2 to 5000 members").into());
        }
        let keys: BTreeSet<_> = by_node.values().map(|member| member.mask_key).collect();
        if keys.len() != by_node.len() {
            return Err(LocalFault::Roster("a mask key occurs twice").into());
        }
        Ok(Roster { federation, manifest_hash, coordinator, members: by_node })
    }

    /// The roster that a checked manifest holds.
    ///
    /// # Errors
    /// [`LocalFault::Roster`] when the manifest has fewer than two agencies.
    pub fn of(manifest: &Manifest) -> Result<Self, SecureSumError> {
        let members = manifest.agencies.iter().map(|agency| {
            (agency.node, Member { signing_key: agency.signing_key, mask_key: agency.mask_key })
        });
        Roster::new(manifest.federation.clone(), manifest.hash(), manifest.coordinator.signing_key, members)
    }

    /// The federation's name.
    pub fn federation(&self) -> &FederationId {
        &self.federation
    }

    /// The hash of the pinned manifest.
    pub fn manifest_hash(&self) -> Digest {
        self.manifest_hash
    }

    /// Verifies contexts.
    pub fn coordinator(&self) -> &VerifyingKey {
        &self.coordinator
    }

    /// A member's keys.
    pub fn member(&self, node: NodeId) -> Option<&Member> {
        self.members.get(&node)
    }

    /// A member's keys, or the fault of not being one.
    pub(crate) fn require(&self, node: NodeId) -> Result<&Member, SecureSumError> {
        self.member(node).ok_or(SecureSumError::node(node, NodeFault::Stranger))
    }

    /// All members in the order of their numbers.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (NodeId, &Member)> {
        self.members.iter().map(|(node, member)| (*node, member))
    }
}
