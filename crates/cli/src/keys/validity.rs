//! From when until when a certificate holds.

use time::{Duration, OffsetDateTime};

use crate::keys::KeysError;

/// Clocks of different agencies differ: a certificate begins this long before it is made.
const BACKDATED: Duration = Duration::hours(1);

/// Longest validity that can be asked for: a century.
const MAX_DAYS: u32 = 36_525;

/// A certificate's first and last moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl Validity {
    /// From `not_before` until `not_after`, which may both be in the past.
    ///
    /// # Errors
    /// [`KeysError::Validity`] when the end is not after the beginning.
    pub fn between(not_before: OffsetDateTime, not_after: OffsetDateTime) -> Result<Self, KeysError> {
        if not_before < not_after {
            Ok(Validity { not_before, not_after })
        } else {
            Err(KeysError::Validity { reason: "it ends before it begins; choose a later end".into() })
        }
    }

    /// From a little before `now` until `days` after it.
    ///
    /// # Errors
    /// [`KeysError::Validity`] when `days` is 0 or more than a century.
    pub fn days(now: OffsetDateTime, days: u32) -> Result<Self, KeysError> {
        if !(1..=MAX_DAYS).contains(&days) {
            return Err(KeysError::Validity { reason: format!("--days must be 1 to {MAX_DAYS}") });
        }
        Validity::between(now - BACKDATED, now + Duration::days(days.into()))
    }

    /// The first moment.
    pub fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// The last moment.
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }
}
