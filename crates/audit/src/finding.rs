//! What an audit found wrong, and what it could not look at.

use std::fmt;

use almoner_federation::Digest;
use serde::Serialize;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal;)+) => {
        /// What kind of finding it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)+
        }

        impl Code {
            /// Every kind there is.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)+];

            /// Its word in reports.
            pub fn word(self) -> &'static str {
                match self { $(Code::$variant => $word,)+ }
            }
        }
    };
}

codes! {
    /// A checkpoint is missing, malformed or not signed by its log.
    Unsigned = "log-unsigned";
    /// Entries are missing that the checkpoint counts.
    Missing = "log-missing";
    /// The entries are not those under the checkpoint's root.
    Root = "log-root";
    /// The log signed a tree, or a position in it, that its entries do not lead to: a second history.
    Fork = "log-fork";
    /// The log signed a tree with more entries than it shows now.
    Rollback = "log-rollback";
    /// An entry is no entry.
    Entry = "entry-malformed";
    /// An entry may not follow the entries before it: sums, limits, steps, signatures.
    Books = "entry-books";
    /// A policy is not within the manifest, names other keys, or has rules that cannot be read.
    Policy = "policy";
    /// A charge is not the price that follows from question and manifest.
    Price = "price";
    /// A charge counts for other territories than the question touches.
    Territories = "territories";
    /// The ledger keeps another question under a hash than the one that was signed.
    Question = "question";
    /// A release used a participant's answer that its ledger never charged.
    Unlogged = "unlogged-release";
    /// A receipt or READY names a position at which its ledger has another entry.
    Order = "order";
    /// One attempt at one question was charged under two contexts.
    TwoContexts = "two-contexts";
    /// A node charged a round that the registry does not know.
    Omitted = "omitted-round";
    /// A release is missing from the registry, or its evidence is not what the registry says.
    Evidence = "evidence";
    /// A release does not prove itself.
    Release = "release";
    /// The masked vectors do not add up to the published total.
    Sum = "sum";
    /// A participant's masked vector is not uniform, so that it was not masked.
    Uniform = "not-uniform";
    /// A release does not meet what a participant's policy asks of every release.
    Rules = "rules";
    /// A node reserved a question that its own rules refuse.
    Refused = "refused-question";
    /// A node reserved a question that its own rules leave to its officer, and not with her approval of that question.
    Approval = "approval";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Finding {
    /// What kind.
    pub code: Code,
    /// In which log: an agency's name, or `registry`.
    pub log: String,
    /// At which entry, counted from 0.
    pub entry: Option<u64>,
    /// About which question.
    pub question: Option<Digest>,
    /// What is wrong, in words.
    pub text: String,
}

impl Finding {
    /// A finding about a whole log.
    pub fn new(code: Code, log: &str, text: impl Into<String>) -> Self {
        Finding { code, log: log.to_owned(), entry: None, question: None, text: text.into() }
    }

    /// At this entry.
    pub fn at(self, entry: u64) -> Self {
        Finding { entry: Some(entry), ..self }
    }

    /// About this question.
    pub fn about(self, question: Digest) -> Self {
        Finding { question: Some(question), ..self }
    }
}

/// Of a log that cannot be believed from entry `from` on, what is found from there on may all have that one cause: the first
/// such finding stands for the others.
pub(crate) fn doubted(found: Vec<Finding>, from: Option<u64>) -> Vec<Finding> {
    let Some(from) = from else { return found };
    let (mut kept, later): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|finding| finding.entry.is_some_and(|entry| entry < from));
    let more = later.len().saturating_sub(1);
    kept.extend(later.into_iter().take(1).map(|mut first| {
        if more > 0 {
            first.text +=
                &format!("; {more} further findings may have the same cause as that in entry {from}");
        }
        first
    }));
    kept
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.log)?;
        if let Some(entry) = self.entry {
            write!(f, ", entry {entry}")?;
        }
        if let Some(question) = &self.question {
            write!(f, ", question {question}")?;
        }
        write!(f, ": {}", self.text)
    }
}
