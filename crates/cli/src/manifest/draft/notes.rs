//! What the draft says to people, as comments: names that somebody else chose, made harmless, and not too many.

use std::fmt::Write;

/// Most notes of one kind; the rest are counted.
const MAX_NOTES: usize = 20;
/// Most characters of a name that are shown.
const MAX_SHOWN: usize = 60;

/// Remarks on things that the draft leaves out.
#[derive(Default)]
pub(super) struct Notes {
    lines: Vec<String>,
    more: usize,
}

impl Notes {
    /// Adds a remark of one line, in which every foreign name is [`shown`].
    pub(super) fn add(&mut self, line: String) {
        match self.lines.len() < MAX_NOTES {
            true => self.lines.push(line),
            false => self.more += 1,
        }
    }

    /// The remarks as comments, a line each.
    pub(super) fn comments(&self, what: &str) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let _ = writeln!(text, "# {what}: {line}");
        }
        if self.more > 0 {
            let _ = writeln!(text, "# {what}: {} more", self.more);
        }
        text
    }
}

/// A foreign name within quotes, with everything escaped that could end a comment or mislead its reader.
pub(super) fn shown(name: &str) -> String {
    let short: String = name.chars().take(MAX_SHOWN).collect();
    let rest = if short.len() < name.len() { "..." } else { "" };
    format!("{short:?}{rest}")
}
