//! The ledger as auditors read it: entries, the questions behind them, checkpoints and proofs.

use std::collections::HashSet;
use std::sync::Arc;

use almoner_api::{EntryPages, MAX_MESSAGE_BYTES, PAGES_IN_FLIGHT, Refusal, require, v1};
use almoner_federation::{Digest, Role};
use almoner_ledger::{Entry, Step};
use tokio::sync::mpsc::Sender;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::Node;
use crate::own_log::OwnLog;
use crate::refused::refuse;

/// The service over one node.
pub(crate) struct LogService(Arc<Node>);

impl LogService {
    pub(crate) fn server(node: Arc<Node>) -> v1::log_server::LogServer<LogService> {
        v1::log_server::LogServer::new(LogService(node))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// The entries that are asked for, if the ledger has them.
    async fn entries(&self, request: v1::GetEntriesRequest) -> Result<EntryPages<OwnLog>, Refusal> {
        let log = self.0.log.clone();
        let size = log.position().await?.size;
        EntryPages::new(log, size, request)
    }
}

type Pages<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl v1::log_server::Log for LogService {
    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::Checkpoint>, Status> {
        let refuse = refuse("get-checkpoint");
        require(&request, &self.0.manifest, &[Role::Auditor]).map_err(&refuse)?;
        // A ledger that may be older than what this node signed signs nothing.
        self.0.standing.check().map_err(&refuse)?;
        let note = self.0.log.checkpoint().await.map_err(&refuse)?.to_string();
        Ok(Response::new(v1::Checkpoint { note }))
    }

    type GetEntriesStream = Pages<v1::Entries>;

    async fn get_entries(
        &self,
        request: Request<v1::GetEntriesRequest>,
    ) -> Result<Response<Self::GetEntriesStream>, Status> {
        let refuse = refuse("get-entries");
        require(&request, &self.0.manifest, &[Role::Auditor]).map_err(&refuse)?;
        let entries = self.entries(request.into_inner()).await.map_err(&refuse)?;
        Ok(Response::new(entries.stream()))
    }

    type GetQuestionsStream = Pages<v1::Signed>;

    async fn get_questions(
        &self,
        request: Request<v1::GetEntriesRequest>,
    ) -> Result<Response<Self::GetQuestionsStream>, Status> {
        let refuse = refuse("get-questions");
        require(&request, &self.0.manifest, &[Role::Auditor]).map_err(&refuse)?;
        let entries = self.entries(request.into_inner()).await.map_err(&refuse)?;
        let (sender, receiver) = tokio::sync::mpsc::channel(PAGES_IN_FLIGHT);
        tokio::spawn(send_questions(self.0.log.clone(), entries, sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn get_consistency(
        &self,
        request: Request<v1::GetConsistencyRequest>,
    ) -> Result<Response<v1::Proof>, Status> {
        let refuse = refuse("get-consistency");
        require(&request, &self.0.manifest, &[Role::Auditor]).map_err(&refuse)?;
        let v1::GetConsistencyRequest { old_size, new_size } = request.into_inner();
        let proof = self.0.log.proof(old_size, new_size).await.map_err(&refuse)?;
        let proof = proof.ok_or(Refusal::Malformed).map_err(&refuse)?;
        Ok(Response::new(v1::Proof::new(&proof)))
    }

    async fn add_cosignature(
        &self,
        request: Request<v1::Checkpoint>,
    ) -> Result<Response<v1::AddCosignatureReply>, Status> {
        let refuse = refuse("add-cosignature");
        let caller = require(&request, &self.0.manifest, &[Role::Auditor]).map_err(&refuse)?;
        let auditor = self.0.manifest.auditors.iter().find(|auditor| auditor.name == caller.name);
        let key = auditor.ok_or(Refusal::Role).map_err(&refuse)?.signing_key;
        self.0.log.add(request.into_inner().note, (caller.key_name(), key)).await.map_err(&refuse)?;
        Ok(Response::new(v1::AddCosignatureReply {}))
    }
}

/// The questions that RESERVE entries among these name, but for those that were `told` before.
fn named(entries: &[Vec<u8>], told: &mut HashSet<Digest>) -> Vec<Digest> {
    let reserved = entries.iter().filter_map(|entry| match Entry::decode(entry) {
        Ok(Entry::Round(round)) if matches!(round.step, Step::Reserve { .. }) => Some(round.spec_hash),
        _ => None,
    });
    reserved.filter(|hash| told.insert(*hash)).collect()
}

async fn send_questions(
    log: Arc<OwnLog>,
    mut entries: EntryPages<OwnLog>,
    sender: Sender<Result<v1::Signed, Status>>,
) {
    let mut told = HashSet::new();
    while let Some(page) = entries.next().await {
        let page = match page {
            Ok(page) => page,
            Err(refusal) => {
                // Whoever hung up needs no reason.
                let _ = sender.send(Err(refusal.into())).await;
                return;
            }
        };
        for hash in named(&page, &mut told) {
            let asked = log.with_ledger(move |ledger| ledger.question(&hash)).await;
            let asked = asked.and_then(|asked| asked.ok_or(Refusal::Internal));
            let signed = asked.map(|asked| v1::Signed::new(asked.body, &asked.signature));
            if sender.send(signed.map_err(Status::from)).await.is_err() {
                return;
            }
        }
    }
}
