//! Positions in a log that somebody was shown, each with who was.

use std::fmt;

use almoner_federation::Digest;

/// Who was shown a position. Hundreds of thousands may be kept at a time, so that those of releases are only numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum By {
    /// In words.
    Said(Box<str>),
    /// Whoever has the release of this entry of the registry, by a participant's READY.
    Ready(u64),
    /// By its receipt.
    Receipt(u64),
    /// By its checkpoint.
    Checkpoint(u64),
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By::Said(text) => f.write_str(text),
            By::Ready(number) => write!(f, "the READY in release {number}"),
            By::Receipt(number) => write!(f, "the receipt in release {number}"),
            By::Checkpoint(number) => write!(f, "the checkpoint in release {number}"),
        }
    }
}

/// A signed position: so many entries lead to this root. Takes 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) size: u64,
    pub(crate) root: Digest,
    pub(crate) by: By,
}

/// The different positions that a log has signed, by size and root.
#[derive(Debug, Default)]
pub(crate) struct Shown(Vec<Seen>);

impl Shown {
    /// Keeps the first of those that are of one size and one root.
    pub(crate) fn of(mut all: Vec<Seen>) -> Self {
        // Stable: who was named first stays first.
        all.sort_by_key(|seen| (seen.size, seen.root));
        all.dedup_by_key(|seen| (seen.size, seen.root));
        Shown(all)
    }

    /// What was shown as the tree of this many entries.
    pub(crate) fn at(&self, size: u64) -> &[Seen] {
        let from = self.0.partition_point(|seen| seen.size < size);
        let upto = from + self.0[from..].partition_point(|seen| seen.size == size);
        &self.0[from..upto]
    }

    /// One of those with the most entries.
    pub(crate) fn largest(&self) -> Option<&Seen> {
        self.0.last()
    }

    /// How many different positions.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_name_a_position_stands_for_all_who_name_it() {
        let seen = |size, root: &str, number| Seen {
            size,
            root: Digest::of(root.as_bytes()),
            by: By::Ready(number),
        };
        let shown = Shown::of(vec![
            seen(7, "b", 1),
            seen(3, "a", 2),
            seen(7, "c", 3),
            seen(7, "b", 4),
            seen(3, "a", 5),
            seen(9, "d", 6),
            seen(7, "c", 7),
            seen(9, "d", 8),
        ]);
        let mut two = [seen(7, "b", 1), seen(7, "c", 3)];
        two.sort_by_key(|seen| seen.root);
        assert_eq!(shown.len(), 4);
        assert_eq!(shown.at(3), [seen(3, "a", 2)]);
        assert_eq!(shown.at(7), two);
        assert_eq!(shown.at(8), []);
        assert_eq!(shown.largest(), Some(&seen(9, "d", 6)));
        assert!(Shown::default().largest().is_none() && Shown::default().at(0).is_empty());
    }
}
