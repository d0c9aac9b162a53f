//! The gRPC face of the witness: an agency asks about its own ledger and no other; auditors may ask about all.

use std::sync::Arc;

use almoner_api::{Refusal, require, v1};
use almoner_federation::Role;
use almoner_federation::note::KeyName;
use tonic::{Request, Response, Status};

use super::{Answer, Fault};
use crate::Node;
use crate::refused::{chain, refuse};

/// Largest message: a note and a proof of at most 65 hashes.
const MAX_BYTES: usize = 16 << 10;

/// The service over one node.
pub(crate) struct WitnessService(Arc<Node>);

impl WitnessService {
    pub(crate) fn server(node: Arc<Node>) -> v1::witness_server::WitnessServer<WitnessService> {
        v1::witness_server::WitnessServer::new(WitnessService(node))
            .max_decoding_message_size(MAX_BYTES)
            .max_encoding_message_size(MAX_BYTES)
    }

    async fn cosign(&self, origin: KeyName, request: v1::CosignRequest) -> Result<v1::CosignReply, Refusal> {
        let note = request.checkpoint.ok_or(Refusal::Malformed)?.note;
        let proof = request.proof.unwrap_or_default().digests()?;
        let node = self.0.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let signer = (node.log.origin(), &*node.signing);
            let from = (request.old_size, proof.as_slice());
            node.memory.cosign(&origin, &note, from, signer, node.clock.now_s())
        });
        let answer = answer.await.map_err(|_| Refusal::Internal)?.map_err(|fault| refusal(&fault))?;
        Ok(match answer {
            Answer::Cosigned { note, size } => {
                v1::CosignReply { checkpoint: Some(v1::Checkpoint { note }), remembered: size }
            }
            Answer::Remembered(size) => v1::CosignReply { checkpoint: None, remembered: size },
        })
    }
}

#[tonic::async_trait]
impl v1::witness_server::Witness for WitnessService {
    async fn cosign(&self, request: Request<v1::CosignRequest>) -> Result<Response<v1::CosignReply>, Status> {
        let caller =
            require(&request, &self.0.manifest, &[Role::Agency]).map_err(refuse("cosign"))?.key_name();
        // The certificate says whose ledger it is; a checkpoint of another one's is refused by its origin.
        self.cosign(caller, request.into_inner()).await.map(Response::new).map_err(refuse("cosign"))
    }

    async fn remembered(
        &self,
        request: Request<v1::RememberedRequest>,
    ) -> Result<Response<v1::Checkpoint>, Status> {
        let refuse = refuse("remembered");
        let caller = require(&request, &self.0.manifest, &[Role::Agency, Role::Auditor]).map_err(&refuse)?;
        let origin: KeyName =
            request.get_ref().origin.parse().map_err(|_| Refusal::Malformed).map_err(&refuse)?;
        if caller.role == Role::Agency && caller.key_name() != origin {
            return Err(refuse(Refusal::Role));
        }
        let note = self.0.memory.remembered(&origin).map_err(|fault| refuse(refusal(&fault)))?;
        Ok(Response::new(v1::Checkpoint { note }))
    }
}

fn refusal(fault: &Fault) -> Refusal {
    match fault {
        Fault::Unknown => Refusal::Role,
        Fault::Checkpoint(error) => {
            tracing::warn!(error = %chain(error), "a checkpoint was refused");
            Refusal::Signature
        }
        Fault::Fork => Refusal::Fork,
        Fault::Disk(error) => {
            tracing::error!(%error, "a checkpoint could not be kept, so it was not cosigned");
            Refusal::Internal
        }
    }
}
