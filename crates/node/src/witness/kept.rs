//! What an agency remembers of the others, from its files: for exports, while its node runs or not.

use std::io::{self, Read};
use std::path::Path;

use almoner_federation::Name;

use super::memory::{MAX_NOTE_BYTES, file_of, fork_of};
use crate::{NodeConfig, NodeError};

/// What is kept of one other agency's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Whose ledger.
    pub agency: Name,
    /// The newest checkpoint that was cosigned, as a signed note.
    pub note: Option<String>,
    /// Where the agency showed two histories, the note that was remembered and the first that contradicts it.
    pub fork: Option<[String; 2]>,
}

/// What the agency of `config` remembers of every other agency of the manifest, in the order of node numbers.
///
/// # Errors
/// [`NodeError::Memory`] naming a file that cannot be read or holds something else.
pub fn remembered(config: &NodeConfig) -> Result<Vec<Remembered>, NodeError> {
    let folder = config.state.join("witness");
    let others = config.manifest.agencies.iter().filter(|other| other.name != config.agency);
    let of = |agency: &Name| {
        let at = |name: String| {
            let path = folder.join(name);
            let text = text(&path).map_err(|source| NodeError::Memory { path: path.clone(), source })?;
            Ok::<_, NodeError>((path, text))
        };
        let (_, note) = at(file_of(agency))?;
        let (path, both) = at(fork_of(agency))?;
        let halves = |both: String| {
            let source = io::Error::other("it does not hold two notes");
            two_notes(&both).ok_or(NodeError::Memory { path, source })
        };
        Ok(Remembered { agency: agency.clone(), note, fork: both.map(halves).transpose()? })
    };
    others.map(|other| of(&other.name)).collect()
}

/// The file's text, if it is there; at most two notes.
fn text(path: &Path) -> io::Result<Option<String>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let most = 2 * MAX_NOTE_BYTES as u64 + 1;
    let mut text = String::new();
    file.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        Err(io::Error::other("it is longer than two notes"))
    } else {
        Ok(Some(text))
    }
}

/// The note that was remembered and the one that contradicts it: each is a text, a blank line and its signatures.
fn two_notes(both: &str) -> Option<[String; 2]> {
    let parts: Vec<&str> = both.split("\n\n").collect();
    let [first, by_first, second, by_second] = parts[..] else { return None };
    Some([format!("{first}\n\n{by_first}\n"), format!("{second}\n\n{by_second}")])
}
