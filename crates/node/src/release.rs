//! Release: check the context, charge, have the charge witnessed, mask, answer. The charge is durable, here and at
//! enough other agencies, before the first byte leaves, and the same context gets the same bytes however often it is sent.

use std::sync::Arc;

use almoner_api::{Refusal, masked_chunks, signed, to_signed, to_wire, v1};
use almoner_federation::{Digest, QueryId};
use almoner_secure_sum::{Context, Masked, NodeRound, Output, Release, Signed, mask};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::{Node, Step, refused};

/// Most chunks waiting for a slow coordinator.
const CHUNKS_IN_FLIGHT: usize = 4;

/// Longest audit path: beyond any roster.
const MAX_PROOF: usize = 16;

/// A masked vector with its receipt, ready to send.
pub struct Receipt {
    masked: Masked,
    output: v1::Signed,
    checkpoint: String,
}

impl Node {
    /// Answers one Release with the masked vector.
    pub async fn release(&self, request: v1::ReleaseRequest) -> Result<Receipt, Refusal> {
        self.standing.confirmed(self.limits.witness_timeout).await?;
        let query = QueryId(request.query_id.as_slice().try_into().map_err(|_| Refusal::Malformed)?);
        let release = read_release(request)?;
        // The attempt is only a name to look the READY up by; what counts is checked in `accept`.
        let attempt = read_attempt(&release)?;
        self.expire().await?;
        let stored = self.stored(query, attempt).await?;
        let round = NodeRound::restore(&stored.ready, stored.state).map_err(|_| Refusal::Internal)?;
        let accepted = round
            .accept(&release, &self.roster, &self.rules, self.clock.now_s())
            .map_err(|error| refused::by_protocol(&error))?;

        Step::BeforeCharge.reached(self.drill);
        let now_s = self.clock.now_s();
        let token = accepted.clone();
        let charged = self.with_ledger(move |ledger| ledger.charge(query, attempt, &token, now_s)).await?;
        Step::AfterCharge.reached(self.drill);

        // A charge that others do not remember could be forgotten with this disk: nothing leaves before they do.
        let checkpoint = self.cosigning.covering(charged.position().size).await?;
        self.standing.check()?;
        Step::AfterWitnessed.reached(self.drill);

        let (roots, signing, node) = (self.roots.clone(), self.signing.clone(), self.id);
        tokio::task::spawn_blocking(move || {
            let masked =
                mask(charged.noisy(), &accepted, &roots).map_err(|error| refused::by_protocol(&error))?;
            let position = charged.position();
            let output = Output {
                ctx_hash: accepted.hash(),
                node,
                vector_hash: masked.hash(),
                ledger_size: position.size,
                ledger_root: position.root,
            };
            let output = to_wire(Signed::sign(output, &signing).as_signed());
            Ok(Receipt { masked, output, checkpoint })
        })
        .await
        .map_err(|_| Refusal::Internal)?
    }

    /// Streams a masked vector as fast as the coordinator takes it.
    pub(crate) fn send(self: Arc<Self>, receipt: Receipt) -> ReceiverStream<Result<v1::MaskedChunk, Status>> {
        let (sender, receiver) = tokio::sync::mpsc::channel(CHUNKS_IN_FLIGHT);
        tokio::spawn(async move {
            for chunk in masked_chunks(&receipt.masked, receipt.output, receipt.checkpoint) {
                if sender.send(Ok(chunk)).await.is_err() {
                    return;
                }
                Step::AfterFirstChunk.reached(self.drill);
            }
        });
        ReceiverStream::new(receiver)
    }
}

fn read_release(request: v1::ReleaseRequest) -> Result<Release, Refusal> {
    if request.proof.len() > MAX_PROOF {
        return Err(Refusal::Malformed);
    }
    let proof = request
        .proof
        .iter()
        .map(|hash| hash.as_slice().try_into().map(Digest).map_err(|_| Refusal::Malformed))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Release { context: to_signed(signed(request.context)?)?, proof })
}

fn read_attempt(release: &Release) -> Result<u32, Refusal> {
    use almoner_secure_sum::Message;
    let context = Context::decode(release.context.bytes()).map_err(|_| Refusal::Malformed)?;
    Ok(context.attempt)
}
