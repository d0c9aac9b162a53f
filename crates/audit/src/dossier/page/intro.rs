//! Findings, summary, unit, trust and mechanisms.

use super::{MAX_FINDINGS, list, table};
use crate::dossier::Dossier;
use crate::dossier::text::{Foreign, epsilon, rho};
use crate::report::{is_complete, verdict};

pub(super) fn findings(dossier: &Dossier) -> String {
    let found = &dossier.findings;
    if found.is_empty() {
        let verdict = verdict(is_complete(&dossier.checked, &dossier.unverified));
        return format!(
            "<p class=\"big\">{verdict}</p>\n<p>Read also <a href=\"#unverified\">what was not verified</a>.</p>\n"
        );
    }
    let lines = found.iter().take(MAX_FINDINGS).map(|finding| {
        let entry = finding.entry.map_or_else(String::new, |entry| entry.to_string());
        let question = finding.question.map_or_else(String::new, |hash| format!("<code>{hash}</code>"));
        let (log, text) = (Foreign(&finding.log), Foreign(&finding.text));
        vec![
            finding.code.to_string(),
            format!("<bdi>{log}</bdi>"),
            entry,
            question,
            format!("<bdi>{text}</bdi>"),
        ]
    });
    let caption = format!("{} findings", found.len());
    let head = "<p class=\"big\">The logs contradict themselves or each other. Do not rely on the numbers below before \
                this is explained.</p>\n";
    let more = found.len().saturating_sub(MAX_FINDINGS);
    let tail =
        if more > 0 { format!("<p>{more} more findings are in the JSON form.</p>\n") } else { String::new() };
    head.to_owned() + &table(&caption, &["Kind", "Log", "#Entry", "Question", "What"], lines) + &tail
}

pub(super) fn summary(dossier: &Dossier) -> String {
    let (unit, trust, guarantee) = (&dossier.unit, &dossier.trust, &dossier.guarantee);
    format!(
        "<p class=\"big\">{n} agencies answer statistical questions together, and no record leaves any of them. Noise is \
         added to every answer, so that what can be \
         learnt from all of them about any one {kind} has a limit.</p>\n\
         <p>How much could be learnt about one {kind} is a budget: at most {planned} rho, ever, which is epsilon \
         {planned_e} at delta {delta:e}. Of this {spent} rho (epsilon {spent_e}) have been spent at most, in {releases} \
         published answers and in rounds that were lost, as the {seen} ledgers seen say, of {n}. Less is safer: at epsilon 0 nothing could be learnt about \
         anyone; each 0.7 of epsilon may double the odds of a guess about one {kind}, and with probability delta more.</p>\n\
         <p>This holds as long as at most {t} of the agencies conspire. What happens otherwise is \
         <a href=\"#guarantee\">stated below</a>.</p>\n",
        n = trust.agencies.len(),
        kind = unit.kind,
        planned = rho(guarantee.planned.rho),
        planned_e = epsilon(guarantee.planned.epsilon),
        delta = guarantee.delta,
        spent = rho(guarantee.realised.rho),
        spent_e = epsilon(guarantee.realised.epsilon),
        releases = dossier.releases.len(),
        seen = dossier.nodes.len(),
        t = trust.colluders,
    )
}

pub(super) fn unit(dossier: &Dossier) -> String {
    let unit = &dossier.unit;
    let mut out = format!(
        "<p>The unit of privacy is one <strong>{kind}</strong>, identified by the column <code><bdi>{column}</bdi></code>. \
         Two data sets are neighbours if one of them has all records of one {kind} at all agencies, and the other has \
         none of them. At most {population} of them are in the federation; this bound is public, and no node starts \
         with more.</p>\n<p>The promise relies on the overlap below, at how many agencies one {kind} may have rows, and \
         on one id for each {kind} in all files of an agency. Rows, ranges and domains are enforced: a measured value \
         outside is moved to the nearest end, a group outside and a row too many are left out.</p>\n",
        kind = unit.kind,
        column = Foreign(&unit.column),
        population = unit.population,
    );
    let lines = dossier.tables.iter().map(|facts| {
        let holders: Vec<&str> = facts.holders.iter().map(|name| name.as_str()).collect();
        vec![
            format!("<bdi>{}</bdi>", Foreign(&facts.name)),
            facts.rows_per_unit.to_string(),
            facts.overlap.to_string(),
            format!("{}", Foreign(&holders.join(", "))),
        ]
    });
    let columns = ["Table", "#Rows of a unit at an agency", "#Agencies of a unit (m)", "Held by"];
    out += &table("Tables, and one unit's part in them", &columns, lines);
    let lines = dossier.tables.iter().flat_map(|facts| {
        facts.columns.iter().map(|column| {
            let (of, name, bounds) = (Foreign(&facts.name), Foreign(&column.name), Foreign(&column.bounds));
            vec![
                format!("<bdi>{of}</bdi>.<bdi>{name}</bdi>"),
                column.kind.clone(),
                format!("<bdi>{bounds}</bdi>"),
            ]
        })
    });
    out + &table("Declared ranges and domains", &["Column", "Type", "Bounds"], lines)
}

pub(super) fn trust(dossier: &Dossier) -> String {
    let trust = &dossier.trust;
    let grants = if trust.changes_need_auditor {
        "Every change of what a ledger may spend is signed by the agency's data officer and countersigned by an auditor."
    } else {
        "Changes of what a ledger may spend are signed by the agency's data officer; no auditor need agree."
    };
    let witnesses = match trust.witnesses {
        0 => "No agency need cosign another's ledger before an answer leaves: a ledger that was set back to an older copy \
              is found afterwards, not prevented."
            .to_owned(),
        count => format!(
            "An answer leaves an agency only after {count} others cosigned the ledger that holds its charge. {}",
            match (trust.stops_old_copies, trust.stops_second_copies) {
                (true, true) => {
                    "So neither an honest agency whose ledger was set back to an older copy answers, nor two copies of one \
                     that run at once, unless more than t of the others lie or lost their memory of it."
                }
                (true, false) => {
                    "So an honest agency whose ledger was set back to an older copy does not answer, unless more than t of \
                     the others lie or lost their memory of it; two copies of one that run at once may both answer, and are \
                     found afterwards."
                }
                (false, _) => {
                    "That is too few: a ledger that was set back to an older copy may answer, and is found afterwards."
                }
            }
        ),
    };
    let rules = [
        format!(
            "At least q = {} agencies take part in each release, and at most t = {} may be corrupt. So h = q - t = {} \
             honest shares of noise are in every answer, which is what prices assume.",
            trust.quorum, trust.colluders, trust.honest_shares
        ),
        format!(
            "The coordinator {}, the planners and the auditors are not trusted for privacy. The coordinator is trusted \
             to keep rounds going.",
            trust.coordinator
        ),
        witnesses,
        grants.to_owned(),
        "X25519, AES-256, SHA-256, HKDF and Ed25519 must hold, and each agency's random source must be good."
            .to_owned(),
    ];
    let lines = trust.agencies.iter().map(|(name, legal)| {
        let node = dossier.nodes.iter().find(|node| node.agency == *name);
        let (rules, signed) = node.and_then(|node| node.policies.last()).map_or_else(
            || ("ledger not seen".to_owned(), String::new()),
            |policy| {
                let rules = if policy.rules.is_empty() { "none" } else { &policy.rules };
                let signed = if policy.countersigned { "officer and auditor" } else { "officer" };
                (format!("<code><bdi>{}</bdi></code>", Foreign(rules)), signed.to_owned())
            },
        );
        let cosigners =
            node.map_or_else(String::new, |node| Foreign(&node.log.cosigners.join(", ")).to_string());
        vec![name.to_string(), format!("<bdi>{}</bdi>", Foreign(legal)), cosigners, signed, rules]
    });
    let columns = ["Agency", "Name in law", "Checkpoint cosigned by", "Policy signed by", "Own rules"];
    let auditors: Vec<&str> = trust.auditors.iter().map(|name| name.as_str()).collect();
    let auditors = if auditors.is_empty() { "none".to_owned() } else { auditors.join(", ") };
    list(rules) + &format!("<p>Auditors: {}.</p>\n", Foreign(&auditors)) + &table("Agencies", &columns, lines)
}

pub(super) fn mechanisms(dossier: &Dossier) -> String {
    let sketches = if dossier.unit.sketches {
        "Counts of distinct units over agencies that hold the same ones come from sketches: every agency flips each bit \
         with a small probability, and bits combine by exclusive or."
    } else {
        "The manifest names no sketch key: distinct units held by several agencies are not counted."
    };
    list(
        [
            "Every participant adds discrete Gaussian noise to every number before it is masked; noise, sensitivity and \
             price are computed in integers and exact rationals, so no rounding of floating point weakens the promise.",
            sketches,
            "Composition: each charge adds its price in rho to the agency's ledger before the answer leaves. Nothing is \
             ever given back. Repeating a published question is free and shows the same numbers.",
            "Collection: each agency keeps the records that it has by law; nobody collects them for this. Whoever \
             controls an agency's machine reads its records.",
            "Security: parties authenticate each other by certificates; questions, answers and ledgers are signed. Masks \
             hide an agency's own numbers; they are computational, noise is not, and a later theft of mask keys shows \
             the agency's noisy numbers of the rounds recorded.",
            "Side channels: answers leave in slots of time. The order of magnitude of the work, and whether a question \
             ran into its time limit, can still be seen. Errors that leave an agency do not depend on records.",
            "Utility: every answer comes with its standard error, known before it is paid for. Small groups have large \
             relative errors; decisions about them should not rest on one answer.",
        ]
        .map(str::to_owned),
    )
}
