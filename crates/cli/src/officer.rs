//! `almoner node queue`, `approve` and `deny`: the data officer's say in single questions, whether or not the node
//! runs.

use std::path::PathBuf;

use almoner_federation::{Digest, PicoRho};
use almoner_node::{Clock, NodeConfig, SystemClock, officer_key, queue_path};
use almoner_policy::{Decided, Listing, MAX_REASON_BYTES, Office, Queue, Waiting};
use almoner_privacy::epsilon;
use almoner_query::{Spec, plan};
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{Table, presets};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli_error::CliError;
use crate::output;

#[derive(Subcommand)]
pub(crate) enum OfficerCommand {
    /// List the questions that wait for the data officer, and the decisions of the last 60 days.
    Queue {
        /// The agency's node.toml.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// How to print them.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Let a question be answered, once.
    Approve {
        #[command(flatten)]
        about: About,
        /// How long the approval holds.
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=30))]
        days: u64,
    },
    /// Refuse a question for a while.
    Deny {
        #[command(flatten)]
        about: About,
        /// How long it is refused; asked again after that, it waits again.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=30))]
        days: u64,
        /// A note for yourself; it stays on this machine.
        #[arg(long, default_value = "", value_parser = reason)]
        reason: String,
    },
}

#[derive(Args)]
pub(crate) struct About {
    /// The question: the first digits of its number in `almoner node queue`, at least 4.
    question: String,
    /// The agency's node.toml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The data officer's key [default: officer.key among the node's keys].
    #[arg(long, value_name = "FILE")]
    officer: Option<PathBuf>,
}

/// How a queue is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For reading.
    Table,
    /// Everything, for programs.
    Json,
}

fn reason(text: &str) -> Result<String, String> {
    if text.len() > MAX_REASON_BYTES || text.chars().any(char::is_control) {
        return Err(format!("a reason is one line of at most {MAX_REASON_BYTES} bytes"));
    }
    Ok(text.to_owned())
}

impl OfficerCommand {
    pub(crate) fn run(self) -> Result<(), CliError> {
        match self {
            OfficerCommand::Queue { config, format } => {
                let desk = Desk::open(&config)?;
                let listing = desk.list()?;
                match format {
                    Format::Table => output::print(&desk.table(&listing)),
                    Format::Json => output::print(&format!("{:#}\n", desk.json(&listing))),
                }
            }
            OfficerCommand::Approve { about, days } => about.decide(true, days, ""),
            OfficerCommand::Deny { about, days, reason } => about.decide(false, days, &reason),
        }
    }
}

impl About {
    fn decide(self, approved: bool, days: u64, reason: &str) -> Result<(), CliError> {
        let desk = Desk::open(&self.config)?;
        let listing = desk.list()?;
        let (question, spec) = find(&self.question, &listing)?;
        let file = self.officer.unwrap_or_else(|| desk.config.keys.join("officer.key"));
        let officer = officer_key(&desk.config, &file)?;
        let now_s = SystemClock.now_s();
        let decided = desk.office.decide(question, approved, now_s, days).sign(&officer);
        desk.queue.decide(&decided, reason, &desk.office, now_s)?;
        let until = time_of(decided.approval.until_s);
        let what = match approved {
            true => format!("Approved until {until}, for one release:"),
            false => format!("Denied until {until}:"),
        };
        output::print(&format!("{what}\n{}\n", desk.lines(&question, spec).join("\n")))
    }
}

/// The one question that begins with these digits.
fn find<'a>(prefix: &str, listing: &'a Listing) -> Result<(Digest, &'a Spec), CliError> {
    let usage = |message: String, remedy| Err(CliError::Usage { message, remedy });
    let digits = prefix.to_ascii_lowercase();
    if digits.len() < 4 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = format!("{:?} names no question", shown(prefix));
        return usage(message, "give at least 4 hexadecimal digits from `almoner node queue`");
    }
    let waiting = listing.waiting.iter().map(|one| (one.question, &one.spec));
    let decided = listing.decided.iter().map(|one| (one.decision.question, &one.spec));
    let mut found: Vec<(Digest, &Spec)> =
        waiting.chain(decided).filter(|(question, _)| question.to_string().starts_with(&digits)).collect();
    found.sort_by_key(|(question, _)| *question);
    found.dedup_by_key(|(question, _)| *question);
    match found.as_slice() {
        [one] => Ok(*one),
        [] => usage(format!("no question begins with {digits}"), "see `almoner node queue`"),
        many => usage(format!("{} questions begin with {digits}", many.len()), "give more digits"),
    }
}

/// The queue of one agency.
struct Desk {
    config: NodeConfig,
    office: Office,
    queue: Queue,
}

impl Desk {
    fn open(config: &std::path::Path) -> Result<Desk, CliError> {
        let config = NodeConfig::read(config)?;
        let office = Office::of(&config.manifest, &config.agency).expect("NodeConfig::read found the agency");
        let queue = Queue::open(&queue_path(&config))?;
        Ok(Desk { config, office, queue })
    }

    fn list(&self) -> Result<Listing, CliError> {
        Ok(self.queue.list(&self.config.manifest, &self.office, SystemClock.now_s())?)
    }

    /// The price by this program's own plan; the limit where it can no longer be planned.
    fn price(&self, spec: &Spec) -> PicoRho {
        plan(&self.config.manifest, &spec.sql, spec.rho).map_or(spec.rho, |plan| plan.price())
    }

    /// What a question is, line by line.
    fn lines(&self, question: &Digest, spec: &Spec) -> [String; 4] {
        let price = self.price(spec);
        let epsilon = epsilon(price, self.config.manifest.policy.delta);
        let purpose = if spec.purpose.is_empty() { "(none stated)".into() } else { shown(&spec.purpose) };
        [
            format!("question  {question}"),
            format!("planner   {}, for rho {price} (epsilon {epsilon:.3})", spec.planner),
            format!("purpose   {purpose}"),
            format!("SQL       {}", shown(&spec.sql)),
        ]
    }

    fn table(&self, listing: &Listing) -> String {
        let now_s = SystemClock.now_s();
        let mut text = String::new();
        if listing.waiting.is_empty() {
            text.push_str("No question waits.\n");
        }
        for Waiting { question, spec, first_seen_s, last_seen_s, asked } in &listing.waiting {
            text.push_str(&self.lines(question, spec).join("\n"));
            let (first, last) = (age(now_s, *first_seen_s), age(now_s, *last_seen_s));
            text.push_str(&format!("\nasked     {asked} times, first {first} ago, last {last} ago\n\n"));
        }
        if !listing.decided.is_empty() {
            let mut table = Table::new();
            table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
            table.set_header(["decided", "question", "planner", "decision", "SQL", "reason"]);
            for one in &listing.decided {
                table.add_row([
                    time_of(one.decision.decided_at_s),
                    one.decision.question.to_string()[..12].to_owned(),
                    one.spec.planner.to_string(),
                    format!("{} until {}", state(one, now_s), time_of(one.decision.until_s)),
                    shown(&one.spec.sql),
                    shown(&one.reason),
                ]);
            }
            text.push_str(&format!("{table}\n"));
        }
        if listing.unproved > 0 {
            text.push_str(&format!(
                "{} entries are of another manifest or lack a signature that verifies, and are not shown\n",
                listing.unproved
            ));
        }
        text
    }

    fn json(&self, listing: &Listing) -> Value {
        let now_s = SystemClock.now_s();
        let about = |question: &Digest, spec: &Spec| {
            let price = self.price(spec);
            json!({
                "question": question.to_string(),
                "planner": spec.planner.as_str(),
                "sql": spec.sql,
                "purpose": spec.purpose,
                "rho": price.to_string(),
                "epsilon": epsilon(price, self.config.manifest.policy.delta),
            })
        };
        let waiting = listing.waiting.iter().map(|one| {
            let mut value = about(&one.question, &one.spec);
            value["asked"] = one.asked.into();
            value["first_seen_s"] = one.first_seen_s.into();
            value["last_seen_s"] = one.last_seen_s.into();
            value
        });
        let decided = listing.decided.iter().map(|one| {
            let mut value = about(&one.decision.question, &one.spec);
            value["state"] = state(one, now_s).into();
            value["decided_at_s"] = one.decision.decided_at_s.into();
            value["until_s"] = one.decision.until_s.into();
            value["reason"] = one.reason.clone().into();
            value
        });
        json!({
            "agency": self.config.agency.as_str(),
            "waiting": waiting.collect::<Vec<_>>(),
            "decided": decided.collect::<Vec<_>>(),
            "unproved": listing.unproved,
        })
    }
}

/// How a decision stands, as far as the queue tells.
fn state(one: &Decided, now_s: u64) -> &'static str {
    match (one.decision.approved, one.decision.until_s <= now_s, one.given) {
        (true, _, true) => "approved and given to an attempt",
        (true, true, false) => "approved, over",
        (true, false, false) => "approved",
        (false, true, _) => "denied, over",
        (false, false, _) => "denied",
    }
}

/// A stranger's text as a terminal may show it: what would move its cursor, or the reader's eye, is spelt out.
fn shown(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}');
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() || turns(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// A moment, in seconds since 1970, in UTC.
fn time_of(at_s: u64) -> String {
    let moment = i64::try_from(at_s).ok().and_then(|at_s| OffsetDateTime::from_unix_timestamp(at_s).ok());
    moment.and_then(|moment| moment.format(&Rfc3339).ok()).unwrap_or_else(|| format!("second {at_s}"))
}

/// How long ago, in the largest whole unit.
fn age(now_s: u64, then_s: u64) -> String {
    let s = now_s.saturating_sub(then_s);
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{} min", s / 60),
        3_600..86_400 => format!("{} h", s / 3_600),
        _ => format!("{} days", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(question: [u8; 32]) -> Waiting {
        let spec = Spec {
            federation: "tests".parse().expect("a name"),
            manifest_hash: Digest([0; 32]),
            query_id: almoner_federation::QueryId([0; 16]),
            planner: "ministry".parse().expect("a name"),
            sql: "SELECT COUNT(*) FROM persons".into(),
            rho: PicoRho::new(1),
            plan_hash: Digest([0; 32]),
            purpose: String::new(),
            issued_at_s: 0,
        };
        Waiting { question: Digest(question), spec, first_seen_s: 0, last_seen_s: 0, asked: 1 }
    }

    #[test]
    fn a_question_is_found_by_digits_that_are_its_own() {
        let mut other = [0xab; 32];
        other[2] = 0xcd;
        let listing = Listing { waiting: vec![waiting([0xab; 32]), waiting(other)], ..Listing::default() };
        assert_eq!(find("ABABAB", &listing).expect("one").0, Digest([0xab; 32]));
        assert_eq!(find("ababcd", &listing).expect("one").0, Digest(other));
        for wrong in ["abab", "aba", "", "ababef", "ab%b", "\u{1b}[2J"] {
            assert!(find(wrong, &listing).is_err(), "{wrong:?}");
        }
        let twice = Listing { waiting: vec![waiting(other), waiting(other)], ..Listing::default() };
        assert!(find("ababcd", &twice).is_ok(), "one question in two places is one");
    }

    #[test]
    fn a_planner_s_text_moves_no_cursor() {
        assert_eq!(shown("a\u{1b}[2J\nb\u{202e}c\u{200b}"), "a\\u{1b}[2J\\u{a}b\\u{202e}c\\u{200b}");
        assert_eq!(shown("扶贫 'é' \"x\" \\"), "扶贫 'é' \"x\" \\");
    }

    #[test]
    fn ages_and_moments_are_read_at_a_glance() {
        assert_eq!([0, 59, 60, 7_200, 200_000].map(|s| age(s, 0)), ["0 s", "59 s", "1 min", "2 h", "2 days"]);
        assert_eq!(age(5, 10), "0 s");
        assert_eq!(time_of(0), "1970-01-01T00:00:00Z");
        assert_eq!(time_of(u64::MAX), format!("second {}", u64::MAX));
    }
}
