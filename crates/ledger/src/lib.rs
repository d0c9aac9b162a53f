//! What a crash must not lose: a node's privacy ledger and the coordinator's registry of releases.
//!
//! Both are one SQLite file (WAL, `synchronous=FULL`) whose entries are canonical bytes and leaves of
//! an RFC 9162 Merkle tree. Each transition is all or nothing, on the disk before the call returns; callers
//! that come together share one transaction. One process writes; [`LedgerReader`] reads beside it.
//! [`NodeLedger`] turns noisy cells into a [`Reservation`] and gives them back only as a [`Charged`]:
//! there is no way to read them without the charge being durable first (PROTOCOL A.4, E.2).
//!
//! Nothing here may ever hold a cell without its noise, and no error text depends on what was counted.
//!
//! An older copy of a ledger file is a valid ledger: this crate finds damage and tampering, but it
//! cannot find a *rollback*. That takes witnesses who remember a later [`Position`]: a node asks them before it answers,
//! and shows them [`NodeLedger::consistency_proof`].

mod accounts;
mod books;
mod entry;
mod error;
mod group;
mod node;
mod node_types;
mod reader;
mod registry;
mod registry_entry;
mod rounds;
mod seal;
mod shown;
mod statement;
mod store;

pub use accounts::Accounts;
pub use books::{About, Account, ApprovalUse, Books, Budget, Round, RoundPhase};
pub use entry::{
    Approval, ApprovalEntry, Entry, Limits, LoadEntry, Policy, PolicyEntry, ReleaseLimits, RoundEntry,
    SignedApproval, SignedPolicy, Step, TerritoryLimit, Touched,
};
pub use error::{BookFault, LedgerError, Refusal, Scope};
pub use node::NodeLedger;
pub use node_types::{Asked, Charged, Position, Reservation, StoredReady};
pub use reader::{FileKind, LedgerReader};
pub use registry::Registry;
pub use registry_entry::{RegistryEntry, RegistryStep};
pub use shown::{Shown, ShownNote, replace_file};
