//! `almoner audit countersign`: an auditor's signature under a change of a policy.

use std::path::PathBuf;

use clap::Args;

use crate::cli_error::CliError;
use crate::ledger::Change;
use crate::planner::signing_key;

#[derive(Args)]
pub(crate) struct CountersignCommand {
    /// The signed change that the agency's data officer sent.
    file: PathBuf,
    /// The auditor's key folder.
    #[arg(long, env = "ALMONER_KEYS", value_name = "DIR")]
    keys: PathBuf,
}

impl CountersignCommand {
    pub(crate) fn run(self) -> Result<(), CliError> {
        let key = signing_key(&self.keys, "make one with `almoner keys auditor`")?;
        let mut change = Change::read(&self.file)?;
        change.signed.countersign(change.after, &key);
        change.write(&self.file)?;
        let policy = &change.signed.policy;
        println!(
            "Signed: {} may spend {} rho under manifest {}, from entry {} of its ledger on. Send the file back.",
            policy.origin, policy.limits.total, policy.manifest_hash, change.after.size
        );
        Ok(())
    }
}
