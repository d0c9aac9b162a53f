//! The crash drill: a node told to stop dead at one step, as if its power failed there, so that an
//! operator (and our tests) can see that no crash answers without a charge.

use std::str::FromStr;

/// A point between two durable steps of PROTOCOL A.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Cells computed and noised, nothing reserved.
    BeforeReserve,
    /// Reserved and durable, READY not sent.
    AfterReserve,
    /// Release accepted, nothing charged.
    BeforeCharge,
    /// Charged and durable, no byte of output sent.
    AfterCharge,
    /// Cosigned by enough other agencies, no byte of output sent.
    AfterWitnessed,
    /// The first chunk of output handed to the transport.
    AfterFirstChunk,
}

impl Step {
    /// Every step with its name.
    pub const ALL: [(Step, &'static str); 6] = [
        (Step::BeforeReserve, "before-reserve"),
        (Step::AfterReserve, "after-reserve"),
        (Step::BeforeCharge, "before-charge"),
        (Step::AfterCharge, "after-charge"),
        (Step::AfterWitnessed, "after-witnessed"),
        (Step::AfterFirstChunk, "after-first-chunk"),
    ];

    /// Ends the process at once, without unwinding or flushing, when the drill asks for this step.
    pub(crate) fn reached(self, drill: Option<Step>) {
        if drill == Some(self) {
            std::process::abort();
        }
    }
}

impl FromStr for Step {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        let found = Step::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(step, _)| *step).ok_or_else(|| {
            format!("no such step; use one of {}", Step::ALL.map(|(_, known)| known).join(", "))
        })
    }
}
