//! The coordinator's registry: rounds that were begun, and releases.

use std::collections::HashMap;
use std::io;

use almoner_federation::checkpoint::Checkpoint;
use almoner_federation::{Digest, Name, PicoRho};
use almoner_ledger::{Accounts, RegistryEntry, RegistryStep};

use super::log;
use super::shown::Shown;
use crate::finding::{Code, Finding};
use crate::mirror::LogFolder;

/// A PUBLISH entry.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) number: u64,
    pub(crate) at_s: u64,
    pub(crate) spec_hash: Digest,
    pub(crate) family: Digest,
    pub(crate) release: Digest,
    pub(crate) planner: Name,
    pub(crate) cost: PicoRho,
}

/// What the registry says happened.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    /// The context of each attempt at each question.
    pub(crate) contexts: HashMap<(Digest, u32), Digest>,
    pub(crate) published: Vec<Published>,
    /// From this entry on entries may be missing or changed.
    pub(crate) doubtful_from: Option<u64>,
}

/// Reads the registry under `checkpoint`.
pub(crate) fn check_registry(
    folder: &LogFolder,
    checkpoint: &Checkpoint,
    shown: &Shown,
    findings: &mut Vec<Finding>,
) -> io::Result<Rounds> {
    let (mut rounds, mut accounts, mut faulty) = (Rounds::default(), Accounts::default(), None);
    let from = log::read(folder, REGISTRY, checkpoint, shown, findings, |number, bytes, _| {
        let entry = match RegistryEntry::decode(bytes) {
            Ok(entry) => entry,
            Err(error) => {
                let finding = || Finding::new(Code::Entry, REGISTRY, error.to_string()).at(number);
                faulty.get_or_insert_with(finding);
                return;
            }
        };
        // After one entry that does not fit, the sums of all others are wrong as well.
        if faulty.is_none()
            && let Err(problem) = accounts.apply(number, &entry)
        {
            faulty = Some(Finding::new(Code::Books, REGISTRY, problem).at(number).about(entry.spec_hash));
        }
        match entry.step {
            RegistryStep::Charge { attempt, context } => {
                rounds.contexts.insert((entry.spec_hash, attempt), context);
            }
            RegistryStep::Publish { family, release } => rounds.published.push(Published {
                number,
                at_s: entry.at_s,
                spec_hash: entry.spec_hash,
                family,
                release,
                planner: entry.planner,
                cost: entry.cost,
            }),
        }
    })?;
    rounds.doubtful_from = from;
    match (&faulty, rounds.doubtful_from) {
        (Some(finding), None) if finding.code == Code::Entry => rounds.doubtful_from = finding.entry,
        _ => {}
    }
    // In entries that are not those that were signed, sums that do not fit tell nothing more.
    findings.extend(faulty.filter(|finding| from.is_none_or(|from| finding.entry < Some(from))));
    Ok(rounds)
}

/// What reports call it.
pub(crate) const REGISTRY: &str = "registry";
