//! The whole audit of a mirror.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

use almoner_federation::checkpoint::SignedCheckpoint;
use almoner_federation::note::KeyName;
use almoner_federation::{Digest, Manifest, Name, Role, VerifyingKey};

use crate::check::{
    Against, NodeChecked, Questions, Releases, Rounds, Shown, Signer, check_node, check_registry,
    check_releases,
};
use crate::finding::{Code, Finding};
use crate::mirror::Mirror;
use crate::report::{LogLine, NodeLine, PlannerLine, PolicyLine, ReleaseLine, Report};

/// What no audit can show, whatever it is given.
const NOBODY_CAN: [&str; 3] = [
    "that an agency drew its noise, and drew it at random",
    "that an agency's data are true, and that no unit is at more agencies than the manifest says",
    "that an agency has no second ledger whose rounds were never published or witnessed",
];

/// Most further places that a finding names.
const MAX_PLACES: u64 = 20;

/// Audits everything in `mirror`, and what `others`, mirrors that other auditors fetched, were shown besides.
///
/// # Errors
/// Only when the folder cannot be read. What is wrong with its content is a finding.
pub fn audit(mirror: &Mirror, others: &[Mirror]) -> io::Result<Report> {
    let (manifests, refused) = mirror.manifests()?;
    let mut run = Run { mirror, others, manifests: &manifests, findings: Vec::new(), unverified: Vec::new() };
    run.unverified.extend(refused.into_iter().map(|error| format!("a manifest that is none: {error}")));
    if manifests.is_empty() {
        run.unverified.push("anything: there is no manifest; put the pinned one into manifests/".into());
    }
    let registry = run.registry()?;
    let no_rounds = Rounds::default();
    let rounds = registry.as_ref().map_or(&no_rounds, |(_, rounds)| rounds);
    let releases = check_releases(mirror, &manifests, rounds, &mut run.findings)?;
    let (agencies, questions) = (run.agencies(), run.questions(&releases)?);
    let contexts = registry.as_ref().map(|(_, rounds)| &rounds.contexts);
    let mut nodes = Vec::new();
    let mut seen = 0;
    for name in &agencies {
        let uses = releases.uses.get(name).map_or(&[][..], Vec::as_slice);
        let against = Against { agency: name, manifests: &manifests, questions: &questions, contexts, uses };
        let Some((log, checked, shown)) = run.node(&against)? else { continue };
        seen += shown;
        nodes.push((log, name.clone(), checked));
    }
    let doubtful = registry.as_ref().is_some_and(|(_, rounds)| rounds.doubtful_from.is_some());
    run.findings = together(run.findings, doubtful);
    run.report(registry, releases, nodes, seen, questions.len())
}

/// Makes one finding of what several logs show of one cause: a round that the registry does not know or knows under another
/// context shows in every participant's ledger. Of a registry that is `doubtful` all missing rounds have one cause.
fn together(findings: Vec<Finding>, doubtful: bool) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::new();
    let mut places: HashMap<(Code, Option<Digest>), (usize, u64)> = HashMap::new();
    for finding in findings {
        let cause = match finding.code {
            Code::Omitted if doubtful => None,
            Code::Omitted | Code::TwoContexts => finding.question,
            _ => {
                kept.push(finding);
                continue;
            }
        };
        match places.entry((finding.code, cause)) {
            MapEntry::Vacant(place) => {
                place.insert((kept.len(), 0));
                kept.push(finding);
            }
            MapEntry::Occupied(mut place) => {
                let (first, more) = place.get_mut();
                if (&kept[*first].log, kept[*first].entry) == (&finding.log, finding.entry) {
                    continue;
                }
                *more += 1;
                // The first few places are enough to look for the rest.
                if *more <= MAX_PLACES {
                    let entry = finding.entry.map_or(String::new(), |entry| format!(" entry {entry}"));
                    kept[*first].text += &format!("; so does {}{entry}", finding.log);
                }
            }
        }
    }
    for (first, more) in places.into_values().filter(|(_, more)| *more > MAX_PLACES) {
        kept[first].text += &format!("; and {} places more", more - MAX_PLACES);
    }
    kept
}

struct Run<'a> {
    mirror: &'a Mirror,
    others: &'a [Mirror],
    manifests: &'a BTreeMap<Digest, Manifest>,
    findings: Vec<Finding>,
    unverified: Vec<String>,
}

type Checked = (LogLine, NodeChecked, usize);

impl<'a> Run<'a> {
    /// Every agency that a manifest names.
    fn agencies(&self) -> BTreeSet<Name> {
        let all = self.manifests.values().flat_map(|manifest| &manifest.agencies);
        all.map(|agency| agency.name.clone()).collect()
    }

    /// Everyone who may cosign: agencies and auditors, under every manifest.
    fn cosigners(&self) -> Vec<(KeyName, VerifyingKey)> {
        let of = |manifest: &'a Manifest| {
            let agencies = manifest.agencies.iter().map(move |agency| {
                (manifest.identity(Role::Agency, &agency.name).key_name(), agency.signing_key)
            });
            let auditors = manifest.auditors.iter().map(move |auditor| {
                (manifest.identity(Role::Auditor, &auditor.name).key_name(), auditor.signing_key)
            });
            agencies.chain(auditors)
        };
        let mut known: Vec<(KeyName, VerifyingKey)> = Vec::new();
        for cosigner in self.manifests.values().flat_map(of) {
            if !known.contains(&cosigner) {
                known.push(cosigner);
            }
        }
        known
    }

    fn line(&self, signed: &SignedCheckpoint) -> LogLine {
        let own = &signed.checkpoint().origin;
        let known: Vec<_> = self.cosigners().into_iter().filter(|(name, _)| name != own).collect();
        let cosigners = signed.cosigners(&known).unwrap_or_default();
        LogLine {
            origin: own.to_string(),
            size: signed.checkpoint().size,
            root: signed.checkpoint().root,
            cosigners: cosigners.into_iter().map(|(name, _)| name.to_string()).collect(),
        }
    }

    /// Adds every note of this log that this or another auditor ever saw.
    fn seen(&self, signer: &Signer<'_>, folder: &str, all: &mut Shown) -> io::Result<()> {
        for mirror in std::iter::once(self.mirror).chain(self.others) {
            let mut notes = mirror.seen(folder)?;
            let newest = std::fs::read_to_string(mirror.root().join(folder).join("checkpoint"));
            notes.extend(
                newest.ok().map(|note| (format!("{}/{folder}/checkpoint", mirror.root().display()), note)),
            );
            for (place, note) in notes {
                // A note that the log did not sign shows nothing about it.
                if let Some(signed) = signer.verify(&note) {
                    let checkpoint = signed.checkpoint();
                    all.add(checkpoint.size, checkpoint.root, || format!("the checkpoint {place}"));
                }
            }
        }
        Ok(())
    }

    fn registry(&mut self) -> io::Result<Option<(LogLine, Rounds)>> {
        let Some(manifest) = self.manifests.values().next() else { return Ok(None) };
        let folder = self.mirror.registry();
        if folder.checkpoint()?.is_none() {
            self.unverified.push("releases: there is no registry".into());
            return Ok(None);
        }
        let origin = manifest.identity(Role::Coordinator, &manifest.coordinator.name).key_name();
        let keys = self.manifests.values().map(|manifest| manifest.coordinator.signing_key).collect();
        let signer = Signer { log: "registry", origin, keys };
        let Some(signed) = signer.newest(&folder, &mut self.findings)? else { return Ok(None) };
        let mut all = Shown::default();
        self.seen(&signer, "registry", &mut all)?;
        let rounds = check_registry(&folder, signed.checkpoint(), &all, &mut self.findings)?;
        Ok(Some((self.line(&signed), rounds)))
    }

    /// Every question that a release or a ledger holds.
    fn questions(&mut self, releases: &Releases) -> io::Result<Questions<'a>> {
        let mut questions = Questions::new(self.manifests);
        for asked in releases.asked.values() {
            // Verified with their releases.
            if let Ok(signature) = asked.signature() {
                let _ = questions.add(&asked.body, &signature);
            }
        }
        for name in self.agencies() {
            let asked = match self.mirror.questions(&name) {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.findings.push(Finding::new(Code::Question, name.as_str(), error.to_string()));
                    continue;
                }
                asked => asked?,
            };
            for asked in asked {
                if let Err(problem) = questions.add(&asked.body, &asked.signature) {
                    let finding = Finding::new(Code::Question, name.as_str(), problem);
                    self.findings.push(finding.about(Digest::of(&asked.body)));
                }
            }
        }
        Ok(questions)
    }

    fn node(&mut self, against: &Against<'_>) -> io::Result<Option<Checked>> {
        let (name, folder) = (against.agency, self.mirror.node(against.agency));
        let known = || self.manifests.values().filter_map(|m| m.agency_named(name).map(|agency| (m, agency)));
        let Some((manifest, _)) = known().next() else { return Ok(None) };
        if folder.checkpoint()?.is_none() && against.uses.is_empty() {
            self.unverified.push(format!("the ledger of {name}: it is not here"));
            return Ok(None);
        }
        let origin = manifest.identity(Role::Agency, name).key_name();
        let keys = known().map(|(_, agency)| agency.signing_key).collect();
        let signer = Signer { log: name.as_str(), origin, keys };
        let Some(signed) = signer.newest(&folder, &mut self.findings)? else { return Ok(None) };
        let mut all = Shown::default();
        self.seen(&signer, &format!("nodes/{name}"), &mut all)?;
        for witness in self.agencies() {
            for mirror in std::iter::once(self.mirror).chain(self.others) {
                let note = mirror.remembered(&witness, name)?;
                if let Some(signed) = note.and_then(|note| signer.verify(&note)) {
                    let checkpoint = signed.checkpoint();
                    all.add(checkpoint.size, checkpoint.root, || format!("what {witness} remembers"));
                }
            }
        }
        for used in against.uses {
            let by = |what: &str| format!("the {what} in release {}", used.number);
            all.add(used.ready.0, used.ready.1, || by("READY"));
            all.add(used.receipt.0, used.receipt.1, || by("receipt"));
            if let Some((size, root)) = used.note {
                all.add(size, root, || by("checkpoint"));
            }
        }
        let checked = check_node(&folder, signed.checkpoint(), &all, against, &mut self.findings)?;
        for (count, what) in [
            (checked.unknown_questions, "reservations whose question is not here, and so their prices"),
            (checked.unknown_manifests, "policies under a manifest that is not here"),
        ] {
            if count > 0 {
                self.unverified.push(format!("{name}: {count} {what}"));
            }
        }
        Ok(Some((self.line(&signed), checked, all.len())))
    }

    fn report(
        mut self,
        registry: Option<(LogLine, Rounds)>,
        releases: Releases,
        nodes: Vec<(LogLine, Name, NodeChecked)>,
        positions: usize,
        questions: usize,
    ) -> io::Result<Report> {
        if releases.unsummed > 0 {
            let text = "sums whose masked vectors were too large to keep; their hashes are signed";
            self.unverified.push(format!("{} {text}", releases.unsummed));
        }
        let sum = |of: fn(&NodeChecked) -> u64| nodes.iter().map(|(_, _, checked)| of(checked)).sum();
        let entries = nodes.iter().map(|(log, ..)| log.size).sum::<u64>()
            + registry.as_ref().map_or(0, |(log, _)| log.size);
        let checked = vec![
            ("entries hashed into their logs' signed trees".into(), entries),
            ("signed positions compared with those trees".into(), positions as u64),
            (
                "policies and grants, signed and within their manifests".into(),
                sum(|c| c.policies.len() as u64),
            ),
            ("charges after their reservations, with sums within every limit".into(), sum(|c| c.charges)),
            ("questions signed by their planners, and planned again".into(), questions as u64),
            ("prices and territories equal to the auditor's own".into(), sum(|c| c.priced)),
            (
                "releases with all signatures, quorum, commitments, charges and witnesses".into(),
                releases.released.len() as u64,
            ),
            ("published totals equal to the sums of the masked vectors".into(), releases.summed),
            (
                "masked words tested for being uniform".into(),
                releases.uniform.values().map(|u| u.words()).sum(),
            ),
        ];
        Ok(Report {
            findings: self.findings,
            checked,
            unverified: self.unverified,
            unverifiable: NOBODY_CAN.map(str::to_owned).to_vec(),
            nodes: nodes.into_iter().map(|(log, agency, checked)| node_line(log, agency, checked)).collect(),
            registry: registry.map(|(log, _)| log),
            releases: releases
                .released
                .into_iter()
                .map(|release| ReleaseLine {
                    number: release.number,
                    at_s: release.at_s,
                    planner: release.spec.planner,
                    purpose: release.spec.purpose,
                    sql: release.spec.sql,
                    price_rho: release.plan.price.as_f64(),
                    alone_rho: release.plan.alone.as_f64(),
                    sketched: release.plan.sketched,
                    participants: release.participants,
                    attempt: release.attempt,
                    manifest: release.spec.manifest_hash,
                    mechanism: release.plan.mechanism,
                })
                .collect(),
        })
    }
}

fn node_line(log: LogLine, agency: Name, checked: NodeChecked) -> NodeLine {
    let limits = checked.books.policy().map(|policy| &policy.limits);
    let limit_of = |planner: &Name| limits.and_then(|limits| limits.planners.get(planner)).copied();
    let mut planners: Vec<PlannerLine> = checked
        .books
        .charged_planners()
        .map(|(planner, charged)| PlannerLine {
            planner: planner.clone(),
            limit_rho: limit_of(planner).unwrap_or_default().as_f64(),
            charged_rho: charged.as_f64(),
        })
        .collect();
    let silent = limits.iter().flat_map(|limits| &limits.planners);
    for (planner, limit) in silent {
        if planners.iter().all(|line| line.planner != *planner) {
            planners.push(PlannerLine {
                planner: planner.clone(),
                limit_rho: limit.as_f64(),
                charged_rho: 0.0,
            });
        }
    }
    NodeLine {
        agency,
        log,
        limit_rho: limits.map_or_else(Default::default, |limits| limits.total).as_f64(),
        charged_rho: checked.books.charged_total().as_f64(),
        spent_rho: checked.charged_rho.as_f64(),
        charges: checked.charges,
        lost: checked.lost,
        planners,
        policies: checked
            .policies
            .iter()
            .map(|entry| PolicyLine {
                at_s: entry.at_s,
                grant: entry.grant,
                countersigned: entry.signed.auditor.is_some(),
                manifest: entry.signed.policy.manifest_hash,
                total_rho: entry.signed.policy.limits.total.as_f64(),
                rules: entry.signed.policy.rules.clone(),
            })
            .collect(),
        spent_over_time: checked.spent.into_iter().map(|(at_s, rho)| (at_s, rho.as_f64())).collect(),
    }
}
