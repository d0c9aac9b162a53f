//! What anybody can recompute who trusts nobody: releases, ledgers, and whether they belong together.
//!
//! [`audit`] reads a [`Mirror`], a folder with manifests, ledgers, the registry and its releases, and reports every
//! contradiction. It needs no key and no data.

mod check;
mod dossier;
mod evidence;
mod finding;
mod mirror;
mod publication;
mod report;
mod run;
mod tally;
mod together;
mod witnessed;

pub use dossier::Dossier;
pub use evidence::{EvidenceError, VerifiedRelease, family_of, question_of, verify_evidence, verify_release};
pub use finding::{Code, Finding};
pub use mirror::{AskedQuestion, LogFolder, LogWriter, Mirror, ReadEntry};
pub use publication::Publication;
pub use report::{LogLine, NodeLine, PlannerLine, PolicyLine, ReleaseLine, Report};
pub use run::{audit, audit_on};
pub use witnessed::{WitnessError, check_witnessed, witnesses_of};
