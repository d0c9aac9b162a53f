//! Releases, what an audit did and did not verify, and how to do it again.

use super::{MAX_RELEASES, list, table};
use crate::dossier::Dossier;
use crate::dossier::text::{Foreign, epsilon, minute, rho};

pub(super) fn releases(dossier: &Dossier) -> String {
    let all = &dossier.releases;
    let lines = all.iter().rev().take(MAX_RELEASES).map(|release| {
        let line = &release.line;
        let manifest = if line.manifest == dossier.manifest {
            "this one".into()
        } else {
            line.manifest.to_string()[..16].to_owned()
        };
        vec![
            line.number.to_string(),
            minute(line.at_s),
            line.planner.to_string(),
            format!("<bdi>{}</bdi>", Foreign(&line.purpose)),
            format!("<code><bdi>{}</bdi></code>", Foreign(&line.sql)),
            rho(line.price_rho),
            epsilon(release.loss.epsilon),
            line.participants.to_string(),
            format!("<bdi>{}</bdi>", Foreign(&line.mechanism)),
            manifest,
        ]
    });
    let columns = [
        "#Entry",
        "Published",
        "Planner",
        "Purpose",
        "SQL",
        "#rho",
        "#epsilon",
        "#Agencies",
        "Mechanism",
        "Manifest",
    ];
    let caption = format!("{} of {} verified releases, newest first", all.len().min(MAX_RELEASES), all.len());
    let note = format!(
        "<p>The epsilon of one release is at delta {:e}. Epsilons do not add up; rho does.</p>\n",
        dossier.guarantee.delta
    );
    note + &table(&caption, &columns, lines)
}

pub(super) fn checked(dossier: &Dossier) -> String {
    let lines = dossier
        .checked
        .iter()
        .map(|(what, times)| vec![format!("<bdi>{}</bdi>", Foreign(what)), times.to_string()]);
    table("Checks that were made", &["What", "#Times"], lines)
}

pub(super) fn unverified(dossier: &Dossier) -> String {
    let items = |of: &[String]| list(of.iter().map(|what| format!("<bdi>{}</bdi>", Foreign(what))));
    let here = if dossier.unverified.is_empty() {
        "<p>Nothing that could have been checked was left out.</p>\n".to_owned()
    } else {
        "<p>Could not be checked with what was there:</p>\n".to_owned() + &items(&dossier.unverified)
    };
    here + "<p>Nobody can check:</p>\n" + &items(&dossier.unverifiable)
}

pub(super) fn verify(dossier: &Dossier) -> String {
    let manifest = dossier.manifest;
    let logs = dossier.registry.iter().chain(dossier.nodes.iter().map(|node| &node.log));
    let lines = logs.map(|log| {
        vec![
            format!("<bdi>{}</bdi>", Foreign(&log.origin)),
            log.size.to_string(),
            format!("<code>{}</code>", log.root),
            log.cosigners.len().to_string(),
        ]
    });
    let columns = ["Log", "#Entries", "Root", "#Cosigned by"];
    format!(
        "<ol>\n<li>Obtain the manifest from an agency that you know; its SHA-256 must be <code>{manifest}</code>.</li>\n\
         <li>Fetch and check everything: <code>almoner audit --dir audit --manifest federation.toml --keys KEYS</code>. With \
         a folder that somebody gives you, no key is needed: <code>almoner audit --dir audit --offline</code>.</li>\n\
         <li>Compare what you were shown with what others were: <code>--compare DIR</code> takes another auditor's \
         folder. Each log must have the root below at the size below, also in a larger tree.</li>\n</ol>\n"
    ) + &table("Checkpoints that this dossier rests on", &columns, lines)
}

pub(super) fn record(dossier: &Dossier) -> String {
    let lines = dossier
        .record
        .iter()
        .map(|field| vec![field.name.clone(), format!("<bdi>{}</bdi>", Foreign(&field.value))]);
    table("For registries of deployments", &["Field", "Entry"], lines)
}
