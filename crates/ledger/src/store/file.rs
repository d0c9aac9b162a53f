//! The file itself: made durably, for its owner alone, and for one writer.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::LedgerError;

/// The right to write a file, for one holder in all processes of this machine, until it is dropped. It is an
/// advisory lock on an empty file of its own beside the file, `NAME.lock`, which the kernel drops when the
/// process dies and which is never removed: whoever removed it could lock another of the same name.
pub(super) struct WriterLock {
    held: File,
}

impl WriterLock {
    /// Takes the right to write `path`, which need not exist.
    ///
    /// # Errors
    /// [`LedgerError::InUse`] when it is taken, by this process or another.
    pub(super) fn take(path: &Path) -> Result<Self, LedgerError> {
        let beside = with_ending(&resolved(path)?, ".lock");
        let held = private().create(true).truncate(false).open(&beside);
        let held = held.map_err(failed(&beside, "open the lock file"))?;
        match held.try_lock() {
            Ok(()) => Ok(WriterLock { held }),
            Err(TryLockError::WouldBlock) => Err(LedgerError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(failed(&beside, "lock it")(error)),
        }
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        // Closing would do, but for a child of this process that was forked and has not yet closed its copy of
        // the descriptor. Where unlocking fails, closing is left.
        let _ = self.held.unlock();
    }
}

/// `path` without links, so that one file has one lock however it is reached.
fn resolved(path: &Path) -> Result<PathBuf, LedgerError> {
    const ACTION: &str = "find its folder";
    match std::fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = std::fs::canonicalize(folder(path)).map_err(failed(path, ACTION))?;
            Ok(folder.join(path.file_name().unwrap_or_default()))
        }
        found => found.map_err(failed(path, ACTION)),
    }
}

/// Makes the file if it is missing, durably, and lets nobody but its owner read it. Only under the writer's
/// lock: closing the new file's descriptor would drop the locks of an SQLite that had it open already.
pub(super) fn create_private(path: &Path) -> Result<(), LedgerError> {
    match private().create_new(true).open(path) {
        Ok(file) => {
            file.sync_all().map_err(failed(path, "write the new file to the disk"))?;
            sync_folder(path).map_err(failed(path, "write its folder to the disk"))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            #[cfg(unix)]
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .map_err(failed(path, "make it readable by its owner alone"))?;
            Ok(())
        }
        Err(error) => Err(failed(path, "make it")(error)),
    }
}

/// The error of a file system that refused `action` on `path`.
pub(crate) fn failed(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError::Io { path, action, source }
}

/// Options that write, and let nobody but its owner read what they make.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// `path` with `ending` after its name.
pub(crate) fn with_ending(path: &Path, ending: impl AsRef<OsStr>) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Makes the names in the folder of `path` durable.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    match cfg!(unix) {
        true => File::open(folder(path))?.sync_all(),
        false => Ok(()),
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
