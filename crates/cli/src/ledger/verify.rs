//! What a ledger's file says, after it was read whole.

use std::path::Path;

use almoner_federation::Digest;
use almoner_ledger::{Accounts, Books, Entry, FileKind, LedgerError, LedgerReader, Position, RegistryEntry};

use crate::cli_error::CliError;

pub(super) fn run(file: &Path) -> Result<(), CliError> {
    let reader = LedgerReader::open(file)?;
    let (position, more) = match reader.kind() {
        FileKind::NodeLedger => {
            let (position, books) = node(&reader)?;
            let limit = books.policy().map(|policy| policy.limits.total).unwrap_or_default();
            let more = format!("charged {} of {limit} rho", books.charged_total());
            (position, more)
        }
        FileKind::Registry => {
            let mut accounts = Accounts::default();
            let position = reader.replay(|number, bytes, _| {
                let entry = RegistryEntry::decode(bytes).map_err(|e| damaged(number, e.to_string()))?;
                accounts.apply(number, &entry).map_err(|problem| damaged(number, problem.to_owned()))
            })?;
            let mut releases = 0u64;
            reader.releases(|_, _| {
                releases += 1;
                Ok::<_, LedgerError>(())
            })?;
            (position, format!("{releases} releases"))
        }
    };
    println!("{}: sound; {} entries, root {}, {more}", file.display(), position.size, position.root);
    println!("Whether this is the newest state, only witnesses and auditors can tell.");
    Ok(())
}

/// Replays a node's ledger: its position and its books.
pub(super) fn node(reader: &LedgerReader) -> Result<(Position, Books), LedgerError> {
    let mut books = Books::new();
    let position = reader.replay(|number, bytes, root: Digest| {
        let entry = Entry::decode(bytes).map_err(|error| damaged(number, error.to_string()))?;
        let after = Position { size: number + 1, root };
        books.apply(&entry, after).map_err(|fault| damaged(number, fault.to_string()))
    })?;
    Ok((position, books))
}

fn damaged(number: u64, problem: String) -> LedgerError {
    LedgerError::Damaged { place: format!("entry {number}"), problem }
}
