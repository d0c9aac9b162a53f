//! The registry as auditors read it: entries, checkpoints and proofs. No agency witnesses it: nodes do their own
//! accounts, so a forgotten release costs nobody's privacy; auditors cosign what they saw.

use std::sync::{Arc, PoisonError};

use almoner_api::{MAX_MESSAGE_BYTES, Refusal, require, v1};
use almoner_federation::Role;
use almoner_federation::checkpoint::{Board, CheckpointError};
use tokio::sync::mpsc::Sender;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::Coordinator;

/// Most entries in one message.
const PAGE: usize = 64;

/// Most messages waiting for a slow auditor.
const PAGES_IN_FLIGHT: usize = 2;

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
        let position = self.0.with_registry(|registry| registry.position()).await?;
        let shown = self.0.board(|board| board.show(position.size, position.root, &self.0.signing));
        let note = shown.map_err(|error| refused(&error, Refusal::Internal))?.to_string();
        Ok(Response::new(v1::Checkpoint { note }))
    }

    type GetEntriesStream = Pages<v1::Entries>;

    async fn get_entries(
        &self,
        request: Request<v1::GetEntriesRequest>,
    ) -> Result<Response<Self::GetEntriesStream>, Status> {
        require(&request, &self.0.manifest, &[Role::Auditor])?;
        let v1::GetEntriesRequest { from, to } = request.into_inner();
        let size = self.0.with_registry(|registry| registry.position()).await?.size;
        if from > to || to > size {
            return Err(Refusal::Malformed.into());
        }
        let (sender, receiver) = tokio::sync::mpsc::channel(PAGES_IN_FLIGHT);
        tokio::spawn(send_entries(self.0.clone(), from, to, sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
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
        let added = self.0.board(|board| board.add(&note, &own, (&caller.key_name(), &key)));
        added.map_err(|error| refused(&error, Refusal::Signature))?;
        Ok(Response::new(v1::AddCosignatureReply {}))
    }
}

impl Coordinator {
    fn board<T>(&self, step: impl FnOnce(&mut Board) -> T) -> T {
        // Each step replaces what is on the board as a whole.
        step(&mut self.board.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn refused(error: &CheckpointError, refusal: Refusal) -> Status {
    tracing::warn!(%error, refusal = refusal.word(), "a checkpoint was refused");
    refusal.into()
}

/// Sends entries `at` to `to`, as fast as the caller takes them.
async fn send_entries(
    coordinator: Arc<Coordinator>,
    mut at: u64,
    to: u64,
    sender: Sender<Result<v1::Entries, Status>>,
) {
    while at < to {
        let most = usize::try_from(to - at).map_or(PAGE, |left| left.min(PAGE));
        let entries = coordinator.with_registry(move |registry| registry.entries(at, most)).await;
        // What the position counts is there; were it not, this ends all the same.
        let entries =
            entries.and_then(|found| if found.is_empty() { Err(Refusal::Internal) } else { Ok(found) });
        at = entries.as_ref().map_or(to, |entries| at + entries.len() as u64);
        let page = entries.map(|entries| v1::Entries { entries }).map_err(Status::from);
        if sender.send(page).await.is_err() {
            return;
        }
    }
}
