//! Calendar periods, in UTC: what limits that count anew are counted in.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeriodLength {
    /// A calendar month.
    Month,
    /// Three calendar months, the first from January.
    Quarter,
    /// A calendar year.
    Year,
}

impl PeriodLength {
    /// The number of the period that holds the second `at_s` (Unix time, UTC), counted from 0 for the one that began
    /// on 1970-01-01. Times beyond the year 9999 count as its last second.
    pub fn number(self, at_s: u64) -> u32 {
        const LAST_S: i64 = 253_402_300_799;
        let at = i64::try_from(at_s).unwrap_or(LAST_S).min(LAST_S);
        let date = OffsetDateTime::from_unix_timestamp(at).expect("a time from 1970 to 9999").date();
        let (years, months) = (date.year().unsigned_abs() - 1970, u32::from(u8::from(date.month())) - 1);
        let months = years * 12 + months;
        match self {
            PeriodLength::Month => months,
            PeriodLength::Quarter => months / 3,
            PeriodLength::Year => years,
        }
    }

    /// How many months it has.
    pub fn months(self) -> u32 {
        match self {
            PeriodLength::Month => 1,
            PeriodLength::Quarter => 3,
            PeriodLength::Year => 12,
        }
    }

    /// A period in words: `2026`, `2026 Q3` or `2026-07`.
    pub fn show(self, number: u32) -> String {
        let months = u64::from(number) * u64::from(self.months());
        let (year, month) = (1970 + months / 12, months % 12);
        match self {
            PeriodLength::Month => format!("{year}-{:02}", month + 1),
            PeriodLength::Quarter => format!("{year} Q{}", month / 3 + 1),
            PeriodLength::Year => year.to_string(),
        }
    }
}

impl fmt::Display for PeriodLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PeriodLength::Month => "month",
            PeriodLength::Quarter => "quarter",
            PeriodLength::Year => "year",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_where_the_calendar_says() {
        // 2024-02-29 23:59:59 and the second after it; 1970-01-01; 9999-12-31 and beyond.
        let cases = [
            (1_709_251_199, "2024-02", "2024 Q1", "2024"),
            (1_709_251_200, "2024-03", "2024 Q1", "2024"),
            (0, "1970-01", "1970 Q1", "1970"),
            (1_735_689_599, "2024-12", "2024 Q4", "2024"),
            (1_735_689_600, "2025-01", "2025 Q1", "2025"),
            (u64::MAX, "9999-12", "9999 Q4", "9999"),
        ];
        for (at_s, month, quarter, year) in cases {
            let shown = [PeriodLength::Month, PeriodLength::Quarter, PeriodLength::Year]
                .map(|length| length.show(length.number(at_s)));
            assert_eq!(shown, [month, quarter, year], "{at_s}");
        }
    }
}
