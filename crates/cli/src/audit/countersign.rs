//! `almoner audit countersign`: an auditor's signature under a change of a policy.

use std::path::PathBuf;

use almoner_federation::SigningKey;
use clap::Args;

use crate::cli_error::CliError;
use crate::ledger::Change;

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
        let key = signing_key(&self.keys)?;
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

/// The auditor's signing key.
pub(super) fn signing_key(keys: &std::path::Path) -> Result<SigningKey, CliError> {
    let path = keys.join("signing.key");
    let text =
        std::fs::read_to_string(&path).map_err(|source| CliError::Read { path: path.clone(), source })?;
    let wrong = || CliError::Usage {
        message: format!("{} holds no signing key", path.display()),
        remedy: "make one with `almoner keys auditor`",
    };
    let mut seed = [0; 32];
    hex::decode_to_slice(text.trim(), &mut seed).map_err(|_| wrong())?;
    SigningKey::from_seed(&seed).map_err(|_| wrong())
}
