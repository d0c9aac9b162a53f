//! `almoner manifest`: what a federation.toml says, and the hash that pins it.

mod draft;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use almoner_federation::{Manifest, Witnessing};
use clap::Subcommand;

use crate::cli_error::CliError;
use crate::output::print;
use crate::planner::read_text;

#[derive(Subcommand)]
pub(crate) enum ManifestCommand {
    /// Draft a federation.toml from the headers of a folder's files, with everything else as a question.
    Draft(draft::Draft),
    /// Check a manifest whole; print its hash and what it promises.
    Check {
        /// The federation.toml.
        file: PathBuf,
    },
}

impl ManifestCommand {
    pub(crate) fn run(self) -> Result<(), CliError> {
        match self {
            ManifestCommand::Draft(draft) => draft.run(),
            ManifestCommand::Check { file } => check(&file),
        }
    }
}

fn check(file: &Path) -> Result<(), CliError> {
    let manifest = Manifest::parse(&read_text(file)?, &file.display().to_string())?;
    print(&summary(&manifest))
}

/// What the manifest promises, in lines for its parties.
fn summary(manifest: &Manifest) -> String {
    let policy = &manifest.policy;
    let mut text = String::new();
    let _ = writeln!(text, "manifest_sha256 = \"{}\"", manifest.hash());
    let _ = writeln!(text, "federation      {} (epoch {})", manifest.federation, manifest.epoch);
    let _ = writeln!(text, "protects        one {} with all records at all agencies", manifest.unit.kind);
    let _ = writeln!(
        text,
        "total budget    rho {}, epsilon {:.3} at delta {:e}",
        policy.total_rho,
        almoner_privacy::epsilon(policy.total_rho, policy.delta),
        policy.delta
    );
    let _ = writeln!(
        text,
        "noise           honest shares {} of a quorum of {} ({} may collude); total noise {:.3} times a central curator's",
        policy.honest_shares(),
        policy.quorum,
        policy.colluders,
        (manifest.agencies.len() as f64 / f64::from(policy.honest_shares())).sqrt()
    );
    let _ = writeln!(text, "witnesses       {}", witnesses(manifest.witnessing()));
    for agency in &manifest.agencies {
        let _ =
            writeln!(text, "agency          {:>4}  {:<24} {}", agency.node, agency.name, agency.legal_name);
    }
    for table in &manifest.tables {
        let _ = writeln!(
            text,
            "table           {}: {} columns, {} rows a {} at most, held by {} agencies, a {} at {} of them at most",
            table.name,
            table.columns.len(),
            table.rows_per_unit,
            manifest.unit.kind,
            table.holders.len(),
            manifest.unit.kind,
            manifest.overlap(table)
        );
    }
    text
}

/// What the witnesses need and what they stop.
fn witnesses(of: Witnessing) -> String {
    let Witnessing { others, cosign, colluders } = of;
    if cosign == 0 {
        return "none: a copy of a node's state that is put back, or run twice, is found afterwards, not stopped".into();
    }
    let needs = format!(
        "{cosign} of {others} other agencies cosign each charge, a start hears {}: {} may be away",
        of.heard_at_start(),
        of.may_be_away()
    );
    let least = Witnessing::least(others, colluders);
    let stops = match (of.stops_old_copies(), of.stops_second_copies()) {
        (true, true) => "no old or second copy of a node's state answers".to_owned(),
        (true, false) => {
            format!("no old copy of a node's state answers, but a second one may: that takes {least}")
        }
        (false, _) => {
            format!("an old or a second copy of a node's state may answer: to stop both takes {least}")
        }
    };
    format!("{needs}; while at most {colluders} of them lie, {stops}")
}
