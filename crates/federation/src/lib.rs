//! The federation's public constitution and the small vocabulary every other crate shares:
//! names, units, canonical bytes, signatures, transparency logs, and the checked [`Manifest`].
//!
//! Nothing here does I/O, and nothing here may ever hold a citizen's record.

pub mod checkpoint;
mod encoding;
mod file_error;
mod identity;
mod ids;
mod manifest;
pub mod merkle;
pub mod note;
mod number;
mod period;
mod rho;
mod schema;
mod signing;
pub mod tiles;

pub use encoding::{DecodeError, Reader, lp};
pub use file_error::{FileError, Problem, parse_toml};
pub use identity::{Identity, IdentityError, Role};
pub use ids::{Digest, FederationId, IdError, Name, NodeId, QueryId};
pub use manifest::{
    Agency, Auditor, Coordinator, Manifest, PeriodLimit, Planner, Policy, Territory, Unit, UnitKind,
    Witnessing,
};
pub use number::{Exact, parse_date, parse_exact, show_date};
pub use period::PeriodLength;
pub use rho::{PicoRho, RhoError};
pub use schema::{BinScale, Bins, Column, ColumnType, Table};
pub use signing::{Signature, SigningError, SigningKey, VerifyingKey};
