//! Why this crate refuses. No text here depends on a citizen's data: only on the plan, the policy
//! and the machine.

use thiserror::Error;

/// A refusal, by who can mend it: the planner, the plan's author, or the node's operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PrivacyError {
    /// The planner offered no rho.
    #[error("a release cannot be made for a rho of zero")]
    NothingOffered,
    /// The planner offered too little rho for values this large.
    #[error(
        "the offered rho is too small for values this large: noise above 2^50 integer steps would be needed"
    )]
    NoiseTooLarge,
    /// The loss does not fit the ledger's integer.
    #[error("the privacy loss exceeds what the ledger can count")]
    PriceTooLarge,
    /// No honest noise share was promised.
    #[error("at least one participant outside the colluders must add noise")]
    NoHonestShare,
    /// The block is empty or too long.
    #[error("a block must have between 1 and 16777216 coordinates")]
    Coordinates,
    /// The noise scale is not one that may be priced or drawn.
    #[error("the noise scale lies outside its permitted range")]
    Sigma,
    /// The flip probability is not one that may be priced or drawn.
    #[error("the flip probability of a sketch must lie between 2^-64 and 1/2")]
    Flip,
    /// A sketch was planned in which no person can be counted.
    #[error("a person must be in at least one bucket of a sketch")]
    NoBucket,
    /// The planner offered too little rho for a sketch.
    #[error(
        "the offered rho is too small for a distinct count: offer at least 0.0000005 for every cell a person \
         can be in, or ask for fewer cells"
    )]
    SketchTooNoisy,
    /// The operating system gave no randomness.
    #[error("the system's random source failed")]
    RandomSource,
    /// The random bytes repeat themselves.
    #[error("the random source failed its health test: it repeats itself")]
    RandomHealth,
}
