//! A folder on a disk of this machine, as a tree of files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::SourceError;
use crate::data_file::Contents;
use crate::folder::{Entry, Kind, Tree};

/// An agency's folder.
pub(crate) struct LocalFolder(pub PathBuf);

impl LocalFolder {
    fn entry(&self, entry: &fs::DirEntry) -> Result<Entry, SourceError> {
        let path = entry.path();
        let refuse = |problem: &str, remedy: &str| Err(SourceError::input(&path, None, problem, remedy));
        let own = entry.file_name();
        let Some(own) = own.to_str() else { return refuse("its name is not UTF-8", "rename it") };
        let kind = entry.file_type().map_err(|error| SourceError::unreadable(&path, &error))?;
        // Through links a file could count twice, or a folder hold itself.
        if kind.is_symlink() {
            return refuse("is a symbolic link", "put the file itself here, and only here");
        }
        let own = own.to_owned();
        let kind = match (kind.is_dir(), kind.is_file()) {
            (true, _) => Kind::Folder,
            (_, true) => Kind::File(Contents::File(path)),
            _ => Kind::Other,
        };
        Ok(Entry { own, kind })
    }
}

impl Tree for LocalFolder {
    fn shown(&self, name: &str) -> String {
        let path: &Path = &self.0;
        if name.is_empty() { path.display().to_string() } else { path.join(name).display().to_string() }
    }

    fn file(&self, own: &str) -> Result<Option<Contents>, SourceError> {
        let path = self.0.join(own);
        Ok(path.is_file().then_some(Contents::File(path)))
    }

    fn is_folder(&self, own: &str) -> Result<bool, SourceError> {
        Ok(self.0.join(own).is_dir())
    }

    fn each(
        &self,
        folder: &str,
        take: &mut dyn FnMut(Entry) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let path = self.0.join(folder);
        let unreadable = |error: std::io::Error| SourceError::unreadable(&path, &error);
        fs::read_dir(&path)
            .map_err(unreadable)?
            .try_for_each(|entry| take(self.entry(&entry.map_err(unreadable)?)?))
    }
}
