//! How much memory an agency's tables may take, and what of it each step of their preparation gets.

use std::fs;
use std::path::{Path, PathBuf};

use crate::SourceError;
use crate::sealed::SealedWriter;

/// The least and the most that a limit may be, in MB of 1,000,000 bytes.
const MEMORY_MB: std::ops::RangeInclusive<u64> = 16..=16_000_000;

/// Most bytes of rows that one step takes: a column of text addresses 2 GiB, and some steps join two of these.
const MOST_TOGETHER_BYTES: usize = 1 << 30;

/// A limit of memory, and the folder for what is beyond.
///
/// Tables that would take more than half of the limit are kept on disk in that folder, in files without a name that
/// are encrypted with keys in this process's memory: they end with it, however it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataLimits {
    memory_bytes: usize,
    scratch: PathBuf,
}

impl DataLimits {
    /// At most `memory_mb` million bytes, 16 to 16,000,000, and a folder that need not exist yet.
    ///
    /// # Errors
    /// The text says which numbers are allowed.
    pub fn new(memory_mb: u64, scratch: PathBuf) -> Result<Self, String> {
        match usize::try_from(memory_mb).ok().and_then(|mb| mb.checked_mul(1_000_000)) {
            Some(memory_bytes) if MEMORY_MB.contains(&memory_mb) => Ok(DataLimits { memory_bytes, scratch }),
            _ => Err(format!("memory_mb must be {} to {}", MEMORY_MB.start(), MEMORY_MB.end())),
        }
    }

    /// The folder for what is beyond.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Rows that stay in memory. Bounding and placing their units takes as much again where rows are short.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.memory_bytes / 2
    }

    /// Rows gathered before they are dealt out to the parts.
    pub(crate) fn dealt_bytes(&self) -> usize {
        (self.memory_bytes / 32).min(MOST_TOGETHER_BYTES)
    }

    /// Rows of one part, which are in memory together.
    pub(crate) fn part_bytes(&self) -> usize {
        (self.memory_bytes / 8).min(MOST_TOGETHER_BYTES)
    }

    /// The limit under which a part of this size could be taken, if any.
    pub(crate) fn would_do_mb(&self, part_bytes: u64) -> Option<u64> {
        (part_bytes <= MOST_TOGETHER_BYTES as u64).then(|| (part_bytes * 8).div_ceil(1_000_000))
    }

    /// Rows that are sorted together, but for those of one part more.
    pub(crate) fn run_bytes(&self) -> usize {
        (self.memory_bytes / 16).min(MOST_TOGETHER_BYTES)
    }

    /// Rows that are written, and later read, together.
    pub(crate) fn group_bytes(&self) -> usize {
        self.memory_bytes / 32
    }

    /// A new file in the scratch folder that has no name; the folder is made where it is missing, for this user alone.
    pub(crate) fn new_file(&self) -> Result<SealedWriter, SourceError> {
        self.make_folder()
            .and_then(|()| SealedWriter::new(tempfile::tempfile_in(&self.scratch)?))
            .map_err(|error| self.failed(&error))
    }

    fn make_folder(&self) -> std::io::Result<()> {
        let mut folder = fs::DirBuilder::new();
        folder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.create(&self.scratch)
    }

    /// The scratch folder could not be used.
    pub(crate) fn failed(&self, error: &dyn std::fmt::Display) -> SourceError {
        SourceError::input(
            &self.scratch,
            None,
            format!("cannot hold the tables that are larger than memory ({error})"),
            "give data_limits.scratch a folder that the node may write, on a disk with room for the tables twice",
        )
    }
}
