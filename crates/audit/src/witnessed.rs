//! Whether a ledger that holds a charge was shown to enough witnesses before the answer left.

use almoner_federation::checkpoint::{Checkpoint, UnverifiedCheckpoint};
use almoner_federation::note::KeyName;
use almoner_federation::{Manifest, NodeId, Role, VerifyingKey};
use almoner_secure_sum::Output;
use thiserror::Error;

/// Why a checkpoint does not witness a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WitnessError {
    /// Not a checkpoint of that agency's ledger, signed by it.
    #[error("there is no checkpoint that the agency signed")]
    Unsigned,
    /// It ends before the charge.
    #[error("the checkpoint ends before the charge")]
    Early,
    /// It has the receipt's size and another root.
    #[error("the checkpoint and the receipt are of two different ledgers")]
    Fork,
    /// Fewer cosignatures than the manifest asks for.
    #[error("{found} agencies cosigned the checkpoint, {wanted} must")]
    Witnesses {
        /// Cosignatures of other agencies.
        found: u32,
        /// How many the manifest asks for.
        wanted: u32,
    },
}

/// The agencies that may witness the ledger of `node`: all others, under the names and keys of their cosignatures.
pub fn witnesses_of(manifest: &Manifest, node: NodeId) -> Vec<(KeyName, VerifyingKey)> {
    let others = manifest.agencies.iter().filter(|agency| agency.node != node);
    others
        .map(|agency| (manifest.identity(Role::Agency, &agency.name).key_name(), agency.signing_key))
        .collect()
}

/// Checks that `note` is a checkpoint of the ledger in which `output` says its charge is, and that as many other
/// agencies cosigned it as the manifest asks for. Whether a longer ledger continues the receipt's shows only in its
/// entries.
///
/// # Errors
/// The first thing found wrong. Where the manifest asks for no witnesses, an empty note is right.
pub fn check_witnessed(
    manifest: &Manifest,
    output: &Output,
    note: &str,
) -> Result<Option<Checkpoint>, WitnessError> {
    let wanted = manifest.policy.witnesses;
    if wanted == 0 && note.is_empty() {
        return Ok(None);
    }
    let agency = manifest.agency(output.node).ok_or(WitnessError::Unsigned)?;
    let origin = manifest.identity(Role::Agency, &agency.name).key_name();
    let signed = UnverifiedCheckpoint::parse(note).and_then(|note| note.verify(&origin, &agency.signing_key));
    let signed = signed.map_err(|_| WitnessError::Unsigned)?;
    let checkpoint = signed.checkpoint();
    if checkpoint.size < output.ledger_size {
        return Err(WitnessError::Early);
    }
    if checkpoint.size == output.ledger_size && checkpoint.root != output.ledger_root {
        return Err(WitnessError::Fork);
    }
    let cosigners = signed.cosigners(&witnesses_of(manifest, output.node));
    let found = cosigners.map_or(0, |cosigners| cosigners.len() as u32);
    if found < wanted {
        return Err(WitnessError::Witnesses { found, wanted });
    }
    Ok(Some(checkpoint.clone()))
}
