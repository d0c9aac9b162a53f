//! The whole audit of a mirror.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::num::NonZeroUsize;

use almoner_federation::checkpoint::SignedCheckpoint;
use almoner_federation::note::KeyName;
use almoner_federation::{Digest, Manifest, Name, Role, VerifyingKey};
use almoner_ledger::Position;

use crate::check::{
    Against, By, MAX_LISTED, Questions, Rounds, Seen, Shown, Signer, check_node, check_registry,
    check_releases,
};
use crate::finding::{Code, Finding};
use crate::mirror::{LogFolder, Mirror, readable};
use crate::report::{LogLine, NodeLine, Report};
use crate::tally::{Tally, node_line};
use crate::together::together;

/// What no audit can show, whatever it is given.
const NOBODY_CAN: [&str; 4] = [
    "that an agency drew its noise, and drew it at random",
    "that an agency's data are true, and that no unit is at more agencies than the manifest says",
    "that an agency has no second ledger whose rounds were never published or witnessed",
    "that an agency kept to the hours of its own rules, and that its officer denied nothing that it answered",
];

/// Audits everything in `mirror`, and what `others`, mirrors that other auditors fetched, were shown besides; on all
/// processors. Memory: about a kilobyte for each release, and as much for each round of the longest ledger. The system's
/// temporary folder takes 249 bytes for each participant of each release.
///
/// # Errors
/// Only when the folder cannot be read, or the temporary folder has no room. What is wrong with the content is a finding.
pub fn audit(mirror: &Mirror, others: &[Mirror]) -> io::Result<Report> {
    audit_on(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN), mirror, others)
}

/// [`audit`] on so many threads, each of which holds one release's evidence at a time. The report is the same on any number.
///
/// # Errors
/// As [`audit`].
pub fn audit_on(threads: NonZeroUsize, mirror: &Mirror, others: &[Mirror]) -> io::Result<Report> {
    let (manifests, refused) = mirror.manifests()?;
    let mut run = Run { mirror, others, manifests: &manifests, findings: Vec::new(), unverified: Vec::new() };
    run.unverified.extend(refused.into_iter().map(|error| format!("a manifest that is none: {error}")));
    if manifests.is_empty() {
        run.unverified.push("anything: there is no manifest; put the pinned one into manifests/".into());
    }
    let (registry, mut rounds) = run.registry()?.unzip();
    let (mut tally, mut questions) = (Tally::default(), Questions::new(&manifests));
    registry.iter().for_each(|log| tally.registry(log));
    let no_rounds = Rounds::default();
    let published = rounds.as_ref().unwrap_or(&no_rounds);
    let mut releases =
        check_releases(mirror, &manifests, published, threads, &mut questions, &mut run.findings)?;
    if let Some(rounds) = &mut rounds {
        rounds.published = Vec::new();
    }
    run.questions(&mut questions)?;
    tally.questions(questions.len());
    let contexts = rounds.as_ref().map(|rounds| &rounds.contexts);
    let mut nodes = Vec::new();
    for agency in &run.agencies() {
        let uses = releases.uses.of(agency)?;
        let against = Against { agency, manifests: &manifests, questions: &questions, contexts, uses: &uses };
        nodes.extend(run.node(&against, &mut tally)?);
    }
    if releases.unsummed > 0 {
        let text = "sums whose masked vectors were too large to keep; their hashes are signed";
        run.unverified.push(format!("{} {text}", releases.unsummed));
    }
    let doubtful = rounds.is_some_and(|rounds| rounds.doubtful_from.is_some());
    Ok(Report {
        findings: together(run.findings, doubtful),
        checked: tally.checked(&releases),
        unverified: run.unverified,
        unverifiable: NOBODY_CAN.map(str::to_owned).to_vec(),
        nodes,
        registry,
        releases: releases.lines,
    })
}

struct Run<'a> {
    mirror: &'a Mirror,
    others: &'a [Mirror],
    manifests: &'a BTreeMap<Digest, Manifest>,
    findings: Vec<Finding>,
    unverified: Vec<String>,
}

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

    /// Every position in notes of this log that this or another auditor ever saw.
    fn seen(
        &self,
        signer: &Signer<'_>,
        name: &str,
        folder: impl Fn(&Mirror) -> LogFolder,
    ) -> io::Result<Vec<Seen>> {
        let mut all = Vec::new();
        for mirror in std::iter::once(self.mirror).chain(self.others) {
            let folder = folder(mirror);
            let newest = readable(folder.checkpoint())?;
            let newest = newest.map(|note| (format!("{}/checkpoint", folder.root().display()), note));
            for (place, note) in mirror.seen(name)?.into_iter().chain(newest) {
                all.extend(shown(signer, &note, || format!("the checkpoint {place}")));
            }
        }
        Ok(all)
    }

    fn registry(&mut self) -> io::Result<Option<(LogLine, Rounds)>> {
        let Some(manifest) = self.manifests.values().next() else { return Ok(None) };
        let folder = self.mirror.registry();
        if matches!(folder.checkpoint(), Ok(None)) {
            self.unverified.push("releases: there is no registry".into());
            return Ok(None);
        }
        let origin = manifest.identity(Role::Coordinator, &manifest.coordinator.name).key_name();
        let keys = self.manifests.values().map(|manifest| manifest.coordinator.signing_key).collect();
        let signer = Signer { log: "registry", origin, keys };
        let Some(signed) = signer.newest(&folder, &mut self.findings)? else { return Ok(None) };
        let all = Shown::of(self.seen(&signer, "registry", Mirror::registry)?);
        let rounds = check_registry(&folder, signed.checkpoint(), &all, &mut self.findings)?;
        Ok(Some((self.line(&signed), rounds)))
    }

    /// Adds every question that a ledger holds.
    fn questions(&mut self, questions: &mut Questions<'a>) -> io::Result<()> {
        for name in self.agencies() {
            let (mut found, mut more) = (Vec::new(), 0u64);
            let read = self.mirror.each_question(&name, |asked| {
                match questions.add(&asked.body, &asked.signature) {
                    Ok(()) => {}
                    Err(_) if found.len() == MAX_LISTED => more += 1,
                    Err(problem) => {
                        let finding = Finding::new(Code::Question, name.as_str(), problem);
                        found.push(finding.about(Digest::of(&asked.body)));
                    }
                }
            });
            self.findings.extend(found);
            if more > 0 {
                let text = format!("and {more} more questions that are none");
                self.findings.push(Finding::new(Code::Question, name.as_str(), text));
            }
            match read {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.findings.push(Finding::new(Code::Question, name.as_str(), error.to_string()));
                }
                read => read?,
            }
        }
        Ok(())
    }

    fn node(&mut self, against: &Against<'_>, tally: &mut Tally) -> io::Result<Option<NodeLine>> {
        let (name, folder) = (against.agency, self.mirror.node(against.agency));
        let known = || self.manifests.values().filter_map(|m| m.agency_named(name).map(|agency| (m, agency)));
        let Some((manifest, _)) = known().next() else { return Ok(None) };
        if matches!(folder.checkpoint(), Ok(None)) && against.uses.is_empty() {
            self.unverified.push(format!("the ledger of {name}: it is not here"));
            return Ok(None);
        }
        let origin = manifest.identity(Role::Agency, name).key_name();
        let keys = known().map(|(_, agency)| agency.signing_key).collect();
        let signer = Signer { log: name.as_str(), origin, keys };
        let Some(signed) = signer.newest(&folder, &mut self.findings)? else { return Ok(None) };
        let mut all = self.seen(&signer, &format!("nodes/{name}"), |mirror| mirror.node(name))?;
        for witness in self.agencies() {
            for mirror in std::iter::once(self.mirror).chain(self.others) {
                let note = readable(mirror.remembered(&witness, name))?;
                all.extend(
                    note.and_then(|note| shown(&signer, &note, || format!("what {witness} remembers"))),
                );
            }
        }
        for used in against.uses {
            let parts = [
                (Some(used.ready), By::Ready(used.number)),
                (Some(used.receipt), By::Receipt(used.number)),
                (used.note, By::Checkpoint(used.number)),
            ];
            all.extend(
                parts
                    .into_iter()
                    .filter_map(|(at, by)| at.map(|Position { size, root }| Seen { size, root, by })),
            );
        }
        let all = Shown::of(all);
        let checked = check_node(&folder, signed.checkpoint(), &all, against, &mut self.findings)?;
        for (count, what) in [
            (
                checked.unknown_questions,
                "reservations whose question is not here, and so their prices and approvals",
            ),
            (
                checked.unjudged,
                "reservations whose agency's own rules cannot be read here, and so whether they allow them",
            ),
            (checked.unknown_manifests, "policies under a manifest that is not here"),
        ] {
            if count > 0 {
                self.unverified.push(format!("{name}: {count} {what}"));
            }
        }
        let log = self.line(&signed);
        tally.node(&log, &checked, all.len());
        Ok(Some(node_line(log, name.clone(), checked)))
    }
}

/// The position in a note; a note that the log did not sign shows nothing about it.
fn shown(signer: &Signer<'_>, note: &str, by: impl FnOnce() -> String) -> Option<Seen> {
    let signed = signer.verify(note)?;
    let (size, root) = (signed.checkpoint().size, signed.checkpoint().root);
    Some(Seen { size, root, by: By::Said(by().into()) })
}
