//! What anybody can recompute who trusts nobody: releases, ledgers, and whether they belong together.

mod evidence;
mod publication;

pub use evidence::{EvidenceError, VerifiedRelease, question_of, verify_evidence, verify_release};
pub use publication::Publication;
