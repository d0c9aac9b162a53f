//! What a READY must say: a node that signs one thing and books another is broken.

use almoner_federation::{Digest, PicoRho};
use almoner_secure_sum::{Message, Ready};

use crate::error::LedgerError;
use crate::node_types::Position;

/// What a READY and its reservation both say.
#[derive(PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) manifest_hash: Digest,
    pub(crate) spec_hash: Digest,
    pub(crate) attempt: u32,
    pub(crate) cost: PicoRho,
    pub(crate) expires_at_s: u64,
}

impl Statement {
    /// Succeeds when `ready` states this and the ledger that ends with the reservation.
    pub(crate) fn check(&self, ready: &[u8], after: Position) -> Result<(), LedgerError> {
        let ready = Ready::decode(ready).map_err(|_| LedgerError::Ready("encoding"))?;
        let said = Statement {
            manifest_hash: ready.manifest_hash,
            spec_hash: ready.spec_hash,
            attempt: ready.attempt,
            cost: ready.cost,
            expires_at_s: ready.expires_at_s,
        };
        if said != *self {
            return Err(LedgerError::Ready("manifest, question, attempt, price or deadline"));
        }
        if (ready.ledger_size, ready.ledger_root) != (after.size, after.root) {
            return Err(LedgerError::Ready("ledger position"));
        }
        Ok(())
    }
}
