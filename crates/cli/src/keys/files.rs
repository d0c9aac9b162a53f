//! Key files: secrets are born with mode 0600 in folders of mode 0700, and no secret is overwritten.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use crate::keys::KeysError;

const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// Far more than any key or certificate; files that others sent are read, too.
const MAX_BYTES: u64 = 1 << 16;

/// Makes a folder that only its owner can enter, and refuses when it holds one of `names` already, so
/// that no folder ends up with keys of two makings.
pub(super) fn create_folder(folder: &Path, names: &[&str]) -> Result<(), KeysError> {
    for path in names.iter().map(|name| folder.join(name)) {
        if path.symlink_metadata().is_ok() {
            return Err(KeysError::Exists { path });
        }
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| KeysError::Write { path: folder.to_owned(), source })
}

/// Writes a file that only its owner can read.
pub(super) fn write_secret(folder: &Path, name: &str, text: &str) -> Result<(), KeysError> {
    write_new(&folder.join(name), SECRET, text)
}

/// Writes 32 secret bytes as one line of hexadecimal digits.
pub(super) fn write_secret_bytes(folder: &Path, name: &str, bytes: &[u8; 32]) -> Result<(), KeysError> {
    let mut text = Zeroizing::new(hex::encode(bytes));
    text.push('\n');
    write_secret(folder, name, &text)
}

/// Writes a file that everyone may read.
pub(super) fn write_public(folder: &Path, name: &str, text: &str) -> Result<(), KeysError> {
    write_new(&folder.join(name), PUBLIC, text)
}

/// Writes a file that everyone may read, to a place of its own.
pub(super) fn write_public_at(path: &Path, text: &str) -> Result<(), KeysError> {
    write_new(path, PUBLIC, text)
}

/// Writes a file that everyone may read in the place of an older one, if there is one. At every moment
/// the file is the old or the new one, whole.
pub(super) fn replace_public(folder: &Path, name: &str, text: &str) -> Result<(), KeysError> {
    let path = folder.join(name);
    let replace = || {
        let mut file =
            tempfile::Builder::new().permissions(Permissions::from_mode(PUBLIC)).tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        File::open(folder)?.sync_all()
    };
    replace().map_err(|source| KeysError::Write { path: path.clone(), source })
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), KeysError> {
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::AlreadyExists => KeysError::Exists { path: path.to_owned() },
        _ => KeysError::Write { path: path.to_owned(), source },
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// Reads a whole text file.
pub(super) fn read(path: &Path) -> Result<String, KeysError> {
    let bounded = || {
        let mut text = String::new();
        let length = File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
        if length as u64 > MAX_BYTES {
            return Err(std::io::Error::other("it is too large for a key or a certificate"));
        }
        Ok(text)
    };
    bounded().map_err(|source| KeysError::Read { path: path.to_owned(), source })
}
