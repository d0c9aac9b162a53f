//! A ledger as the files of a mirror, up to the checkpoint that its server signed last. Nothing is signed here: what
//! lies beyond that checkpoint has been promised to nobody, and a copy that was put back must not sign another history.

use std::path::{Path, PathBuf};

use almoner_audit::{AskedQuestion, LogFolder, Mirror};
use almoner_coordinator::{CoordinatorConfig, registry_path};
use almoner_federation::checkpoint::UnverifiedCheckpoint;
use almoner_ledger::{LedgerError, LedgerReader, Position, ShownNote};
use almoner_node::{NodeConfig, Remembered, ledger_path, remembered};

use crate::cli_error::CliError;

/// Entries between two writes, so that memory stays bounded.
const FLUSH: u64 = 4_096;

/// Why an export ended.
enum Ended {
    Ledger(LedgerError),
    Write(std::io::Error),
    /// The folder holds another history, or a longer one.
    Other(u64),
    /// The log does not begin with what was signed of it.
    Forgotten {
        signed: Position,
        found: Position,
    },
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
    manifest_file: &'a Path,
    file: PathBuf,
    /// What its server signed of it.
    checkpoint: PathBuf,
    server: &'static str,
    /// Its folder in the mirror.
    folder: LogFolder,
    name: String,
}

/// An agency's ledger with its questions, and what the agency remembers of the others.
pub(super) fn node(config: &NodeConfig, out: &Path) -> Result<(), CliError> {
    let mirror = Mirror::new(out);
    let log = Log {
        manifest_file: &config.manifest_file,
        file: ledger_path(config),
        checkpoint: almoner_node::checkpoint_path(config),
        server: "node",
        folder: mirror.node(&config.agency),
        name: format!("nodes/{}", config.agency),
    };
    // Before the ledger: what others remember of it is never more than they have signed by then.
    let others = remembered(config)?;
    export(&mirror, log, |reader, _| {
        let mut questions = Vec::new();
        reader.questions(|asked| {
            questions.push(AskedQuestion { body: asked.body, signature: asked.signature });
            Ok::<_, Ended>(())
        })?;
        Ok(mirror.keep_questions(&config.agency, &questions)?)
    })?;
    let kept = others.iter().try_for_each(|other| keep(&mirror, config, other));
    kept.map_err(|source| CliError::Write { path: out.to_owned(), source })?;
    let count = others.iter().filter(|other| other.note.is_some()).count();
    println!("With what it remembers as a witness of {count} other agencies.");
    for other in others.iter().filter(|other| other.fork.is_some()) {
        println!("{} SHOWED TWO HISTORIES: both checkpoints are in it, for the audit to name.", other.agency);
    }
    Ok(())
}

/// What the agency remembers of another one. The two sides of a fork are kept among the checkpoints that were seen.
fn keep(mirror: &Mirror, config: &NodeConfig, of: &Remembered) -> std::io::Result<()> {
    if let Some(note) = &of.note {
        mirror.keep_remembered(&config.agency, &of.agency, note)?;
    }
    for note in of.fork.iter().flatten() {
        let read = UnverifiedCheckpoint::parse(note).map_err(std::io::Error::other)?;
        let at = read.claimed();
        mirror.keep_seen(&format!("nodes/{}", of.agency), at.size, &at.root, note)?;
    }
    Ok(())
}

/// The registry with its releases.
pub(super) fn registry(config: &CoordinatorConfig, out: &Path) -> Result<(), CliError> {
    let mirror = Mirror::new(out);
    let log = Log {
        manifest_file: &config.manifest_file,
        file: registry_path(config),
        checkpoint: almoner_coordinator::checkpoint_path(config),
        server: "coordinator",
        folder: mirror.registry(),
        name: "registry".into(),
    };
    export(&mirror, log, |reader, size| {
        reader.releases(|number, evidence| match number < size {
            true => Ok(mirror.keep_release(number, evidence)?),
            false => Ok(()),
        })
    })
}

/// `more` writes what belongs to the entries, of which the exported checkpoint has so many.
fn export(
    mirror: &Mirror,
    log: Log<'_>,
    more: impl FnOnce(&LedgerReader, u64) -> Result<(), Ended>,
) -> Result<(), CliError> {
    let out = mirror.root();
    let failed = |source| CliError::Write { path: out.to_owned(), source };
    let text = std::fs::read_to_string(log.manifest_file)
        .map_err(|source| CliError::Read { path: log.manifest_file.to_owned(), source })?;
    mirror.keep_manifest(&text).map_err(failed)?;
    // The checkpoint first: what it covers is in the log by then.
    let signed = ShownNote::read(&log.checkpoint)?;
    let reader = LedgerReader::open(&log.file)?;
    let end = reader.position()?.size;
    let Some(signed) = signed else {
        println!("No entries are exported: the {} has signed no checkpoint yet.", log.server);
        print_beyond(&log, end);
        return Ok(());
    };
    let Position { size, root } = signed.position();
    let written = write(&log.folder, &reader, signed.position()).and_then(|()| more(&reader, size));
    written.map_err(|ended| match ended {
        Ended::Ledger(error) => error.into(),
        Ended::Write(source) => failed(source),
        Ended::Other(size) => CliError::Usage {
            message: format!("{} holds another or a longer history of this log, of {size} entries", out.display()),
            remedy: "keep that folder as evidence, find out how it came about, and export into a new one",
        },
        Ended::Forgotten { signed, found } => CliError::Usage {
            message: format!(
                "{} ends after {} entries with root {} and does not begin with the {} entries with root {} that the {} \
                 signed, by {}: it was put back from an older copy, or changed",
                log.file.display(), found.size, found.root, signed.size, signed.root, log.server, log.checkpoint.display()
            ),
            remedy: "nothing of it is exported; put a copy back that has all those entries",
        },
    })?;
    mirror.keep_seen(&log.name, size, &root, &signed.note).map_err(failed)?;
    log.folder.keep_checkpoint(&signed.note).map_err(failed)?;
    println!("Exported {size} entries with root {root} to {}.", out.display());
    print_beyond(&log, end - size);
    Ok(())
}

fn print_beyond(log: &Log<'_>, entries: u64) {
    if entries > 0 {
        println!(
            "{entries} entries are after the checkpoint that the {} signed last, and are not in the export: run the {}, or \
             use `almoner audit` against it, and export again.",
            log.server, log.server
        );
    }
}

/// Brings the folder up to the entries that were `signed`.
fn write(folder: &LogFolder, reader: &LedgerReader, signed: Position) -> Result<(), Ended> {
    // All of it is compared before a byte is written.
    let mut at_signed = almoner_federation::merkle::Tree::new().root();
    let before = folder.checkpoint()?.and_then(|note| UnverifiedCheckpoint::parse(&note).ok());
    let before = before.map(|note| note.claimed().clone());
    let mut other = before.as_ref().filter(|before| before.size > signed.size).map(|before| before.size);
    let found = reader.replay(|number, _, root| {
        if number + 1 == signed.size {
            at_signed = root;
        }
        if let Some(before) =
            before.as_ref().filter(|before| number + 1 == before.size && root != before.root)
        {
            other.get_or_insert(before.size);
        }
        Ok::<_, Ended>(())
    })?;
    if found.size < signed.size || at_signed != signed.root {
        return Err(Ended::Forgotten { signed, found });
    }
    if let Some(size) = other {
        return Err(Ended::Other(size));
    }
    let size = before.map_or(0, |before| before.size);
    let mut writer = folder.writer(size)?;
    reader.replay(|number, bytes, _| {
        if !(size..signed.size).contains(&number) {
            return Ok(());
        }
        writer.push(bytes);
        if number % FLUSH == 0 { Ok(writer.flush()?) } else { Ok::<_, Ended>(()) }
    })?;
    writer.flush()?;
    if writer.position() == (signed.size, signed.root) { Ok(()) } else { Err(Ended::Other(size)) }
}
