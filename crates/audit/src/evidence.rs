//! What a release proves to whoever holds the manifest: every signature, every commitment, the price
//! and, with the masked vectors, the sum. Nothing here trusts the coordinator.

use std::sync::Arc;

use almoner_api::{signed, to_signed, v1};
use almoner_federation::{Digest, Manifest, NodeId, lp};
use almoner_query::{Plan, Spec, plan};
use almoner_secure_sum::{Context, Masked, Output, Question, Ready, Releasing, Ring, Roster};
use thiserror::Error;

use crate::{Publication, WitnessError, check_witnessed};

/// What is wrong with a release.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvidenceError {
    /// A part is missing or not well formed.
    #[error("the {0} is missing or malformed")]
    Malformed(&'static str),
    /// A signature is not that of the party in the manifest.
    #[error("the signature of the {0} does not verify")]
    Signature(&'static str),
    /// The question was not asked under this manifest.
    #[error("the question was asked under another manifest")]
    Manifest,
    /// The question cannot be planned, or its plan is not the one that was signed.
    #[error("the question's plan is not the one that was signed")]
    Plan,
    /// Context, READYs and outputs do not belong together.
    #[error("context, READYs and outputs do not belong together")]
    Round,
    /// No participant holds the table: the total is noise and nothing else.
    #[error("no participant holds the table, so the total is noise alone")]
    Holders,
    /// A participant's charge was not shown to enough witnesses.
    #[error("node {node}: {error}")]
    Witnesses {
        /// Whose.
        node: NodeId,
        /// What is wrong.
        error: WitnessError,
    },
    /// The published total is not the one that the coordinator signed.
    #[error("the total is not the one that was signed")]
    Total,
    /// The masked vectors do not add up to the total, or are not those the nodes signed.
    #[error("the masked vectors do not add up to the published total")]
    Sum,
}

/// A release whose every signature and commitment was checked.
#[derive(Debug, Clone)]
pub struct VerifiedRelease {
    /// The planner's question.
    pub spec: Spec,
    /// Hash of the question: the release's name.
    pub spec_hash: Digest,
    /// The plan that follows from question and manifest.
    pub plan: Plan,
    /// Which try it was.
    pub attempt: u32,
    /// The round's context.
    pub context: Digest,
    /// Who took part, ascending.
    pub participants: Vec<NodeId>,
    /// Each participant's READY, in that order.
    pub readies: Vec<Ready>,
    /// Each participant's receipt, in that order.
    pub receipts: Vec<Output>,
    /// How the masked vectors make the total.
    pub ring: Ring,
    /// The noisy federation total.
    pub total: Vec<i64>,
    /// When it was published, seconds since 1970-01-01 UTC.
    pub published_at_s: u64,
}

/// Checks everything that a release shows without the masked vectors.
///
/// # Errors
/// The first thing found wrong.
pub fn verify_release(manifest: &Manifest, release: &v1::Release) -> Result<VerifiedRelease, EvidenceError> {
    use EvidenceError::{Malformed, Round, Signature};
    let asked = release.spec.as_ref().ok_or(Malformed("question"))?;
    let spec = Spec::decode(&asked.body).map_err(|_| Malformed("question"))?;
    if spec.federation != manifest.federation || spec.manifest_hash != manifest.hash() {
        return Err(EvidenceError::Manifest);
    }
    let planner = manifest.planner(&spec.planner).ok_or(Signature("question"))?;
    let signature = asked.signature().map_err(|_| Signature("question"))?;
    planner.signing_key.verify(&asked.body, &signature).map_err(|_| Signature("question"))?;
    let plan = plan(manifest, &spec.sql, spec.rho).map_err(|_| EvidenceError::Plan)?;
    if plan.hash() != spec.plan_hash {
        return Err(EvidenceError::Plan);
    }

    let roster = Arc::new(Roster::of(manifest).map_err(|_| EvidenceError::Manifest)?);
    let context = to_signed::<Context>(signed(release.context.clone()).map_err(|_| Malformed("context"))?)
        .map_err(|_| Malformed("context"))?;
    let readies = release
        .readies
        .iter()
        .map(|ready| to_signed(ready.clone()).map_err(|_| Malformed("READY")))
        .collect::<Result<Vec<_>, _>>()?;
    let attempt = context.verify(roster.coordinator()).map_err(|_| Signature("context"))?.attempt;
    let question = question_of(manifest, &plan, Digest::of(&asked.body), attempt);
    let round = Releasing::restore(roster.clone(), question, &context, &readies).map_err(|_| Round)?;
    let participants = round.context().participants.clone();
    if !manifest.are_held(plan.tables(), &participants) {
        return Err(EvidenceError::Holders);
    }
    if release.outputs.len() != participants.len() || release.checkpoints.len() != participants.len() {
        return Err(Malformed("outputs"));
    }
    let mut receipts = Vec::with_capacity(participants.len());
    for ((node, output), checkpoint) in participants.iter().zip(&release.outputs).zip(&release.checkpoints) {
        let output = read_output(&roster, *node, output)?;
        if output.node != *node || output.ctx_hash != round.ctx_hash() {
            return Err(Round);
        }
        check_witnessed(manifest, &output, checkpoint)
            .map_err(|error| EvidenceError::Witnesses { node: *node, error })?;
        receipts.push(output);
    }

    let published = release.publication.as_ref().ok_or(Malformed("publication"))?;
    let signature = published.signature().map_err(|_| Signature("publication"))?;
    roster.coordinator().verify(&published.body, &signature).map_err(|_| Signature("publication"))?;
    let publication = Publication::decode(&published.body).map_err(|_| Malformed("publication"))?;
    let stated = Publication::new(round.ctx_hash(), &release.total, publication.published_at_s);
    if publication != stated || release.total.len() != plan.dimension() {
        return Err(EvidenceError::Total);
    }
    Ok(VerifiedRelease {
        spec_hash: Digest::of(&asked.body),
        spec,
        plan,
        attempt,
        context: round.ctx_hash(),
        readies: round.readies().iter().map(|ready| (**ready).clone()).collect(),
        participants,
        receipts,
        ring: question.ring,
        total: release.total.clone(),
        published_at_s: publication.published_at_s,
    })
}

/// Checks a release and that the masked vectors, each as its node signed it, add up to its total.
///
/// # Errors
/// The first thing found wrong.
pub fn verify_evidence(
    manifest: &Manifest,
    evidence: &v1::Evidence,
) -> Result<VerifiedRelease, EvidenceError> {
    let release = evidence.release.as_ref().ok_or(EvidenceError::Malformed("release"))?;
    let verified = verify_release(manifest, release)?;
    if evidence.masked.len() != verified.participants.len() {
        return Err(EvidenceError::Sum);
    }
    let mut sum = vec![0u64; verified.total.len()];
    for (receipt, vector) in verified.receipts.iter().zip(&evidence.masked) {
        let masked = Masked::from_cells(vector.values.clone()).map_err(|_| EvidenceError::Sum)?;
        if masked.hash() != receipt.vector_hash || masked.cells().len() != sum.len() {
            return Err(EvidenceError::Sum);
        }
        verified.ring.combine(&mut sum, masked.cells());
    }
    let adds_up = sum.iter().zip(&verified.total).all(|(sum, total)| sum.cast_signed() == *total);
    if adds_up { Ok(verified) } else { Err(EvidenceError::Sum) }
}

fn read_output(roster: &Roster, node: NodeId, output: &v1::Signed) -> Result<Output, EvidenceError> {
    let member = roster.member(node).ok_or(EvidenceError::Round)?;
    let output = to_signed::<Output>(output.clone()).map_err(|_| EvidenceError::Malformed("output"))?;
    Ok(output.verify(&member.signing_key).map_err(|_| EvidenceError::Signature("output"))?.into_message())
}

/// What questions that may answer each other have in common, whoever asks and whatever they pay.
pub fn family_of(manifest: &Manifest, plan: &Plan) -> Digest {
    Digest::of(&lp(&[b"almoner/1/family", &manifest.hash().0, &plan.family().0]))
}

/// What every READY of one attempt must agree with.
pub fn question_of(manifest: &Manifest, plan: &Plan, spec_hash: Digest, attempt: u32) -> Question {
    Question {
        spec_hash,
        plan_hash: plan.hash(),
        cost: plan.price(),
        ring: if plan.sketches().is_empty() { Ring::Z64 } else { Ring::Gf2 },
        cells: plan.dimension(),
        attempt,
        quorum: manifest.policy.quorum,
        colluders: manifest.policy.colluders,
    }
}
