//! A ledger as the files of a mirror.

use std::path::Path;

use almoner_audit::{AskedQuestion, Mirror};
use almoner_federation::checkpoint::{Checkpoint, UnverifiedCheckpoint};
use almoner_federation::{Digest, Role};
use almoner_ledger::{LedgerError, LedgerReader};
use almoner_node::{NodeConfig, ledger_path, signing_key};

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

pub(super) fn run(config: &NodeConfig, out: &Path) -> Result<(), CliError> {
    let key = signing_key(config)?;
    let failed = |source| CliError::Write { path: out.to_owned(), source };
    let text = std::fs::read_to_string(&config.manifest_file)
        .map_err(|source| CliError::Read { path: config.manifest_file.clone(), source })?;
    let mirror = Mirror::new(out);
    mirror.keep_manifest(&text).map_err(failed)?;
    let reader = LedgerReader::open(&ledger_path(config))?;
    let (size, root) = write(&mirror, config, &reader).map_err(|ended| match ended {
        Ended::Ledger(error) => error.into(),
        Ended::Write(source) => failed(source),
        Ended::Other(size) => CliError::Usage {
            message: format!("{} holds another history of this ledger, of {size} entries", out.display()),
            remedy: "keep that folder as evidence, find out how it came about, and export into a new one",
        },
    })?;
    let origin = config.manifest.identity(Role::Agency, &config.agency).key_name();
    let signed = Checkpoint { origin, size, root }.sign(&key).map_err(|error| CliError::Usage {
        message: error.to_string(),
        remedy: "give the agency a shorter name",
    })?;
    let name = format!("nodes/{}", config.agency);
    mirror.keep_seen(&name, size, &root, &signed.to_string()).map_err(failed)?;
    mirror.node(&config.agency).keep_checkpoint(&signed.to_string()).map_err(failed)?;
    println!("Exported {size} entries with root {root} to {}.", out.display());
    Ok(())
}

fn write(mirror: &Mirror, config: &NodeConfig, reader: &LedgerReader) -> Result<(u64, Digest), Ended> {
    let folder = mirror.node(&config.agency);
    let before = folder.checkpoint()?.and_then(|note| UnverifiedCheckpoint::parse(&note).ok());
    let size = before.map_or(0, |note| note.claimed().size);
    let mut writer = folder.writer(size)?;
    let exported = writer.position();
    reader.replay(|number, bytes, root| {
        if number < size {
            let other = number + 1 == size && root != exported.1;
            return if other { Err(Ended::Other(size)) } else { Ok(()) };
        }
        writer.push(bytes);
        if number % FLUSH == 0 { Ok(writer.flush()?) } else { Ok(()) }
    })?;
    writer.flush()?;
    let position = writer.position();
    if position.0 < size || position.0 != reader.position()?.size {
        return Err(Ended::Other(size));
    }
    let mut questions = Vec::new();
    reader.questions(|asked| {
        questions.push(AskedQuestion { body: asked.body, signature: asked.signature });
        Ok::<_, Ended>(())
    })?;
    mirror.keep_questions(&config.agency, &questions)?;
    Ok(position)
}
