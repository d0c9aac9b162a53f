//! What a log's server has signed of it, in a file beside the log: on the disk before anybody sees it. So exports need no
//! key and sign nothing, and a log that was set back under the file is found out at its next start.

use std::io::Write;
use std::path::{Path, PathBuf};

use almoner_federation::checkpoint::{
    Board, Checkpoint, CheckpointError, Cosignature, SignedCheckpoint, UnverifiedCheckpoint,
};
use almoner_federation::note::{KeyName, MAX_NOTE_BYTES};
use almoner_federation::{SigningKey, VerifyingKey};

use crate::error::LedgerError;
use crate::node_types::Position;
use crate::store::{failed, private, sync_folder, with_ending};

/// A checkpoint that a log's server signed, as its file holds it: what it says, and its signed note. Nothing is verified;
/// whoever wrote the log wrote this, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownNote {
    /// Origin, size and root.
    pub checkpoint: Checkpoint,
    /// The C2SP signed note, with the cosignatures that came in.
    pub note: String,
}

impl ShownNote {
    /// Reads the file at `path`; `None` where there is none, because nothing was signed yet.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when it cannot be read or is no signed note.
    pub fn read(path: &Path) -> Result<Option<ShownNote>, LedgerError> {
        const ACTION: &str =
            "read the checkpoint that was signed last; bring the file back as it was, and do not delete it";
        let failed = |error| failed(path, ACTION)(error);
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
            Ok(about) if about.len() > MAX_NOTE_BYTES as u64 => {
                return Err(failed(std::io::Error::other("it is longer than 1 MiB")));
            }
            Ok(_) => {}
        }
        let note = std::fs::read_to_string(path).map_err(failed)?;
        let read =
            UnverifiedCheckpoint::parse(&note).map_err(|error| failed(std::io::Error::other(error)))?;
        Ok(Some(ShownNote { checkpoint: read.claimed().clone(), note }))
    }

    /// The position that was signed.
    pub fn position(&self) -> Position {
        Position { size: self.checkpoint.size, root: self.checkpoint.root }
    }
}

/// The newest checkpoint of one log, for its server. Every other of that log comes from here, so the server never signs
/// what does not continue what it signed before, as long as the log only grows.
pub struct Shown {
    path: PathBuf,
    board: Board,
    /// What the file held when it was opened, under whichever key.
    found: Option<Position>,
    /// Whether the file lacks cosignatures that the board has.
    behind: bool,
}

impl Shown {
    /// Opens the file at `path`, which is made when something is shown. `key` is the log's of today: a checkpoint under
    /// an earlier one is remembered ([`Shown::found`]), and shown no more.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when there is a file that cannot be read, or is no checkpoint of the log `origin`.
    pub fn open(path: PathBuf, origin: KeyName, key: &VerifyingKey) -> Result<Self, LedgerError> {
        let Some(note) = ShownNote::read(&path)? else {
            return Ok(Shown { path, board: Board::new(origin), found: None, behind: false });
        };
        let found = Some(note.position());
        if note.checkpoint.origin != origin {
            let error = CheckpointError::Origin { found: note.checkpoint.origin, expected: origin };
            return Err(failed(&path, "use it as this log's checkpoint")(std::io::Error::other(error)));
        }
        let read = UnverifiedCheckpoint::parse(&note.note)?;
        let board = match read.verify(&origin, key) {
            Ok(signed) => Board::holding(signed),
            Err(_) => Board::new(origin),
        };
        Ok(Shown { path, board, found, behind: false })
    }

    /// What was signed last before this opening: the log must begin with it.
    pub fn found(&self) -> Option<Position> {
        self.found
    }

    /// The checkpoint of `position`, which the log has recorded durably and which `key` signs, or a later one that was
    /// shown already. It is on the disk when this returns.
    ///
    /// # Errors
    /// Nothing new was shown then.
    pub fn show(&mut self, position: Position, key: &SigningKey) -> Result<SignedCheckpoint, LedgerError> {
        let mut next = self.board.clone();
        let signed = next.show(position.size, position.root, key)?;
        if self.board.shown() != Some(&signed) {
            write(&self.path, &signed)?;
            (self.board, self.behind) = (next, false);
        }
        Ok(signed)
    }

    /// As [`Board::add`]; what was taken is on the disk when this returns.
    ///
    /// # Errors
    /// Those of [`Board::add`] as [`LedgerError::Checkpoint`], and [`LedgerError::Io`].
    pub fn add(
        &mut self,
        note: &str,
        log_key: &VerifyingKey,
        cosigner: (&KeyName, &VerifyingKey),
    ) -> Result<bool, LedgerError> {
        let taken = self.board.add(note, log_key, cosigner)?;
        self.behind |= taken;
        self.keep()?;
        Ok(taken)
    }

    /// As [`Board::take`]; what was taken is on the disk after the next [`Shown::keep`].
    ///
    /// # Errors
    /// Those of [`Board::take`].
    pub fn take(
        &mut self,
        checkpoint: &Checkpoint,
        cosignature: &Cosignature,
        key: &VerifyingKey,
    ) -> Result<bool, CheckpointError> {
        let taken = self.board.take(checkpoint, cosignature, key)?;
        self.behind |= taken;
        Ok(taken)
    }

    /// Writes the cosignatures that the file lacks.
    ///
    /// # Errors
    /// [`LedgerError::Io`]; the file is then as it was, and the next call tries again.
    pub fn keep(&mut self) -> Result<(), LedgerError> {
        if let Some(signed) = self.board.shown().filter(|_| self.behind) {
            write(&self.path, signed)?;
            self.behind = false;
        }
        Ok(())
    }
}

fn write(path: &Path, signed: &SignedCheckpoint) -> Result<(), LedgerError> {
    replace_file(path, signed.to_string().as_bytes())
        .map_err(failed(path, "write the checkpoint that is to be shown"))
}

/// Puts `bytes` into the file at `path`, mode 0600, in the place of what is there. When this returns they survive a power
/// failure; before, the file is the one or the other, never a part. One writer at a time: it is written as `path` with
/// `.partial` after its name.
///
/// # Errors
/// The system's; the file is then as it was, or new.
pub fn replace_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let partial = with_ending(path, ".partial");
    let mut file = private().create(true).truncate(true).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&partial, path)?;
    sync_folder(path)
}

#[cfg(test)]
mod tests;
