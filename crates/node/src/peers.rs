//! The other agencies as witnesses of this node's ledger.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use almoner_api::v1::witness_client::WitnessClient;
use almoner_api::{Refusal, TlsError, TlsFiles, v1};
use almoner_federation::checkpoint::{Cosignature, SignedCheckpoint, UnverifiedCheckpoint};
use almoner_federation::note::KeyName;
use almoner_federation::{Manifest, Name, Role, VerifyingKey};
use tokio::time::timeout;
use tonic::Status;
use tonic::transport::Channel;

use crate::own_log::{Memory, OwnLog};
use crate::standing::{RolledBack, Standing};

/// Largest message from a witness: a note with two signatures.
const MAX_BYTES: usize = 16 << 10;

/// How long one call may take.
const CALL: Duration = Duration::from_secs(5);

/// How often one round asks the same witness again because it remembers another size than we thought.
const TRIES: usize = 3;

/// Another agency's node.
pub(crate) struct Peer {
    name: Name,
    key_name: KeyName,
    key: VerifyingKey,
    client: WitnessClient<Channel>,
    /// The size that it remembers, as far as we know.
    remembered: AtomicU64,
}

impl Peer {
    /// A channel to every agency but `own`; connects to none yet.
    pub(crate) fn all(manifest: &Manifest, own: &Name, tls: &TlsFiles) -> Result<Vec<Peer>, TlsError> {
        let others = manifest.agencies.iter().filter(|agency| agency.name != *own);
        others
            .map(|agency| {
                let identity = manifest.identity(Role::Agency, &agency.name);
                let client = WitnessClient::new(tls.channel(&agency.endpoint, &identity)?)
                    .max_decoding_message_size(MAX_BYTES)
                    .max_encoding_message_size(MAX_BYTES);
                Ok(Peer {
                    name: agency.name.clone(),
                    key_name: identity.key_name(),
                    key: agency.signing_key,
                    client,
                    remembered: AtomicU64::new(0),
                })
            })
            .collect()
    }

    /// Whose node it is.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// The name and key under which it cosigns.
    pub(crate) fn cosigner(&self) -> (KeyName, VerifyingKey) {
        (self.key_name.clone(), self.key)
    }

    /// Hears what it remembers of `log`. True when the ledger begins with that; when the ledger proves to be older
    /// than that, the node's `standing` ends.
    pub(crate) async fn hear(&self, log: &OwnLog, standing: &Standing) -> Result<bool, Status> {
        let request = v1::RememberedRequest { origin: log.origin().to_string() };
        let reply = in_time(self.client.clone().remembered(request)).await?;
        match log.compare(&reply.note).await? {
            Memory::Begins => Ok(true),
            Memory::Contradicts(remembered) => {
                let found = log.position().await?;
                tracing::error!(
                    witness = %self.name,
                    remembered.size = remembered.size,
                    remembered.root = %remembered.root,
                    found.size = found.size,
                    found.root = %found.root,
                    "the ledger does not begin with a checkpoint that this node signed: it was put back from an \
                     older copy, or begun anew"
                );
                standing.end(RolledBack { witness: self.name.clone(), remembered, found });
                Ok(false)
            }
            Memory::Unproven => {
                tracing::warn!(witness = %self.name, "what it remembers of this ledger was not signed here");
                Ok(false)
            }
        }
    }

    /// Gets its cosignature of `checkpoint`, which `log` signed.
    pub(crate) async fn cosign(
        &self,
        log: &OwnLog,
        checkpoint: &SignedCheckpoint,
        standing: &Standing,
    ) -> Result<Cosignature, Status> {
        let size = checkpoint.checkpoint().size;
        for _ in 0..TRIES {
            let old_size = self.remembered.load(Ordering::Relaxed).min(size);
            let proof = log.proof(old_size, size).await?.ok_or(Refusal::Internal)?;
            let request = v1::CosignRequest {
                checkpoint: Some(v1::Checkpoint { note: checkpoint.to_string() }),
                old_size,
                proof: Some(v1::Proof::new(&proof)),
            };
            let reply = match in_time(self.client.clone().cosign(request)).await {
                Err(status) if Refusal::from_status(&status) == Some(Refusal::Fork) => {
                    // Its word alone ends nothing; what this node signed would.
                    self.hear(log, standing).await?;
                    return Err(status);
                }
                reply => reply?,
            };
            if reply.remembered > size {
                self.hear(log, standing).await?;
                return Err(Status::aborted("it remembers more than this ledger has"));
            }
            self.remembered.store(reply.remembered, Ordering::Relaxed);
            if let Some(v1::Checkpoint { note }) = reply.checkpoint {
                return self.cosignature(log, checkpoint, &note).ok_or_else(|| {
                    Status::data_loss("the answer has no cosignature of the checkpoint by the witness")
                });
            }
        }
        Err(Status::aborted("the witness remembers another size each time"))
    }

    fn cosignature(&self, log: &OwnLog, checkpoint: &SignedCheckpoint, note: &str) -> Option<Cosignature> {
        let read = UnverifiedCheckpoint::parse(note).ok()?.verify(log.origin(), &log.key()).ok()?;
        let mut lines = read.cosignatures().filter(|line| *line.name() == self.key_name);
        lines.find(|line| line.verify(checkpoint.checkpoint(), &self.key).is_ok())
    }
}

async fn in_time<T>(call: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, Status> {
    let answer = timeout(CALL, call).await;
    answer
        .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
        .map(tonic::Response::into_inner)
}
