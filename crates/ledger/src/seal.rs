//! What the node's sealing key protects on disk: noisy vectors by encryption, the rest by a tag.

use almoner_federation::{Digest, QueryId, lp};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::error::LedgerError;
use crate::node_types::Position;

/// The keys derived from a node's sealing key by HKDF-SHA-256 (RFC 5869), one for each purpose.
pub(crate) struct Seal {
    vectors: LessSafeKey,
    tags: hmac::Key,
    random: SystemRandom,
}

impl Seal {
    /// Derives both keys.
    pub(crate) fn new(sealing_key: &[u8; 32]) -> Self {
        let root = Salt::new(HKDF_SHA256, b"almoner/1/ledger-seal").extract(sealing_key);
        let vectors = root.expand(&[b"almoner/1/ledger-vectors"], &AES_256_GCM);
        let tags = root.expand(&[b"almoner/1/ledger-tags"], hmac::HMAC_SHA256);
        Seal {
            vectors: LessSafeKey::new(UnboundKey::from(vectors.expect("one key is a short output"))),
            tags: hmac::Key::from(tags.expect("one key is a short output")),
            random: SystemRandom::new(),
        }
    }

    /// `nonce || AES-256-GCM(noisy as little-endian i64) || tag`, bound to one attempt of one question.
    /// The nonce is random: one key serves far fewer than the 2^32 vectors that 96 bits allow
    /// (NIST SP 800-38D, 8.3).
    pub(crate) fn seal(&self, about: &About, noisy: &[i64]) -> Result<Vec<u8>, LedgerError> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| LedgerError::Random)?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + noisy.len() * 8 + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend(noisy.iter().flat_map(|cell| cell.to_le_bytes()));
        let tag = self
            .vectors
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(about.bytes()),
                &mut sealed[NONCE_LEN..],
            )
            .expect("a bounded vector is far below AES-GCM's limit of 64 GiB");
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// What [`Seal::seal`] was given, or `None` when a bit of it, the attempt or the key differs.
    pub(crate) fn open(&self, about: &About, sealed: Vec<u8>) -> Option<Zeroizing<Vec<i64>>> {
        let mut sealed = Zeroizing::new(sealed);
        let (nonce, rest) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.vectors.open_in_place(nonce, Aad::from(about.bytes()), rest).ok()?;
        let (cells, rest) = plain.as_chunks::<8>();
        rest.is_empty().then(|| Zeroizing::new(cells.iter().map(|cell| i64::from_le_bytes(*cell)).collect()))
    }

    /// A tag over the tree: whoever lacks the key cannot write another history that opens.
    pub(crate) fn tag_head(&self, head: Position) -> Vec<u8> {
        hmac::sign(&self.tags, &head_bytes(head)).as_ref().to_vec()
    }

    pub(crate) fn is_head(&self, head: Position, tag: &[u8]) -> bool {
        hmac::verify(&self.tags, &head_bytes(head), tag).is_ok()
    }

    /// A tag over what a round's row holds beside its entries.
    pub(crate) fn tag_row(&self, row: &Row<'_>) -> Vec<u8> {
        hmac::sign(&self.tags, &row.bytes()).as_ref().to_vec()
    }

    pub(crate) fn is_row(&self, row: &Row<'_>, tag: &[u8]) -> bool {
        hmac::verify(&self.tags, &row.bytes(), tag).is_ok()
    }
}

/// What a sealed vector belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) query: QueryId,
    pub(crate) attempt: u32,
    pub(crate) spec_hash: Digest,
}

impl About {
    fn bytes(&self) -> Vec<u8> {
        lp(&[b"almoner/1/sealed", &self.query.0, &self.attempt.to_be_bytes(), &self.spec_hash.0])
    }
}

/// What no entry says about a round: it can only be checked by its tag.
pub(crate) struct Row<'a> {
    pub(crate) reserved_by: u64,
    pub(crate) ready: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl Row<'_> {
    fn bytes(&self) -> Vec<u8> {
        lp(&[b"almoner/1/ledger-row", &self.reserved_by.to_be_bytes(), self.ready, self.signature])
    }
}

fn head_bytes(head: Position) -> Vec<u8> {
    lp(&[b"almoner/1/ledger-head", &head.size.to_be_bytes(), &head.root.0])
}

#[cfg(test)]
mod tests;
