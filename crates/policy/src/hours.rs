//! Hours of the day, in UTC, in which a node answers.

use std::fmt;

use crate::tables::HoursTable;

const DAY_S: u64 = 86_400;
const MINUTE_S: u64 = 60;
const DAY_MINUTES: u64 = 24 * 60;

/// Words of the days, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// 1970-01-01 was a Thursday.
const EPOCH_DAY: u64 = 3;

/// A stretch of time that begins on some days of the week, at most 24 hours long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// Minutes after midnight, below 1440.
    from: u64,
    /// Minutes after midnight, 1 to 1440; at or before `from`, of the next day.
    to: u64,
    /// On which days it begins, Monday first.
    days: [bool; 7],
}

impl Hours {
    /// Reads the table.
    ///
    /// # Errors
    /// In words, for the writer of the file.
    pub(crate) fn check(table: &HoursTable) -> Result<Hours, String> {
        let (from, to) = (minutes(&table.from)?, minutes(&table.to)?);
        if from == DAY_MINUTES {
            return Err("hours.from is 00:00 to 23:59".into());
        }
        if from == to {
            return Err("hours.from and hours.to are the same; leave hours out to answer at any time".into());
        }
        // Two spellings of one midnight.
        let to = if to == 0 { DAY_MINUTES } else { to };
        let mut days = [table.days.is_none(); 7];
        for word in table.days.iter().flatten() {
            let day = DAYS.iter().position(|day| day == word);
            let day = day.ok_or_else(|| format!("{word:?} is no day; use {}", DAYS.join(", ")))?;
            days[day] = true;
        }
        if days == [false; 7] {
            return Err("hours.days allows no day; leave it out to allow all".into());
        }
        Ok(Hours { from, to, days })
    }

    /// Whether a moment, in seconds since 1970-01-01 UTC, lies within them.
    pub(crate) fn hold(&self, now_s: u64) -> bool {
        let (day, minute) = (now_s / DAY_S, now_s % DAY_S / MINUTE_S);
        let weekday = ((day + EPOCH_DAY) % 7) as usize;
        let (today, yesterday) = (self.days[weekday], self.days[(weekday + 6) % 7]);
        if self.from < self.to {
            today && (self.from..self.to).contains(&minute)
        } else {
            (today && minute >= self.from) || (yesterday && minute < self.to)
        }
    }
}

/// `HH:MM` as minutes after midnight, 24:00 included.
fn minutes(text: &str) -> Result<u64, String> {
    let read = || {
        let (hours, minutes) = text.split_once(':')?;
        let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let (true, true) = (digits(hours), digits(minutes)) else { return None };
        let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
        let all = hours * 60 + minutes;
        (minutes < 60 && all <= DAY_MINUTES).then_some(all)
    };
    read().ok_or_else(|| format!("{text:?} is no time of the day; write HH:MM, 00:00 to 24:00, in UTC"))
}

/// As they stand in a node.toml: all days are left out.
impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |minutes: u64| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        write!(f, "{{ from = \"{}\", to = \"{}\"", time(self.from), time(self.to))?;
        if self.days != [true; 7] {
            let days = DAYS.iter().zip(self.days).filter(|(_, on)| *on);
            let days: Vec<String> = days.map(|(day, _)| format!("\"{day}\"")).collect();
            write!(f, ", days = [{}]", days.join(", "))?;
        }
        f.write_str(" }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(from: &str, to: &str, days: &[&str]) -> Result<Hours, String> {
        let days = (!days.is_empty()).then(|| days.iter().map(|day| (*day).to_owned()).collect());
        Hours::check(&HoursTable { from: from.into(), to: to.into(), days })
    }

    /// A moment of the week that began on Monday, 2026-01-05 (20,458 days after 1970-01-01).
    fn at(day: u64, hour: u64, minute: u64) -> u64 {
        (20_458 + day) * DAY_S + hour * 3_600 + minute * 60
    }

    #[test]
    fn office_hours_hold_to_the_minute() {
        let office = hours("08:00", "18:00", &["mon", "fri"]).expect("hours");
        for (moment, holds) in [
            (at(0, 7, 59) + 59, false),
            (at(0, 8, 0), true),
            (at(0, 17, 59) + 59, true),
            (at(0, 18, 0), false),
            (at(1, 12, 0), false),
            (at(4, 12, 0), true),
            (at(6, 12, 0), false),
            (at(7, 12, 0), true),
        ] {
            assert_eq!(office.hold(moment), holds, "{moment}");
        }
        assert_eq!(office.to_string(), "{ from = \"08:00\", to = \"18:00\", days = [\"mon\", \"fri\"] }");
    }

    #[test]
    fn a_day_ends_at_midnight_by_either_name() {
        let (end, begin) = (hours("08:00", "24:00", &["mon"]), hours("08:00", "00:00", &["mon"]));
        assert_eq!(end, begin);
        let evening = end.expect("hours");
        assert!(evening.hold(at(0, 23, 59)) && !evening.hold(at(1, 0, 0)));
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = hours("22:00", "06:00", &["fri"]).expect("hours");
        assert!(night.hold(at(4, 22, 0)) && night.hold(at(4, 23, 59)) && night.hold(at(5, 5, 59)));
        assert!(!night.hold(at(4, 5, 0)) && !night.hold(at(5, 6, 0)) && !night.hold(at(5, 22, 0)));
        let sunday = hours("23:00", "01:00", &["sun"]).expect("hours");
        assert!(sunday.hold(at(6, 23, 30)) && sunday.hold(at(7, 0, 30)) && !sunday.hold(at(0, 23, 30)));
        let all_day = hours("00:00", "24:00", &["sun"]).expect("hours");
        assert!(all_day.hold(at(6, 0, 0)) && all_day.hold(at(6, 23, 59)) && !all_day.hold(at(7, 0, 0)));
    }

    #[test]
    fn the_first_second_is_a_thursday() {
        assert!(hours("00:00", "24:00", &["thu"]).expect("hours").hold(0));
        assert!(!hours("00:00", "24:00", &["wed", "fri"]).expect("hours").hold(0));
        // The last second there is does not overflow.
        hours("00:00", "24:00", &[]).expect("hours").hold(u64::MAX);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (from, to) in [
            ("8:00", "18:00"),
            ("08:60", "18:00"),
            ("08:00", "24:01"),
            ("08", "18:00"),
            ("+8:00", "18:00"),
            ("08:00", "08:00"),
            ("24:00", "08:00"),
            ("", ""),
        ] {
            assert!(hours(from, to, &[]).is_err(), "{from} {to}");
        }
        assert!(hours("08:00", "18:00", &["monday"]).is_err());
        let none = HoursTable { from: "08:00".into(), to: "18:00".into(), days: Some(Vec::new()) };
        assert!(Hours::check(&none).is_err());
    }
}
