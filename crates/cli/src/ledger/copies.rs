//! Copies of a ledger, and putting one back.

use std::path::{Path, PathBuf};

use almoner_ledger::{LedgerError, LedgerReader, ShownNote};
use almoner_node::{NodeConfig, NodeError, checkpoint_path, ledger_path, open_for_officer};

use super::verify;
use crate::cli_error::CliError;

pub(super) fn backup(ledger: &Path, to: &Path) -> Result<(), CliError> {
    let reader = LedgerReader::open(ledger)?;
    reader.backup(to)?;
    let position = LedgerReader::open(to)?.position()?;
    println!("Copied {} entries with root {} to {}.", position.size, position.root, to.display());
    println!("It holds vectors sealed under sealing.key: keep the two apart.");
    Ok(())
}

/// Refuses to forget: a copy comes back only where nothing newer is left.
pub(super) fn restore(config: &NodeConfig, file: &Path) -> Result<(), CliError> {
    let ledger = ledger_path(config);
    let copy = LedgerReader::open(file)?;
    let (position, _) = verify::node(&copy)?;
    let aside = match present(config, &ledger)? {
        Present::Missing => None,
        Present::Damaged => Some(evidence(&ledger)?),
        Present::Sound(reader, entries) => {
            if entries > position.size || root_at(&copy, entries)? != root_at(&reader, entries)? {
                return Err(CliError::Usage {
                    message: format!(
                        "the present ledger has {entries} entries, which the copy of {} does not continue",
                        position.size
                    ),
                    remedy: "keep the present ledger: an older copy would spend the same budget twice",
                });
            }
            Some(evidence(&ledger)?)
        }
    };
    // Where the present ledger is gone, what was signed of it is still here.
    let checkpoint = checkpoint_path(config);
    if let Some(signed) = ShownNote::read(&checkpoint)?.map(|note| note.position())
        && root_at(&copy, signed.size)? != Some(signed.root)
    {
        return Err(CliError::Usage {
            message: format!(
                "this node signed a ledger of {} entries, by {}, and the copy of {} does not begin with it",
                signed.size,
                checkpoint.display(),
                position.size
            ),
            remedy: "put a newer copy back: this one would spend the same budget twice (docs/data-officer.md, Backups)",
        });
    }
    if let Some(aside) = &aside {
        move_aside(&ledger, aside)?;
    }
    // Read back whole, seals included, before it takes the ledger's place.
    let fresh = with_ending(&ledger, ".restored");
    copy.backup(&fresh)?;
    drop(open_for_officer(config, &fresh)?);
    for ending in ["", "-wal", "-shm"] {
        let (from, to) = (with_ending(&fresh, ending), with_ending(&ledger, ending));
        if from.exists() {
            std::fs::rename(&from, &to).map_err(|source| CliError::Write { path: to, source })?;
        }
    }
    println!("Restored {} entries with root {}.", position.size, position.root);
    if let Some(aside) = aside {
        println!("What was there is now {}: keep it as evidence.", aside.display());
    }
    println!(
        "{}",
        match config.manifest.witnessing().heard_at_start() {
            0 =>
                "The manifest asks for no witnesses: whether this copy is the newest, nobody will tell the node at its start.",
            _ => "At its start the node asks its witnesses, and does not serve if they remember more.",
        }
    );
    Ok(())
}

enum Present {
    Missing,
    Damaged,
    Sound(LedgerReader, u64),
}

fn present(config: &NodeConfig, ledger: &Path) -> Result<Present, CliError> {
    if !ledger.exists() {
        return Ok(Present::Missing);
    }
    // The writer's lock tells whether the node runs.
    match open_for_officer(config, ledger) {
        Ok(open) => drop(open),
        Err(NodeError::Ledger(LedgerError::Damaged { .. } | LedgerError::NotBegun(_))) => {
            return Ok(Present::Damaged);
        }
        Err(error) => return Err(error.into()),
    }
    let reader = LedgerReader::open(ledger)?;
    let size = reader.position()?.size;
    Ok(Present::Sound(reader, size))
}

fn root_at(reader: &LedgerReader, size: u64) -> Result<Option<almoner_federation::Digest>, LedgerError> {
    let mut found = None;
    reader.replay(|number, _, root| {
        if number + 1 == size {
            found = Some(root);
        }
        Ok::<_, LedgerError>(())
    })?;
    Ok(found)
}

/// A name beside the ledger that is not taken.
fn evidence(ledger: &Path) -> Result<PathBuf, CliError> {
    let free = (1..1_000).map(|number| with_ending(ledger, &format!(".before-restore-{number}")));
    free.into_iter().find(|path| !path.exists()).ok_or(CliError::Usage {
        message: "a thousand ledgers were set aside here".into(),
        remedy: "move them to another disk",
    })
}

fn move_aside(ledger: &Path, aside: &Path) -> Result<(), CliError> {
    for ending in ["", "-wal", "-shm"] {
        let (from, to) = (with_ending(ledger, ending), with_ending(aside, ending));
        if from.exists() {
            std::fs::rename(&from, &to).map_err(|source| CliError::Write { path: to, source })?;
        }
    }
    Ok(())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
