//! Limits and sums as people are shown them.

use almoner_federation::PicoRho;

/// One limit and what was taken of it. `charged + reserved` never passes the limit it was accepted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The limit.
    pub limit: PicoRho,
    /// Charged.
    pub charged: PicoRho,
    /// Reserved.
    pub reserved: PicoRho,
}

impl Account {
    /// What is left.
    pub fn left(&self) -> PicoRho {
        self.limit.saturating_sub(self.charged).saturating_sub(self.reserved)
    }
}

/// A planner's budget as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// What any unit has lost at most, over all planners, for ever.
    pub total: Account,
    /// This planner's questions.
    pub planner: Account,
    /// As `total`, in the present period.
    pub period: Option<Account>,
    /// The territory that has least left, in the present period where there are periods.
    pub territory: Option<Account>,
}
