//! Writes a log's tiles as it grows.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use almoner_federation::Digest;
use almoner_federation::merkle::{Tree, leaf_hash};
use almoner_federation::tiles::{TileError, TileKind, TilePath, WIDTH, for_each_changed};

use super::log::LogFolder;

/// Appends entries to a log's folder; the tiles are written by [`LogWriter::flush`]. Memory: 64 bytes an entry of the
/// whole log, and the entries since the last flush.
pub struct LogWriter {
    root: PathBuf,
    tree: Tree,
    written: u64,
    /// Entries from the beginning of the last bundle on.
    tail: Vec<Vec<u8>>,
    tail_from: u64,
}

impl LogWriter {
    /// Goes on after the `size` entries that the folder holds.
    pub(super) fn resume(root: PathBuf, size: u64) -> io::Result<Self> {
        let mut writer =
            LogWriter { root: root.clone(), tree: Tree::new(), written: 0, tail: Vec::new(), tail_from: 0 };
        let read = LogFolder::new(root).entries(size, |_, entry, _| {
            writer.push(entry);
            // What lies before the last bundle is written already.
            if writer.tail.len() as u64 == WIDTH {
                writer.tail_from += WIDTH;
                writer.tail.clear();
            }
            std::ops::ControlFlow::Continue(())
        })?;
        if read != super::ReadEntry::All {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the entries fetched before are damaged; fetch into a new folder, and keep this one as evidence",
            ));
        }
        writer.written = size;
        Ok(writer)
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: &[u8]) {
        self.tree.push(leaf_hash(entry));
        self.tail.push(entry.to_vec());
    }

    /// The size and root of everything that was appended.
    pub fn position(&self) -> (u64, Digest) {
        (self.tree.size(), self.tree.root())
    }

    /// Writes what was appended since the last time, so that the folder holds the whole tree.
    pub fn flush(&mut self) -> io::Result<()> {
        let (size, tail, from, root) = (self.tree.size(), &self.tail, self.tail_from, &self.root);
        let mut stale = Vec::new();
        for_each_changed(
            &self.tree,
            self.written,
            size,
            |range| {
                let place = |number: u64| (number - from) as usize;
                Ok::<_, WriteError>(tail[place(range.start)..place(range.end)].to_vec())
            },
            |path, bytes| {
                replace(&root.join(path.to_string()), bytes)?;
                stale.push(*path);
                Ok(())
            },
        )
        .map_err(|WriteError(error)| error)?;
        for path in stale {
            self.drop_narrower(&path);
        }
        self.written = size;
        let keep = (size - size % WIDTH).max(self.tail_from);
        self.tail.drain(..(keep - self.tail_from) as usize);
        self.tail_from = keep;
        Ok(())
    }

    /// A wider tile stands for the narrower ones of its place.
    fn drop_narrower(&self, path: &TilePath) {
        let shift = match path.kind() {
            TileKind::Entries => 0,
            TileKind::Hashes { level } => 8 * u32::from(level),
        };
        let before = self.written >> shift;
        if before / WIDTH == path.index()
            && !before.is_multiple_of(WIDTH)
            && let Ok(narrow) = TilePath::new(path.kind(), path.index(), before % WIDTH)
            && narrow != *path
        {
            // Only room is lost if it stays.
            let _ = std::fs::remove_file(self.root.join(narrow.to_string()));
        }
    }
}

struct WriteError(io::Error);

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        WriteError(error)
    }
}

impl From<TileError> for WriteError {
    fn from(error: TileError) -> Self {
        WriteError(io::Error::other(error))
    }
}

/// Writes a file whole, or not at all, with its folders.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let fresh = folder.join(name);
    let mut file = std::fs::File::create(&fresh)?;
    file.write_all(bytes)?;
    drop(file);
    std::fs::rename(&fresh, path)
}
