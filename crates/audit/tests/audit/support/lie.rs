//! What one party can do wrong while a federation's evidence is made.

/// One thing that is not as it should be. Where it names no node, the agency `LIAR` does it, in round `ROUND`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// The entry's price is half the plan's.
    Price,
    /// The entry counts for one territory, the question touches all.
    Territories,
    /// The charge is logged for another context.
    OtherContext,
    /// Reserved, never charged; the receipt is for a ledger that has one more entry.
    NoCharge,
    /// Neither reserved nor charged; READY and receipt sign positions in a ledger that does not exist.
    NoRound,
    /// The receipt names the position of the reservation.
    Receipt,
    /// READY names the position before the reservation.
    Ready,
    /// Its checkpoint has too few cosigners, is of another agency, is too old, or has another root.
    Unwitnessed,
    ForeignNote,
    OldNote,
    ForkedNote,
    /// It does not mask.
    Unmasked,
    /// It reserves with the approval of another question.
    OtherApproval,
    /// It charges again for an attempt that had expired.
    Expired,
    /// Its first policy is above the manifest, or names keys that are not in it.
    PolicyTotal,
    PolicyPlanner,
    PolicyStranger,
    PolicyPeriod,
    /// Its officer signed that one more agency than there are must take part.
    OwnQuorum,
    /// Its officer signed that two strangers must take part.
    OwnAnchors,
    /// Its officer signed a smaller price for one question.
    OwnPrice,
    PolicyOfficer,
    PolicyAuditors,
    /// The second policy lacks an auditor's signature, is called no grant, or is signed by a stranger.
    NoCountersign,
    NoGrant,
    StrangeOfficer,
    /// It names another manifest than the one the question was asked under.
    OldManifest,
    /// The coordinator's registry.
    RegistryContext,
    RegistryNoCharge,
    RegistryPrice,
    RegistryFamily,
    RegistryPlanner,
}

pub const LIAR: usize = 1;
pub const ROUND: u64 = 1;
