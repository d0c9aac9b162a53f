//! `almoner node policy`: what the ledger may spend, as it is and as manifest and node.toml ask for, and the signatures
//! that change it.

use std::path::{Path, PathBuf};

use almoner_federation::{Digest, Signature, VerifyingKey};
use almoner_ledger::{LedgerReader, Policy, Position, SignedPolicy};
use almoner_node::{Clock, NodeConfig, SystemClock, ledger_path, officer_key, open_for_officer, policy_of};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::verify;
use crate::cli_error::CliError;

/// Show what the ledger may spend, and sign a change as its data officer; to put one in force, stop the node.
#[derive(Args)]
pub(crate) struct PolicyCommand {
    /// The agency's node.toml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Sign what manifest and node.toml ask for now, and put it in force.
    #[arg(long)]
    sign: bool,
    /// The data officer's key [default: officer.key among the node's keys].
    #[arg(long, value_name = "FILE", requires = "sign")]
    officer: Option<PathBuf>,
    /// Write the signed change to this file instead, for an auditor to countersign.
    #[arg(long, value_name = "FILE", requires = "sign")]
    out: Option<PathBuf>,
    /// Put a countersigned change in force.
    #[arg(long, value_name = "FILE", conflicts_with = "sign")]
    apply: Option<PathBuf>,
}

impl PolicyCommand {
    pub(crate) fn run(self) -> Result<(), CliError> {
        let config = NodeConfig::read(&self.config)?;
        let path = ledger_path(&config);
        if let Some(file) = self.apply {
            return apply(&config, &path, Change::read(&file)?);
        }
        let (position, books) = verify::node(&LedgerReader::open(&path)?)?;
        let before = books.policy().cloned().ok_or_else(|| CliError::Usage {
            message: format!("{} is under no policy", path.display()),
            remedy: "begin it with `almoner node init`",
        })?;
        let wanted = policy_of(&config);
        print!("{}", difference(&before, &wanted));
        if before == wanted {
            println!("This is in force.");
            return Ok(());
        }
        if !self.sign {
            println!("The left is in force; sign the right with --sign.");
            return Ok(());
        }
        let officer = self.officer.unwrap_or_else(|| config.keys.join("officer.key"));
        let signed = wanted.sign(position, &officer_key(&config, &officer)?);
        let change = Change { after: position, signed };
        match self.out {
            Some(file) => {
                change.write(&file)?;
                println!(
                    "Signed. An auditor adds a signature with `almoner audit countersign`; then --apply it here."
                );
                Ok(())
            }
            None if !before.auditors.is_empty() => Err(CliError::Usage {
                message: "an auditor must sign this change, too".into(),
                remedy: "write it to a file with --out, have it countersigned, and --apply it",
            }),
            None => apply(&config, &path, change),
        }
    }
}

fn apply(config: &NodeConfig, path: &Path, change: Change) -> Result<(), CliError> {
    let ledger = open_for_officer(config, path)?;
    let position = ledger.change_policy(change.signed, SystemClock.now_s())?;
    println!("In force from entry {} on.", position.size - 1);
    Ok(())
}

/// A signed change on its way between officer, auditor and ledger.
pub(crate) struct Change {
    pub after: Position,
    pub signed: SignedPolicy,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeFile {
    after_size: u64,
    after_root: Digest,
    policy: String,
    officer: String,
    auditor_key: Option<VerifyingKey>,
    auditor: Option<String>,
}

impl Change {
    pub(crate) fn read(file: &Path) -> Result<Change, CliError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| CliError::Read { path: file.to_owned(), source })?;
        let wrong = || CliError::Usage {
            message: format!("{} is no signed change of a policy", file.display()),
            remedy: "make one with `almoner node policy --sign --out FILE`",
        };
        let read: ChangeFile = serde_json::from_str(&text).map_err(|_| wrong())?;
        let signature = |text: &str| {
            let bytes = hex::decode(text).map_err(|_| wrong())?;
            Signature::try_from(bytes.as_slice()).map_err(|_| wrong())
        };
        let policy = hex::decode(&read.policy).map_err(|_| wrong())?;
        let auditor = match (read.auditor_key, &read.auditor) {
            (Some(key), Some(text)) => Some((key, signature(text)?)),
            (None, None) => None,
            _ => return Err(wrong()),
        };
        Ok(Change {
            after: Position { size: read.after_size, root: read.after_root },
            signed: SignedPolicy {
                policy: Policy::decode(&policy).map_err(|_| wrong())?,
                officer: signature(&read.officer)?,
                auditor,
            },
        })
    }

    pub(crate) fn write(&self, file: &Path) -> Result<(), CliError> {
        let SignedPolicy { policy, officer, auditor } = &self.signed;
        let text = serde_json::to_string_pretty(&ChangeFile {
            after_size: self.after.size,
            after_root: self.after.root,
            policy: hex::encode(policy.encode()),
            officer: hex::encode(officer.0),
            auditor_key: auditor.map(|(key, _)| key),
            auditor: auditor.map(|(_, signature)| hex::encode(signature.0)),
        })
        .expect("hashes and hexadecimal text are JSON");
        std::fs::write(file, text + "\n").map_err(|source| CliError::Write { path: file.to_owned(), source })
    }
}

/// Both policies side by side, one line each; rules that differ in full.
pub(crate) fn difference(before: &Policy, after: &Policy) -> String {
    let lines = |policy: &Policy| {
        let limits = &policy.limits;
        let mut lines = vec![
            ("ledger".to_owned(), policy.origin.to_string()),
            ("manifest".into(), policy.manifest_hash.to_string()),
            ("total rho".into(), limits.total.to_string()),
            (
                "rho of a period".into(),
                limits.period.map_or("no limit".into(), |p| format!("{} a {}", p.rho, p.length)),
            ),
            (
                "rho of a territory".into(),
                limits.territory.map_or("no limit".into(), |t| {
                    format!("{} for each of {}, a unit in {} at most", t.rho, t.count, t.placements)
                }),
            ),
            ("auditors who sign".into(), policy.auditors.len().to_string()),
        ];
        let planners = limits.planners.iter();
        lines.extend(planners.map(|(name, rho)| (format!("planner {name}"), rho.to_string())));
        lines
    };
    let (old, new) = (lines(before), lines(after));
    let mut text = String::new();
    for (what, value) in &old {
        let now = new.iter().find(|(name, _)| name == what).map(|(_, value)| value.as_str());
        text += &match now {
            Some(now) if now == value => format!("  {what}: {value}\n"),
            Some(now) => format!("* {what}: {value} -> {now}\n"),
            None => format!("* {what}: {value} -> no longer there\n"),
        };
    }
    for (what, value) in new.iter().filter(|(what, _)| old.iter().all(|(name, _)| name != what)) {
        text += &format!("* {what}: not there -> {value}\n");
    }
    if before.rules == after.rules {
        text += "  rules: unchanged\n";
    } else {
        text += &format!("* rules, in force:\n{}\n* rules, asked for:\n{}\n", before.rules, after.rules);
    }
    text
}
