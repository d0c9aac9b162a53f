//! A ledger as the files of a mirror.

use std::path::{Path, PathBuf};

use almoner_audit::{AskedQuestion, LogFolder, Mirror};
use almoner_coordinator::{CoordinatorConfig, registry_path};
use almoner_federation::checkpoint::{Checkpoint, UnverifiedCheckpoint};
use almoner_federation::{Digest, Manifest, Name, Role, SigningKey};
use almoner_ledger::{LedgerError, LedgerReader};
use almoner_node::{NodeConfig, ledger_path};

use crate::cli_error::CliError;

/// Entries between two writes, so that memory stays bounded.
const FLUSH: u64 = 4_096;

/// Why an export ended.
enum Ended {
    Ledger(LedgerError),
    Write(std::io::Error),
    /// The folder holds another history.
    Other(u64),
}

impl From<LedgerError> for Ended {
    fn from(error: LedgerError) -> Self {
        Ended::Ledger(error)
    }
}

impl From<std::io::Error> for Ended {
    fn from(error: std::io::Error) -> Self {
        Ended::Write(error)
    }
}

/// A log to export.
struct Log<'a> {
    manifest: &'a Manifest,
    manifest_file: &'a Path,
    file: PathBuf,
    party: (Role, &'a Name),
    key: SigningKey,
    /// Its folder in the mirror.
    folder: LogFolder,
    name: String,
}

/// An agency's ledger with its questions.
pub(super) fn node(config: &NodeConfig, out: &Path) -> Result<(), CliError> {
    let mirror = Mirror::new(out);
    let log = Log {
        manifest: &config.manifest,
        manifest_file: &config.manifest_file,
        file: ledger_path(config),
        party: (Role::Agency, &config.agency),
        key: almoner_node::signing_key(config)?,
        folder: mirror.node(&config.agency),
        name: format!("nodes/{}", config.agency),
    };
    export(&mirror, log, |reader| {
        let mut questions = Vec::new();
        reader.questions(|asked| {
            questions.push(AskedQuestion { body: asked.body, signature: asked.signature });
            Ok::<_, Ended>(())
        })?;
        Ok(mirror.keep_questions(&config.agency, &questions)?)
    })
}

/// The registry with its releases.
pub(super) fn registry(config: &CoordinatorConfig, out: &Path) -> Result<(), CliError> {
    let mirror = Mirror::new(out);
    let log = Log {
        manifest: &config.manifest,
        manifest_file: &config.manifest_file,
        file: registry_path(config),
        party: (Role::Coordinator, &config.manifest.coordinator.name),
        key: almoner_coordinator::signing_key(config)?,
        folder: mirror.registry(),
        name: "registry".into(),
    };
    export(&mirror, log, |reader| {
        reader.releases(|number, evidence| Ok(mirror.keep_release(number, evidence)?))
    })
}

fn export(
    mirror: &Mirror,
    log: Log<'_>,
    more: impl FnOnce(&LedgerReader) -> Result<(), Ended>,
) -> Result<(), CliError> {
    let out = mirror.root();
    let failed = |source| CliError::Write { path: out.to_owned(), source };
    let text = std::fs::read_to_string(log.manifest_file)
        .map_err(|source| CliError::Read { path: log.manifest_file.to_owned(), source })?;
    mirror.keep_manifest(&text).map_err(failed)?;
    let reader = LedgerReader::open(&log.file)?;
    let written = write(&log.folder, &reader).and_then(|position| more(&reader).map(|()| position));
    let (size, root) = written.map_err(|ended| match ended {
        Ended::Ledger(error) => error.into(),
        Ended::Write(source) => failed(source),
        Ended::Other(size) => CliError::Usage {
            message: format!("{} holds another history of this log, of {size} entries", out.display()),
            remedy: "keep that folder as evidence, find out how it came about, and export into a new one",
        },
    })?;
    let (role, name) = log.party;
    let origin = log.manifest.identity(role, name).key_name();
    let signed = Checkpoint { origin, size, root }.sign(&log.key).map_err(|error| CliError::Usage {
        message: error.to_string(),
        remedy: "give the party a shorter name",
    })?;
    mirror.keep_seen(&log.name, size, &root, &signed.to_string()).map_err(failed)?;
    log.folder.keep_checkpoint(&signed.to_string()).map_err(failed)?;
    println!("Exported {size} entries with root {root} to {}.", out.display());
    Ok(())
}

fn write(folder: &LogFolder, reader: &LedgerReader) -> Result<(u64, Digest), Ended> {
    let before = folder.checkpoint()?.and_then(|note| UnverifiedCheckpoint::parse(&note).ok());
    let size = before.map_or(0, |note| note.claimed().size);
    let mut writer = folder.writer(size)?;
    let exported = writer.position();
    let end = reader.replay(|number, bytes, root| {
        if number < size {
            let other = number + 1 == size && root != exported.1;
            return if other { Err(Ended::Other(size)) } else { Ok(()) };
        }
        writer.push(bytes);
        if number % FLUSH == 0 { Ok(writer.flush()?) } else { Ok(()) }
    })?;
    writer.flush()?;
    if writer.position() == (end.size, end.root) { Ok(writer.position()) } else { Err(Ended::Other(size)) }
}
