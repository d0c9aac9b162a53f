//! A folder that holds everything an audit looks at: what online audits fetch and offline ones read.
//!
//! ```text
//! manifests/<SHA-256>.toml
//! nodes/<agency>/checkpoint              the newest signed note
//! nodes/<agency>/tile/...                C2SP tlog-tiles, which other log tools read, too
//! nodes/<agency>/questions               LP(body, signature) one after another
//! nodes/<agency>/remembered/<agency>     the newest note of another agency's ledger that this one cosigned
//! registry/checkpoint, registry/tile/... the coordinator's log
//! registry/releases/<entry>.pb           almoner.v1.Evidence
//! seen/<log>/<size>-<root>               every note that was ever fetched
//! ```

mod log;
mod write;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use almoner_federation::note::MAX_NOTE_BYTES;
use almoner_federation::{Digest, Manifest, Name, Reader, Signature, lp};

pub use log::{LogFolder, ReadEntry};
pub use write::LogWriter;

/// Longest file that is read whole: a release's evidence.
const MAX_FILE_BYTES: u64 = 1 << 28;

/// Longest question, and longest signature, of a list of questions.
const MAX_QUESTION_BYTES: u32 = 1 << 20;

/// Most notes that are remembered of one log.
const MAX_SEEN: usize = 100_000;

/// The folder.
#[derive(Debug, Clone)]
pub struct Mirror {
    root: PathBuf,
}

/// A planner's signed question: its canonical bytes and her signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedQuestion {
    /// Canonical bytes.
    pub body: Vec<u8>,
    /// Over them.
    pub signature: Signature,
}

impl Mirror {
    /// The mirror in `root`, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Mirror { root: root.into() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of an agency's ledger.
    pub fn node(&self, agency: &Name) -> LogFolder {
        LogFolder::new(self.root.join("nodes").join(agency.as_str()))
    }

    /// The folder of the coordinator's registry.
    pub fn registry(&self) -> LogFolder {
        LogFolder::new(self.root.join("registry"))
    }

    /// Every manifest in it, by its hash; files that are none are named in the second part.
    pub fn manifests(&self) -> io::Result<(BTreeMap<Digest, Manifest>, Vec<String>)> {
        let (mut manifests, mut refused) = (BTreeMap::new(), Vec::new());
        for path in files(&self.root.join("manifests"))? {
            let text = std::fs::read_to_string(&path)?;
            match Manifest::parse(&text, &path.display().to_string()) {
                Ok(manifest) => drop(manifests.insert(manifest.hash(), manifest)),
                Err(error) => refused.push(error.to_string()),
            }
        }
        Ok((manifests, refused))
    }

    /// Keeps a manifest.
    pub fn keep_manifest(&self, text: &str) -> io::Result<()> {
        let name = format!("{}.toml", Digest::of(text.as_bytes()));
        write::replace(&self.root.join("manifests").join(name), text.as_bytes())
    }

    /// The evidence of the release that the registry's entry `number` published, if it is here.
    pub fn release(&self, number: u64) -> io::Result<Option<Vec<u8>>> {
        read_bounded(&self.release_path(number), MAX_FILE_BYTES)
    }

    /// Keeps a release's evidence.
    pub fn keep_release(&self, number: u64, evidence: &[u8]) -> io::Result<()> {
        write::replace(&self.release_path(number), evidence)
    }

    fn release_path(&self, number: u64) -> PathBuf {
        // A thousand to a folder, so that no folder grows without bound.
        self.root.join("registry/releases").join(format!("{:05}", number / 1000)).join(format!("{number}.pb"))
    }

    /// Every note that was ever seen of the log `name` (`nodes/<agency>` or `registry`), with where it is kept. Files that are
    /// no notes are left out.
    pub fn seen(&self, name: &str) -> io::Result<Vec<(String, String)>> {
        let folder = self.root.join("seen").join(name);
        let mut notes = Vec::new();
        for path in files(&folder)?.into_iter().take(MAX_SEEN) {
            if let Some(note) = readable(note(&path))? {
                notes.push((path.display().to_string(), note));
            }
        }
        Ok(notes)
    }

    /// Remembers a note of that log for ever.
    pub fn keep_seen(&self, name: &str, size: u64, root: &Digest, note: &str) -> io::Result<()> {
        let file = format!("{size:012}-{}", &root.to_string()[..16]);
        write::replace(&self.root.join("seen").join(name).join(file), note.as_bytes())
    }

    /// The questions that an agency's ledger keeps.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] when the file is something else.
    pub fn questions(&self, agency: &Name) -> io::Result<Vec<AskedQuestion>> {
        let mut questions = Vec::new();
        self.each_question(agency, |asked| questions.push(asked))?;
        Ok(questions)
    }

    /// Gives the questions that an agency's ledger keeps to `each`, one at a time, none of which is longer than 1 MiB.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] from where on the file is something else.
    pub fn each_question(&self, agency: &Name, mut each: impl FnMut(AskedQuestion)) -> io::Result<()> {
        let path = self.node(agency).root().join("questions");
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => BufReader::new(file?),
        };
        let malformed = || {
            let text = format!("{}: not a list of questions", path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let mut both = Vec::new();
        while !file.fill_buf()?.is_empty() {
            both.clear();
            item(&mut file, &mut both)?.ok_or_else(malformed)?;
            item(&mut file, &mut both)?.ok_or_else(malformed)?;
            let mut reader = Reader::plain(&both);
            let body = reader.bytes().map_err(|_| malformed())?.to_vec();
            let signature = Signature(reader.array().map_err(|_| malformed())?);
            each(AskedQuestion { body, signature });
        }
        Ok(())
    }

    /// Writes the questions of an agency's ledger.
    pub fn keep_questions(&self, agency: &Name, questions: &[AskedQuestion]) -> io::Result<()> {
        let bytes: Vec<u8> =
            questions.iter().flat_map(|asked| lp(&[&asked.body, &asked.signature.0])).collect();
        write::replace(&self.root.join("nodes").join(agency.as_str()).join("questions"), &bytes)
    }

    /// The newest note of the ledger of `of` that an agency remembers, if it does.
    pub fn remembered(&self, agency: &Name, of: &Name) -> io::Result<Option<String>> {
        note(&self.remembered_path(agency, of))
    }

    fn remembered_path(&self, agency: &Name, of: &Name) -> PathBuf {
        self.root.join("nodes").join(agency.as_str()).join("remembered").join(of.as_str())
    }

    /// Keeps what an agency remembers of another's ledger.
    pub fn keep_remembered(&self, agency: &Name, of: &Name, note: &str) -> io::Result<()> {
        write::replace(&self.remembered_path(agency, of), note.as_bytes())
    }
}

/// The plain files of a folder in the order of their names; none where there is no folder.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Appends the next length-prefixed item to `into`, with its length; `None` when there is none, or none so short.
fn item(file: &mut impl Read, into: &mut Vec<u8>) -> io::Result<Option<()>> {
    let before = into.len();
    if file.by_ref().take(4).read_to_end(into)? < 4 {
        return Ok(None);
    }
    let length = into[before..].try_into().map(u32::from_be_bytes).expect("four bytes were read");
    if length > MAX_QUESTION_BYTES {
        return Ok(None);
    }
    let read = file.by_ref().take(length.into()).read_to_end(into)?;
    Ok((read == length as usize).then_some(()))
}

/// A whole file of at most `max` bytes, if it is there.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] when it is longer.
fn read_bounded(path: &Path, max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    // Its length may change while it is read.
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        let text = format!("{} is longer than {max} bytes", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(Some(bytes))
}

/// A note, if it is there.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] when it is too long for one, or no text.
fn note(path: &Path) -> io::Result<Option<String>> {
    let text = |bytes| {
        String::from_utf8(bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{} is no text", path.display())))
    };
    read_bounded(path, MAX_NOTE_BYTES as u64)?.map(text).transpose()
}

/// Nothing for what is there and cannot be what it should be.
pub(crate) fn readable<T>(read: io::Result<Option<T>>) -> io::Result<Option<T>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        read => read,
    }
}
