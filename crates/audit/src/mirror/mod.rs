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
use std::io;
use std::path::{Path, PathBuf};

use almoner_federation::{Digest, Manifest, Name, Reader, Signature, lp};

pub use log::{LogFolder, ReadEntry};
pub use write::LogWriter;

/// Longest file that is read whole: a release's evidence.
const MAX_FILE_BYTES: u64 = 1 << 28;

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
        read_bounded(&self.release_path(number))
    }

    /// Keeps a release's evidence.
    pub fn keep_release(&self, number: u64, evidence: &[u8]) -> io::Result<()> {
        write::replace(&self.release_path(number), evidence)
    }

    fn release_path(&self, number: u64) -> PathBuf {
        // A thousand to a folder, so that no folder grows without bound.
        self.root.join("registry/releases").join(format!("{:05}", number / 1000)).join(format!("{number}.pb"))
    }

    /// Every note that was ever seen of the log `name` (`nodes/<agency>` or `registry`), with where it is kept.
    pub fn seen(&self, name: &str) -> io::Result<Vec<(String, String)>> {
        let folder = self.root.join("seen").join(name);
        let read = |path: PathBuf| Ok((format!("{}", path.display()), std::fs::read_to_string(&path)?));
        files(&folder)?.into_iter().take(MAX_SEEN).map(read).collect()
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
        let path = self.root.join("nodes").join(agency.as_str()).join("questions");
        let Some(bytes) = read_bounded(&path)? else { return Ok(Vec::new()) };
        let malformed = || {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: not a list of questions", path.display()))
        };
        let mut reader = Reader::plain(&bytes);
        let mut questions = Vec::new();
        while !reader.is_empty() {
            let body = reader.bytes().map_err(|_| malformed())?.to_vec();
            let signature = Signature(reader.array().map_err(|_| malformed())?);
            questions.push(AskedQuestion { body, signature });
        }
        Ok(questions)
    }

    /// Writes the questions of an agency's ledger.
    pub fn keep_questions(&self, agency: &Name, questions: &[AskedQuestion]) -> io::Result<()> {
        let bytes: Vec<u8> =
            questions.iter().flat_map(|asked| lp(&[&asked.body, &asked.signature.0])).collect();
        write::replace(&self.root.join("nodes").join(agency.as_str()).join("questions"), &bytes)
    }

    /// The newest note of the ledger of `of` that an agency remembers, if it does.
    pub fn remembered(&self, agency: &Name, of: &Name) -> io::Result<Option<String>> {
        let note = read_bounded(&self.remembered_path(agency, of))?;
        let text = |bytes| {
            String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        };
        note.map(text).transpose()
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

/// A whole file, if it is there.
fn read_bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(about) if about.len() > MAX_FILE_BYTES => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} is longer than 256 MiB", path.display()),
        )),
        Ok(_) => std::fs::read(path).map(Some),
    }
}
