//! `almoner audit dossier`: the promise, its spending and its audit, for everybody to read.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use almoner_audit::Dossier;
use almoner_federation::{Digest, Manifest};
use clap::Args;

use super::Place;
use crate::cli_error::CliError;

#[derive(Args)]
pub(crate) struct DossierCommand {
    #[command(flatten)]
    at: Place,
    /// The page to write: one HTML file that needs no other.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The same as JSON, with every release.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Whose promise it states, where the folder holds several manifests: the SHA-256 of one.
    #[arg(long, value_name = "HASH")]
    manifest_sha256: Option<Digest>,
}

impl DossierCommand {
    pub(crate) async fn run(self) -> Result<ExitCode, CliError> {
        let (mirror, missed) = self.at.open().await?;
        let report = super::report(&mirror, &[], missed)?;
        let root = mirror.root().to_owned();
        let (manifests, _) = mirror.manifests().map_err(|source| CliError::Read { path: root, source })?;
        let manifest = self.choose(manifests.values())?;
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let dossier = Dossier::of(manifest, &report, now_s);
        write(&self.out, &dossier.html())?;
        if let Some(file) = &self.json {
            write(file, &serde_json::to_string_pretty(&dossier).expect("a dossier is plain data"))?;
        }
        println!("Wrote {}; {} findings.", self.out.display(), report.findings.len());
        Ok(super::exit_code(&report))
    }

    /// The one manifest there is, or the one that was named.
    fn choose<'a>(&self, all: impl Iterator<Item = &'a Manifest>) -> Result<&'a Manifest, CliError> {
        let wanted = |manifest: &&Manifest| self.manifest_sha256.is_none_or(|hash| manifest.hash() == hash);
        let mut found = all.filter(wanted);
        match (found.next(), found.next()) {
            (Some(manifest), None) => Ok(manifest),
            (None, _) => Err(CliError::Usage {
                message: "the folder does not hold that manifest".into(),
                remedy: "put it into manifests/",
            }),
            (Some(_), Some(_)) => Err(CliError::Usage {
                message: "the folder holds several manifests".into(),
                remedy: "name the one in force with --manifest-sha256",
            }),
        }
    }
}

fn write(file: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(file, text).map_err(|source| CliError::Write { path: file.to_owned(), source })
}
