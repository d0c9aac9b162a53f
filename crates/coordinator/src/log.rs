//! The registry as auditors read it: entries, checkpoints and proofs. No agency witnesses it: nodes do their own
//! accounts, so a forgotten release costs nobody's privacy; auditors cosign what they saw.

use std::sync::{Arc, PoisonError};

use almoner_api::{EntryPages, MAX_MESSAGE_BYTES, ReadEntries, Refusal, require, v1};
use almoner_federation::Role;
use almoner_ledger::LedgerError;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::Coordinator;

/// The service over one coordinator.
pub(crate) struct LogService(Arc<Coordinator>);

impl LogService {
    pub(crate) fn server(coordinator: Arc<Coordinator>) -> v1::log_server::LogServer<LogService> {
        v1::log_server::LogServer::new(LogService(coordinator))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }
}

type Pages<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl v1::log_server::Log for LogService {
    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::Checkpoint>, Status> {
        require(&request, &self.0.manifest, &[Role::Auditor])?;
        let note = self.0.checkpoint().await?.to_string();
        Ok(Response::new(v1::Checkpoint { note }))
    }

    type GetEntriesStream = Pages<v1::Entries>;

    async fn get_entries(
        &self,
        request: Request<v1::GetEntriesRequest>,
    ) -> Result<Response<Self::GetEntriesStream>, Status> {
        require(&request, &self.0.manifest, &[Role::Auditor])?;
        let size = self.0.with_registry(|registry| registry.position()).await?.size;
        Ok(Response::new(EntryPages::new(self.0.clone(), size, request.into_inner())?.stream()))
    }

    type GetQuestionsStream = Pages<v1::Signed>;

    async fn get_questions(
        &self,
        request: Request<v1::GetEntriesRequest>,
    ) -> Result<Response<Self::GetQuestionsStream>, Status> {
        require(&request, &self.0.manifest, &[Role::Auditor])?;
        Err(Status::unimplemented("a registry's questions are in its releases; use Coordinator.GetEvidence"))
    }

    async fn get_consistency(
        &self,
        request: Request<v1::GetConsistencyRequest>,
    ) -> Result<Response<v1::Proof>, Status> {
        require(&request, &self.0.manifest, &[Role::Auditor])?;
        let v1::GetConsistencyRequest { old_size, new_size } = request.into_inner();
        let proof =
            self.0.with_registry(move |registry| registry.consistency_proof(old_size, new_size)).await?;
        Ok(Response::new(v1::Proof::new(&proof.ok_or(Refusal::Malformed)?)))
    }

    async fn add_cosignature(
        &self,
        request: Request<v1::Checkpoint>,
    ) -> Result<Response<v1::AddCosignatureReply>, Status> {
        let caller = require(&request, &self.0.manifest, &[Role::Auditor])?;
        let auditor = self.0.manifest.auditors.iter().find(|auditor| auditor.name == caller.name);
        let key = auditor.ok_or(Refusal::Role)?.signing_key;
        let (note, own) = (request.into_inner().note, self.0.signing.verifying_key());
        let (shown, name) = (self.0.shown.clone(), caller.key_name());
        let added = self.0.with_registry(move |_| {
            match shown.lock().unwrap_or_else(PoisonError::into_inner).add(&note, &own, (&name, &key)) {
                Err(LedgerError::Checkpoint(error)) => Ok(Err(error)),
                added => added.map(Ok),
            }
        });
        added.await?.map_err(|error| {
            tracing::warn!(%error, "a cosignature was refused");
            Refusal::Signature
        })?;
        Ok(Response::new(v1::AddCosignatureReply {}))
    }
}

impl ReadEntries for Coordinator {
    async fn read(&self, from: u64, at_most: usize) -> Result<Vec<Vec<u8>>, Refusal> {
        self.with_registry(move |registry| registry.entries(from, at_most)).await
    }
}
