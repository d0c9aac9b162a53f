//! What anybody can recompute who trusts nobody: releases, ledgers, and whether they belong together.

mod evidence;
mod publication;
mod witnessed;

pub use evidence::{EvidenceError, VerifiedRelease, question_of, verify_evidence, verify_release};
pub use publication::Publication;
pub use witnessed::{WitnessError, check_witnessed, witnesses_of};
