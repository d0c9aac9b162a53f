//! What goes into a node's ledger and what comes out of it.

use std::fmt;

use almoner_federation::{Digest, Name, PicoRho, QueryId, Signature};
use almoner_secure_sum::RoundState;
use zeroize::Zeroizing;

use crate::entry::{SignedApproval, Touched};

/// The state of the tree after an entry: what a READY and an output quote, and what a witness remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// How many entries.
    pub size: u64,
    /// The RFC 9162 root over them.
    pub root: Digest,
}

/// A noisy vector on its way into the ledger, with the budget it needs.
pub struct Reservation {
    /// The planner's number of the question.
    pub query: QueryId,
    /// Which try, from 1 or 0 as the coordinator counts.
    pub attempt: u32,
    /// What was asked, hashed.
    pub spec_hash: Digest,
    /// Who asked.
    pub planner: Name,
    /// The price, from the node's own plan.
    pub cost: PicoRho,
    /// Whose budget, from the node's own plan.
    pub touched: Touched,
    /// The data officer's decision, where the agency's rules do not decide by themselves.
    pub approval: Option<SignedApproval>,
    /// The question as its planner signed it: what is kept of it for auditors.
    pub asked: Asked,
    /// From this second on (Unix time) the reservation cannot be charged.
    pub expires_at_s: u64,
    /// The present second (Unix time).
    pub now_s: u64,
    /// The cells, noise already added; wiped from memory once sealed.
    pub noisy: Vec<i64>,
}

/// A planner's question, as it travelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its canonical bytes, whose hash is the reservation's `spec_hash`.
    pub body: Vec<u8>,
    /// The planner's signature over them.
    pub signature: Signature,
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("query", &self.query)
            .field("attempt", &self.attempt)
            .field("spec_hash", &self.spec_hash)
            .field("planner", &self.planner)
            .field("cost", &self.cost)
            .field("expires_at_s", &self.expires_at_s)
            .finish_non_exhaustive()
    }
}

/// What the ledger keeps of a prepared attempt: the READY as first signed, and how the attempt stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReady {
    /// What was asked, hashed.
    pub spec_hash: Digest,
    /// The READY's bytes, sent again unchanged whenever the same question is prepared again.
    pub ready: Vec<u8>,
    /// The node's signature over them.
    pub signature: Signature,
    /// How the attempt stands.
    pub state: RoundState,
}

/// A noisy vector whose price is durably charged. Only [`NodeLedger::charge`](crate::NodeLedger::charge)
/// makes one, so whoever holds it may answer.
///
/// It cannot be made in any other way:
/// ```compile_fail,E0451
/// use almoner_ledger::{Charged, Position};
/// fn forge(position: Position) -> Charged {
///     Charged { noisy: vec![1].into(), position }
/// }
/// ```
/// nor copied out of a reservation that was made, for making it consumes the vector:
/// ```compile_fail,E0382
/// use almoner_federation::Signature;
/// use almoner_ledger::{NodeLedger, Reservation};
/// fn peek(ledger: &NodeLedger, reservation: Reservation) -> Vec<i64> {
///     let _ = ledger.reserve(reservation, |_| (Vec::new(), Signature([0; 64])));
///     reservation.noisy
/// }
/// ```
/// and what the ledger shows of a reserved attempt has no vector in it:
/// ```compile_fail,E0609
/// fn peek(stored: almoner_ledger::StoredReady) -> Vec<i64> {
///     stored.noisy
/// }
/// ```
pub struct Charged {
    noisy: Zeroizing<Vec<i64>>,
    position: Position,
}

impl Charged {
    pub(crate) fn new(noisy: Zeroizing<Vec<i64>>, position: Position) -> Self {
        Charged { noisy, position }
    }

    /// The cells with this node's noise, as they were reserved.
    pub fn noisy(&self) -> &[i64] {
        &self.noisy
    }

    /// The ledger right after this attempt's CHARGE entry: the same at every repetition.
    pub fn position(&self) -> Position {
        self.position
    }
}

impl fmt::Debug for Charged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Charged").field("position", &self.position).finish_non_exhaustive()
    }
}
