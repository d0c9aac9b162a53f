//! Asking: sign the question, keep it, send it, and believe only an answer that proves itself.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use almoner_api::{Refusal, v1};
use almoner_audit::{VerifiedRelease, verify_release};
use almoner_federation::{Manifest, NodeId, QueryId};
use almoner_query::{Answer, Plan, Spec, plan};
use ring::rand::{SecureRandom, SystemRandom};

use crate::cli_error::CliError;
use crate::planner::Planner;
use crate::query::progress::ProgressLines;

/// A signed question.
pub(crate) struct Asked {
    pub spec: Spec,
    signed: v1::Signed,
}

/// A proven answer.
pub(crate) struct Answered {
    pub answer: Answer,
    pub release: VerifiedRelease,
    /// Published before, so that nothing was charged now.
    pub repeat: bool,
    /// The question, in canonical SQL; the release may have been published for another.
    pub question: String,
    /// Agencies of the manifest that did not take part.
    pub absent: Vec<NodeId>,
}

/// Signs the question that `plan` is the plan of, and keeps it so that its round can be resumed.
/// `purpose` is what the answer is wanted for, in a sentence.
pub(crate) fn prepare(planner: &Planner, plan: Plan, purpose: &str) -> Result<Asked, CliError> {
    let mut query_id = [0; 16];
    SystemRandom::new().fill(&mut query_id).map_err(|_| CliError::Usage {
        message: "the system's random source failed".into(),
        remedy: "repair the machine before asking",
    })?;
    let spec = Spec {
        federation: planner.manifest.federation.clone(),
        manifest_hash: planner.manifest.hash(),
        query_id: QueryId(query_id),
        planner: planner.name.clone(),
        sql: plan.canonical_sql().to_owned(),
        rho: plan.rho_limit(),
        plan_hash: plan.hash(),
        purpose: purpose.to_owned(),
        issued_at_s: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs()),
    };
    let body = spec.encode();
    let signature = planner.signing_key()?.sign(&body);
    let path = question_path(planner, spec.query_id);
    let kept = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(&path, [body.as_slice(), &signature.0].concat()));
    kept.map_err(|source| CliError::Write { path, source })?;
    Ok(Asked { spec, signed: v1::Signed::new(body, &signature) })
}

fn question_path(planner: &Planner, query: QueryId) -> PathBuf {
    planner.keys.join("questions").join(query.to_string())
}

impl Asked {
    /// A question that was signed before.
    pub(crate) fn saved(planner: &Planner, query: QueryId) -> Result<Asked, CliError> {
        let path = question_path(planner, query);
        let bytes = std::fs::read(&path).map_err(|source| CliError::Read { path: path.clone(), source })?;
        let wrong = || CliError::Usage {
            message: format!("{} is not a question of this federation", path.display()),
            remedy: "ask it anew",
        };
        let (body, signature) = bytes.split_last_chunk::<64>().ok_or_else(wrong)?;
        let spec = Spec::decode(body).map_err(|_| wrong())?;
        let signature = almoner_federation::Signature(*signature);
        Ok(Asked { spec, signed: v1::Signed::new(body.to_vec(), &signature) })
    }
}

/// Asks the coordinator and checks what it answers.
pub(crate) async fn ask(
    planner: &Planner,
    asked: &Asked,
    fresh: bool,
    new_attempt: bool,
) -> Result<Answered, CliError> {
    let mut lines = ProgressLines::new(&planner.manifest);
    let request = v1::AskRequest { spec: Some(asked.signed.clone()), fresh, new_attempt };
    let failed = |status| {
        let error = planner.failed(&status);
        // Whatever broke off in the middle may have been charged; asked anew it would be charged again.
        if matches!(error, CliError::Refused(Refusal::Incomplete) | CliError::Unreachable { .. }) {
            let query = asked.spec.query_id;
            eprintln!("go on with: almoner query --resume {query}   (no further charge)");
            eprintln!("or add --new-attempt to pay for a round without the lost agency");
        }
        error
    };
    let mut refused = String::new();
    let mut events = planner.connect()?.ask(request).await.map_err(failed)?.into_inner();
    loop {
        let event = match events.message().await {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(status) => {
                lines.finish();
                eprint!("{refused}");
                return Err(failed(status));
            }
        };
        match event.event {
            Some(v1::ask_event::Event::Progress(progress)) => lines.show(&progress),
            Some(v1::ask_event::Event::Answer(answer)) => {
                lines.finish();
                return check(planner, asked, answer, fresh);
            }
            Some(v1::ask_event::Event::Refusals(refusals)) => refused = reasons(&planner.manifest, &refusals),
            None => {}
        }
    }
    Err(CliError::Unreachable {
        endpoint: planner.manifest.coordinator.endpoint.clone(),
        message: "it hung up before answering".into(),
    })
}

/// Every reason that agencies of the manifest gave, a line each, with their names.
fn reasons(manifest: &Manifest, refusals: &v1::Refusals) -> String {
    let mut text = String::new();
    for refusal in Refusal::ALL {
        let by = refusals.by.iter().filter(|by| by.word == refusal.word()).flat_map(|by| &by.nodes);
        let names: BTreeSet<&str> =
            by.filter_map(|node| manifest.agency(NodeId(*node))).map(|agency| agency.name.as_str()).collect();
        if !names.is_empty() {
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            text += &format!("{} ({names}): {}\n", refusal.word(), refusal.text());
        }
    }
    text
}

/// Nothing is believed of the coordinator: the release must prove that it answers this question.
fn check(planner: &Planner, asked: &Asked, answer: v1::Answer, fresh: bool) -> Result<Answered, CliError> {
    use almoner_audit::EvidenceError;
    let release = answer.release.ok_or(EvidenceError::Malformed("release"))?;
    let release = verify_release(&planner.manifest, &release)?;
    let participants = release.participants.len() as u32;
    let table = if release.spec == asked.spec {
        release.plan.answer(&release.total, participants)?
    } else {
        // Published for another question, or before: this one's answer must follow from it.
        let own = plan(&planner.manifest, &asked.spec.sql, asked.spec.rho)?;
        let reading = release.plan.read_as(&planner.manifest, &own).filter(|_| answer.repeat && !fresh);
        reading.ok_or(EvidenceError::Plan)?.answer(&release.total, participants)?
    };
    let absent =
        planner.manifest.nodes().into_iter().filter(|node| !release.participants.contains(node)).collect();
    let question = asked.spec.sql.clone();
    Ok(Answered { answer: table, release, repeat: answer.repeat, question, absent })
}
