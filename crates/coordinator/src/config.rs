//! `coordinator.toml`: where the coordinator listens and keeps its registry, and how patient it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use almoner_federation::{Digest, FileError, Manifest, Problem, parse_toml};
use serde::Deserialize;

use crate::CoordinatorError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CoordinatorFile {
    listen: std::net::SocketAddr,
    manifest: PathBuf,
    manifest_sha256: Digest,
    keys: PathBuf,
    state: PathBuf,
    #[serde(default)]
    limits: LimitsTable,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsTable {
    prepare_timeout_s: u64,
    release_patience_s: u64,
    questions_at_once: usize,
}

impl Default for LimitsTable {
    fn default() -> Self {
        LimitsTable { prepare_timeout_s: 180, release_patience_s: 60, questions_at_once: 16 }
    }
}

/// The coordinator's whole configuration, checked.
#[derive(Debug)]
pub struct CoordinatorConfig {
    /// Where to listen.
    pub listen: std::net::SocketAddr,
    /// The accepted manifest.
    pub manifest: Manifest,
    /// Its file.
    pub manifest_file: PathBuf,
    /// Folder of the coordinator's keys.
    pub keys: PathBuf,
    /// Folder of its registry.
    pub state: PathBuf,
    /// How long a node may take to say READY.
    pub prepare_timeout: Duration,
    /// How long a silent node is asked again for its masked vector.
    pub release_patience: Duration,
    /// Most rounds at the same time.
    pub questions_at_once: usize,
}

impl CoordinatorConfig {
    /// Reads and checks `coordinator.toml` and the manifest it pins. Relative paths start at the file's folder.
    ///
    /// # Errors
    /// Each names the file, the line where there is one, and the remedy.
    pub fn read(path: &Path) -> Result<Self, CoordinatorError> {
        let text = read_text(path)?;
        let shown = path.display().to_string();
        let file: CoordinatorFile = parse_toml(&text, &shown, "docs/coordinator.md lists every field")?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let manifest_path = folder.join(&file.manifest);
        let manifest_name = manifest_path.display().to_string();
        let manifest =
            Manifest::parse_pinned(&read_text(&manifest_path)?, &manifest_name, &file.manifest_sha256)?;
        let within = |name: &str, value: u64, most: u64| {
            if (1..=most).contains(&value) {
                return Ok(value);
            }
            let problem = Problem {
                line: 1,
                message: format!("limits.{name} must be 1 to {most}"),
                remedy: "correct the [limits] table".into(),
            };
            Err(FileError { file: shown.clone(), problems: vec![problem] })
        };
        let limits = file.limits;
        Ok(CoordinatorConfig {
            listen: file.listen,
            prepare_timeout: Duration::from_secs(within(
                "prepare_timeout_s",
                limits.prepare_timeout_s,
                86_400,
            )?),
            release_patience: Duration::from_secs(within(
                "release_patience_s",
                limits.release_patience_s,
                86_400,
            )?),
            questions_at_once: within("questions_at_once", limits.questions_at_once as u64, 1_000)? as usize,
            keys: folder.join(file.keys),
            state: folder.join(file.state),
            manifest,
            manifest_file: manifest_path,
        })
    }
}

fn read_text(path: &Path) -> Result<String, CoordinatorError> {
    std::fs::read_to_string(path).map_err(|source| CoordinatorError::Read { path: path.to_owned(), source })
}
