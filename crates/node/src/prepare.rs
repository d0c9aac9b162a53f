//! Prepare: check, compute, add noise, seal and reserve, then say READY. Nothing is charged yet, and
//! the READY is the same whatever the data are.

use almoner_api::{Refusal, signed, v1};
use almoner_engine::{SourceError, Taken};
use almoner_federation::{Digest, QueryId};
use almoner_ledger::{Asked, Reservation, SignedApproval, StoredReady, Touched};
use almoner_privacy::{NoiseSource, PrivacyError, add_flips, add_share};
use almoner_query::Plan;
use almoner_secure_sum::{Ready, Ring, RoundState, Signed};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use crate::question::Question;
use crate::refused::chain;
use crate::{Node, Step};

impl Node {
    /// Answers one Prepare. The same question and attempt always get the same READY.
    pub async fn prepare(&self, request: v1::PrepareRequest) -> Result<v1::PrepareReply, Refusal> {
        self.standing.confirmed(self.limits.witness_timeout).await?;
        let started = Instant::now();
        let signed = signed(request.spec)?;
        let question = self.question(&signed, request.attempt)?;
        let asked = Asked { signature: signed.signature()?, body: signed.body };
        let (query, attempt) = (question.spec.query_id, question.attempt);
        self.check_age(&question).await?;
        self.expire().await?;
        if let Some(stored) = self.with_ledger(move |ledger| ledger.find(query, attempt)).await? {
            return ready_again(stored, question.spec_hash);
        }
        let verdict = self.judge(&question)?;
        let (planner, price) = (question.spec.planner.clone(), question.plan.price());
        let (touched, now_s) = (Touched::of(question.plan.territories()), self.clock.now_s());
        self.with_ledger(move |ledger| ledger.affordable(&planner, price, &touched, now_s)).await?;
        let approval = self.approval(verdict, &question, asked.signature).await?;
        // Waiting is bounded in time here, and in number by the connection's limit.
        let permit = timeout(self.limits.query_timeout, self.queries.acquire())
            .await
            .map_err(|_| Refusal::Busy)?
            .map_err(|_| Refusal::Internal)?;
        let noisy = if question.plan.sketches().is_empty() {
            self.noisy_cells(&question.plan).await
        } else {
            self.noisy_bits(&question.plan).await
        };
        drop(permit);
        // Everything that anyone can see (the ledger's move, READY's deadline, the answer) comes after the
        // slot, so that none of it tells when the work was done.
        self.wait_for_slot(started).await;
        self.reserve(question, asked, approval, noisy?).await
    }

    /// The bits of this agency's units, flipped at this node's share of the noise, 64 to a word.
    async fn noisy_bits(&self, plan: &Plan) -> Result<Taken<Vec<i64>>, Refusal> {
        // A plan of sketches needs a manifest with a key, and a node with such a manifest does not start without it.
        let key = self.sketch_key.as_ref().ok_or(Refusal::Internal)?;
        let Taken { values: mut words, snapshot } = self.in_time(self.source.bits(plan, key)).await?;
        let (sketches, width) = (plan.sketches().to_vec(), plan.width());
        drawn_from_noise(move |noise| {
            for cell in words.chunks_exact_mut(width) {
                for sketch in &sketches {
                    add_flips(&mut cell[sketch.first..sketch.first + sketch.words], sketch.flip, noise)?;
                }
            }
            Ok(words.into_iter().map(u64::cast_signed).collect())
        })
        .await
        .map(|values| Taken { values, snapshot })
    }

    /// What the source gives, if it does within the limit.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, SourceError>>) -> Result<T, Refusal> {
        match timeout(self.limits.query_timeout, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::error!(detail = error.local_detail(), "the source failed");
                Err(Refusal::Source)
            }
            Err(_) => {
                tracing::error!(
                    query_timeout = ?self.limits.query_timeout,
                    "the source took longer than query_timeout_s in [limits] allows and was stopped: raise it, or make the \
                     source faster (docs/data-officer.md, where your data are)"
                );
                Err(Refusal::Source)
            }
        }
    }

    /// This agency's cells, encoded, scaled and with this node's share of the noise. What is drawn does not depend on
    /// the cells: the noise is drawn while the source computes them.
    async fn noisy_cells(&self, plan: &Plan) -> Result<Taken<Vec<i64>>, Refusal> {
        let drawn = plan.clone();
        let share = drawn_from_noise(move |noise| {
            let mut share = Zeroizing::new(vec![0; drawn.dimension()]);
            add_share(&mut share, |index| drawn.sigma_of(index), noise)?;
            Ok(share)
        });
        // The noise first: it begins at once, the source only when its turn has come.
        let (share, Taken { values: mut cells, snapshot }) =
            tokio::try_join!(share, self.in_time(self.source.cells(plan)))?;
        let plan = plan.clone();
        let noisy = tokio::task::spawn_blocking(move || {
            plan.encode(&mut cells);
            plan.scale(&mut cells);
            // In place, so that the exact cells are nowhere any more.
            cells.iter_mut().zip(share.iter()).for_each(|(cell, share)| *cell = cell.wrapping_add(*share));
            cells
        });
        Ok(Taken { values: noisy.await.map_err(|_| Refusal::Internal)?, snapshot })
    }

    /// Seals the noisy cells, reserves their price and signs READY, durably and at once.
    async fn reserve(
        &self,
        question: Question,
        asked: Asked,
        approval: Option<SignedApproval>,
        noisy: Taken<Vec<i64>>,
    ) -> Result<v1::PrepareReply, Refusal> {
        Step::BeforeReserve.reached(self.drill);
        let mut nonce = [0; 32];
        SystemRandom::new().fill(&mut nonce).map_err(|_| Refusal::Internal)?;
        let Taken { values: noisy, snapshot } = noisy;
        let now_s = self.clock.now_s();
        let expires_at_s = now_s.saturating_add(self.limits.ready_expires_after_s);
        let Question { spec, spec_hash, plan, attempt, stale: _ } = question;
        let reservation = Reservation {
            query: spec.query_id,
            attempt,
            spec_hash,
            planner: spec.planner,
            cost: plan.price(),
            touched: Touched::of(plan.territories()),
            approval,
            asked,
            expires_at_s,
            now_s,
            noisy,
        };
        let (manifest_hash, node) = (self.manifest.hash(), self.id);
        let (cost, plan_hash) = (plan.price(), plan.hash());
        let ring = if plan.sketches().is_empty() { Ring::Z64 } else { Ring::Gf2 };
        let signing = self.signing.clone();
        let stored = self
            .with_ledger(move |ledger| {
                // Not at start: a ledger that was set back must write nothing before its witnesses were heard.
                ledger.load(snapshot, now_s)?;
                ledger.reserve(reservation, |position| {
                    let ready = Ready {
                        spec_hash,
                        manifest_hash,
                        node,
                        attempt,
                        nonce,
                        expires_at_s,
                        ledger_size: position.size,
                        ledger_root: position.root,
                        cost,
                        plan_hash,
                        ring,
                        snapshot,
                    };
                    let ready = Signed::sign(ready, &signing);
                    (ready.as_signed().bytes().to_vec(), *ready.as_signed().signature())
                })
            })
            .await?;
        Step::AfterReserve.reached(self.drill);
        ready_again(stored, spec_hash)
    }

    /// Frees the reservations whose time is over.
    pub(crate) async fn expire(&self) -> Result<(), Refusal> {
        let now_s = self.clock.now_s();
        self.with_ledger(move |ledger| ledger.expire(now_s)).await.map(|_| ())
    }

    /// The stored attempt of that name, whatever its state.
    pub(crate) async fn stored(&self, query: QueryId, attempt: u32) -> Result<StoredReady, Refusal> {
        self.with_ledger(move |ledger| ledger.find(query, attempt)).await?.ok_or(Refusal::Unprepared)
    }
}

/// What is made with the system's random source, away from the async threads.
async fn drawn_from_noise<T: Send + 'static>(
    draw: impl FnOnce(&mut NoiseSource) -> Result<T, PrivacyError> + Send + 'static,
) -> Result<T, Refusal> {
    let drawn = tokio::task::spawn_blocking(move || draw(&mut NoiseSource::from_system()?)).await;
    drawn.map_err(|_| Refusal::Internal)?.map_err(|error| {
        tracing::error!(error = %chain(&error), "the noise could not be drawn");
        Refusal::Internal
    })
}

/// The READY that was given before, when it was for the same question.
fn ready_again(stored: StoredReady, spec_hash: Digest) -> Result<v1::PrepareReply, Refusal> {
    if stored.spec_hash != spec_hash {
        return Err(Refusal::Conflict);
    }
    match stored.state {
        RoundState::Expired | RoundState::Aborted => Err(Refusal::Expired),
        RoundState::Prepared | RoundState::Charged { .. } => {
            Ok(v1::PrepareReply { ready: Some(v1::Signed::new(stored.ready, &stored.signature)) })
        }
    }
}
