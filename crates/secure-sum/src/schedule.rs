//! The key schedule of PROTOCOL A.5: every derivation with its label, and nothing else. HKDF is
//! RFC 5869 with SHA-256.

use almoner_federation::{Digest, FederationId, NodeId, lp};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use zeroize::Zeroizing;

use crate::Ring;

const PAIR_SALT: &[u8] = b"almoner/1/pair-salt";
const PAIR_ROOT: &[u8] = b"almoner/1/pair-root";
const MASK_Z64: &[u8] = b"almoner/1/mask-z64";
const MASK_GF2: &[u8] = b"almoner/1/mask-gf2";
const GRAPH: &[u8] = b"almoner/1/graph";

/// 32 secret bytes that are wiped when they go out of scope.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// `H(LP("almoner/1/pair-salt", fed_id, roster_hash))`: separates federations and epochs.
pub(crate) fn pair_salt(federation: &FederationId, manifest_hash: Digest) -> Digest {
    Digest::of(&lp(&[PAIR_SALT, federation.as_str().as_bytes(), &manifest_hash.0]))
}

/// `K_ij`: what two nodes share for an epoch. `low` is the node with the smaller number and its public
/// mask key, `high` the other, so that both sides derive the same.
pub(crate) fn pair_root(
    salt: Digest,
    shared: &[u8; 32],
    low: (NodeId, &[u8; 32]),
    high: (NodeId, &[u8; 32]),
) -> Secret {
    let info = lp(&[PAIR_ROOT, &low.0.0.to_be_bytes(), &high.0.0.to_be_bytes(), low.1, high.1]);
    expand(&Salt::new(HKDF_SHA256, &salt.0).extract(shared), &info)
}

/// `S_ij`: the key of one pair's mask in one context. The label is the ring's, so that two rings share
/// no pad even if some context did not name its ring.
pub(crate) fn mask_seed(root: &[u8; 32], ctx_hash: Digest, ring: Ring) -> Secret {
    let label = match ring {
        Ring::Z64 => MASK_Z64,
        Ring::Gf2 => MASK_GF2,
    };
    expand(&Salt::new(HKDF_SHA256, &ctx_hash.0).extract(root), &lp(&[label]))
}

/// The key of the order in which the ring graph lines the participants up; public.
pub(crate) fn graph_seed(ctx_hash: Digest) -> Secret {
    expand(&Salt::new(HKDF_SHA256, &[]).extract(&ctx_hash.0), &lp(&[GRAPH]))
}

fn expand(prk: &Prk, info: &[u8]) -> Secret {
    let mut out = Secret::default();
    prk.expand(&[info], HKDF_SHA256)
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .expect("32 bytes are one block of HKDF-SHA256");
    out
}

#[cfg(test)]
mod tests;
