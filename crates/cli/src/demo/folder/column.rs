//! What a column's values look like, and the declaration that covers them.

use std::collections::BTreeSet;

use almoner_federation::{parse_date, show_date};

/// Most values of a drafted domain.
const MAX_DOMAIN: usize = 50;
/// The largest whole number a manifest takes: 2^53.
const LIMIT: f64 = 9_007_199_254_740_992.0;
/// Most steps of a drafted number's range, so that a sum's noise stays within 64 bits.
const MAX_STEPS: f64 = 1e8;
/// What exports write for a missing value.
const MISSING: [&str; 6] = ["na", "n/a", "nan", "null", "none", "-"];

/// A drafted column type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// With every value that was seen, when there are few.
    Text(Option<Vec<String>>),
    Integer {
        min: f64,
        max: f64,
    },
    Number {
        min: f64,
        max: f64,
        resolution: f64,
    },
    Boolean,
    /// Days since 1970-01-01.
    Date {
        min: i32,
        max: i32,
    },
}

/// What has been seen of a column so far.
pub(super) struct Facts {
    seen: bool,
    integers: bool,
    numbers: bool,
    booleans: bool,
    dates: bool,
    low: f64,
    high: f64,
    days: (i32, i32),
    texts: Option<BTreeSet<String>>,
}

impl Facts {
    pub(super) fn new() -> Self {
        Facts {
            seen: false,
            integers: true,
            numbers: true,
            booleans: true,
            dates: true,
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            days: (i32::MAX, i32::MIN),
            texts: Some(BTreeSet::new()),
        }
    }

    /// Takes one more field into account.
    pub(super) fn see(&mut self, field: &str) {
        let text = field.trim();
        if text.is_empty() || MISSING.iter().any(|missing| text.eq_ignore_ascii_case(missing)) {
            return;
        }
        self.seen = true;
        if self.numbers {
            match number(text) {
                Some(value) => {
                    self.low = self.low.min(value);
                    self.high = self.high.max(value);
                    self.integers &= value.fract() == 0.0 && !text.contains(['e', 'E']);
                }
                None => (self.numbers, self.integers) = (false, false),
            }
        }
        let word = |words: [&str; 6]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        self.booleans &= word(["true", "false", "t", "f", "yes", "no"]);
        if self.dates {
            match parse_date(text) {
                Some(day) => self.days = (self.days.0.min(day), self.days.1.max(day)),
                None => self.dates = false,
            }
        }
        if let Some(texts) = &mut self.texts
            && !texts.contains(field)
        {
            texts.insert(field.to_owned());
            if texts.len() > MAX_DOMAIN || field.len() > 200 || field.contains('\0') {
                self.texts = None;
            }
        }
    }

    /// The type that holds everything seen; `None` when nothing was.
    pub(super) fn kind(self) -> Option<Kind> {
        let (min, max) = (-round_up(-self.low), round_up(self.high));
        let (min, max) = (min.max(-LIMIT) + 0.0, max.min(LIMIT));
        if !self.seen {
            None
        } else if self.booleans {
            Some(Kind::Boolean)
        } else if self.integers {
            Some(Kind::Integer { min, max })
        } else if self.numbers {
            let finest = power_of_ten((max - min) / MAX_STEPS).max(0.01);
            Some(Kind::Number { min, max, resolution: finest })
        } else if self.dates {
            Some(Kind::Date { min: first_of_year(self.days.0), max: last_of_year(self.days.1) })
        } else {
            Some(Kind::Text(self.texts.map(|texts| texts.into_iter().collect())))
        }
    }
}

/// A finite number no larger than a manifest takes.
pub(super) fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.abs() <= LIMIT)
}

/// The smallest power of ten that is not below `value`; 0 when it is not positive.
pub(super) fn power_of_ten(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    // The logarithm of 1000 may come out a hair above 3.
    10_f64.powi((value.log10() - 1e-9).ceil() as i32)
}

/// 1, 2 or 5 times a power of ten, the smallest that is not below `value`; 0 when it is not positive.
pub(super) fn round_up(value: f64) -> f64 {
    let ten = power_of_ten(value);
    [ten / 5.0, ten / 2.0].into_iter().find(|bound| *bound >= value).unwrap_or(ten)
}

fn year(day: i32) -> String {
    show_date(day)[..4].to_owned()
}

fn first_of_year(day: i32) -> i32 {
    parse_date(&format!("{}-01-01", year(day))).unwrap_or(day)
}

fn last_of_year(day: i32) -> i32 {
    parse_date(&format!("{}-12-31", year(day))).unwrap_or(day)
}

impl Kind {
    /// The lines of the column's entry after its name.
    pub(super) fn declare(&self) -> String {
        match self {
            Kind::Text(None) => "type = \"text\"\n".into(),
            Kind::Text(Some(values)) => {
                let values: Vec<toml::Value> = values.iter().cloned().map(toml::Value::String).collect();
                format!("type = \"text\"\ndomain = {}\n", toml::Value::Array(values))
            }
            Kind::Integer { min, max } => format!("type = \"integer\"\nmin = {min}\nmax = {max}\n"),
            Kind::Number { min, max, resolution } => {
                format!("type = \"number\"\nmin = {min}\nmax = {max}\nresolution = {resolution}\n")
            }
            Kind::Boolean => "type = \"boolean\"\n".into(),
            Kind::Date { min, max } => {
                format!("type = \"date\"\nmin = \"{}\"\nmax = \"{}\"\n", show_date(*min), show_date(*max))
            }
        }
    }
}
