//! The file itself: made durably, and for its owner alone.

use std::fs::OpenOptions;
use std::path::Path;

use crate::error::LedgerError;

/// Makes the file if it is missing, durably, and lets nobody but its owner read it. The descriptor is
/// closed before SQLite opens the file, so that closing it drops no lock of ours.
pub(super) fn create_private(path: &Path) -> Result<(), LedgerError> {
    let failed = |action| move |source| LedgerError::Io { path: path.to_owned(), action, source };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(file) => {
            file.sync_all().map_err(failed("write the new file to the disk"))?;
            #[cfg(unix)]
            sync_folder(path).map_err(failed("write its folder to the disk"))?;
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            #[cfg(unix)]
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .map_err(failed("make it readable by its owner alone"))?;
            Ok(())
        }
        Err(error) => Err(failed("make it")(error)),
    }
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}
