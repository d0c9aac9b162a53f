//! One finding for one cause that shows in several logs.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;

use almoner_federation::Digest;

use crate::finding::{Code, Finding};

/// Most further places that a finding names.
const MAX_PLACES: u64 = 20;

/// Makes one finding of what several logs show of one cause: a round that the registry does not know or knows under another
/// context shows in every participant's ledger. Of a registry that is `doubtful` all missing rounds have one cause.
pub(crate) fn together(findings: Vec<Finding>, doubtful: bool) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::new();
    let mut places: HashMap<(Code, Option<Digest>), (usize, u64)> = HashMap::new();
    for finding in findings {
        let cause = match finding.code {
            Code::Omitted if doubtful => None,
            Code::Omitted | Code::TwoContexts => finding.question,
            _ => {
                kept.push(finding);
                continue;
            }
        };
        match places.entry((finding.code, cause)) {
            MapEntry::Vacant(place) => {
                place.insert((kept.len(), 0));
                kept.push(finding);
            }
            MapEntry::Occupied(mut place) => {
                let (first, more) = place.get_mut();
                if (&kept[*first].log, kept[*first].entry) == (&finding.log, finding.entry) {
                    continue;
                }
                *more += 1;
                // The first few places are enough to look for the rest.
                if *more <= MAX_PLACES {
                    let entry = finding.entry.map_or(String::new(), |entry| format!(" entry {entry}"));
                    kept[*first].text += &format!("; so does {}{entry}", finding.log);
                }
            }
        }
    }
    for (first, more) in places.into_values().filter(|(_, more)| *more > MAX_PLACES) {
        kept[first].text += &format!("; and {} places more", more - MAX_PLACES);
    }
    kept
}
