//! One agency's ledger: its tree, its arithmetic, its prices, and the releases that it took part in.

use std::collections::{BTreeMap, HashMap};
use std::io;

use almoner_federation::checkpoint::Checkpoint;
use almoner_federation::{Digest, Manifest, Name, NodeId, PicoRho};
use almoner_ledger::{
    ApprovalEntry, Books, Entry, PolicyEntry, ReleaseLimits, RoundEntry, RoundPhase, Step, Touched,
};
use almoner_policy::{Facts, Rules, Verdict, holds};

use super::log;
use super::plans::Planned;
use super::policy;
use super::questions::{Known, Questions};
use super::shown::Shown;
use super::uses::Use;
use crate::finding::{Code, Finding, doubted};
use crate::mirror::LogFolder;

/// Most findings of one kind that are listed for a log.
pub(crate) const MAX_LISTED: usize = 1_000;

/// Most points of a ledger's charges over time.
const MAX_POINTS: usize = 2_000;

/// What one ledger says.
#[derive(Debug)]
pub(crate) struct NodeChecked {
    pub(crate) books: Books,
    pub(crate) charges: u64,
    pub(crate) charged_rho: PicoRho,
    /// Of rounds that were charged and never published.
    pub(crate) lost: u64,
    pub(crate) priced: u64,
    /// RESERVE entries whose question the rules in force allow, or the officer approved.
    pub(crate) judged: u64,
    /// RESERVE entries before which there are no rules that can be read.
    pub(crate) unjudged: u64,
    /// RESERVE entries whose question is nowhere to be found.
    pub(crate) unknown_questions: u64,
    pub(crate) unknown_manifests: u64,
    /// Seconds and what any unit had lost then, at most; at most 2,000 points.
    pub(crate) spent: Vec<(u64, PicoRho)>,
    pub(crate) policies: Vec<PolicyEntry>,
}

/// What a ledger is compared with.
pub(crate) struct Against<'a> {
    pub(crate) agency: &'a Name,
    pub(crate) manifests: &'a BTreeMap<Digest, Manifest>,
    pub(crate) questions: &'a Questions<'a>,
    /// The contexts that the registry knows; `None` where there is no registry to compare with.
    pub(crate) contexts: Option<&'a HashMap<(Digest, u32), Digest>>,
    pub(crate) uses: &'a [Use],
}

/// Checks the ledger in `folder` under `checkpoint`.
pub(crate) fn check_node(
    folder: &LogFolder,
    checkpoint: &Checkpoint,
    shown: &Shown,
    against: &Against<'_>,
    findings: &mut Vec<Finding>,
) -> io::Result<NodeChecked> {
    let mut reading = Reading {
        against,
        found: Vec::new(),
        faulty: false,
        asked: BTreeMap::new(),
        in_force: None,
        rules: None,
        checked: NodeChecked {
            books: Books::new(),
            charges: 0,
            charged_rho: PicoRho::ZERO,
            lost: 0,
            priced: 0,
            judged: 0,
            unjudged: 0,
            unknown_questions: 0,
            unknown_manifests: 0,
            spent: Vec::new(),
            policies: Vec::new(),
        },
    };
    let from =
        log::read(folder, against.agency.as_str(), checkpoint, shown, findings, |number, bytes, after| {
            match Entry::decode(bytes) {
                Err(error) => {
                    reading.find(Finding::new(Code::Entry, reading.log(), error.to_string()).at(number))
                }
                Ok(entry) => {
                    // After one entry that does not fit, all others seem wrong: the first is the one to look at.
                    if !reading.faulty
                        && let Err(fault) = reading.checked.books.apply(&entry, after)
                    {
                        reading.faulty = true;
                        reading.find(Finding::new(Code::Books, reading.log(), fault.to_string()).at(number));
                    }
                    match &entry {
                        Entry::Policy(entry) => reading.policy(number, entry),
                        Entry::Approval(entry) => reading.approval(number, entry),
                        Entry::Load(_) => {}
                        Entry::Round(entry) => reading.round(number, entry),
                    }
                }
            }
        })?;
    // Books that stopped at a fault know nothing of what came after it.
    if !reading.faulty {
        reading.releases();
    }
    reading.lost();
    let Reading { found, checked, .. } = reading;
    let found = doubted(found, from);
    let more = found.len().saturating_sub(MAX_LISTED);
    findings.extend(found.into_iter().take(MAX_LISTED));
    if more > 0 {
        let text = format!("and {more} more of this ledger");
        findings.push(Finding::new(Code::Books, against.agency.as_str(), text));
    }
    Ok(checked)
}

struct Reading<'a> {
    against: &'a Against<'a>,
    found: Vec<Finding>,
    faulty: bool,
    /// The manifest of the last policy, whether or not that fits.
    in_force: Option<Digest>,
    /// The rules of that policy, if they can be read.
    rules: Option<Rules>,
    checked: NodeChecked,
    /// What was asked of releases from each policy's entry on.
    asked: BTreeMap<u64, ReleaseLimits>,
}

impl<'a> Reading<'a> {
    fn log(&self) -> &'a str {
        self.against.agency.as_str()
    }

    fn find(&mut self, finding: Finding) {
        self.found.push(finding);
    }

    fn policy(&mut self, number: u64, entry: &PolicyEntry) {
        let policy = &entry.signed.policy;
        self.in_force = Some(policy.manifest_hash);
        self.rules = None;
        match self.against.manifests.get(&policy.manifest_hash) {
            None => self.checked.unknown_manifests += 1,
            Some(manifest) => {
                let mut faults = match manifest.agency_named(self.against.agency) {
                    Some(agency) => policy::faults(policy, manifest, agency),
                    None => vec!["its manifest has no such agency".into()],
                };
                // No node writes such a text, and nothing that it serves could be judged.
                match Rules::read(&policy.rules, manifest) {
                    Ok(rules) => self.rules = Some(rules),
                    Err(problem) => faults.push(format!("its rules cannot be read: {problem}")),
                }
                // One policy, one finding: whoever raised one limit has often raised all.
                if !faults.is_empty() {
                    self.find(Finding::new(Code::Policy, self.log(), faults.join("; ")).at(number));
                }
            }
        }
        self.asked.insert(number, policy.release.clone());
        self.checked.policies.push(entry.clone());
    }

    fn approval(&mut self, number: u64, entry: &ApprovalEntry) {
        let Some(policy) = self.checked.policies.last() else { return };
        let decided = entry.signed(&policy.signed.policy.origin).approval;
        // When it was used is for the books to judge; here, whether it holds for no longer than any may.
        if holds(&decided, decided.decided_at_s).is_err() {
            let text = "the approval holds for longer than any may, or at no time";
            self.find(Finding::new(Code::Approval, self.log(), text).at(number).about(entry.question));
        }
    }

    fn round(&mut self, number: u64, entry: &RoundEntry) {
        match &entry.step {
            Step::Reserve { touched, approval } => match self.against.questions.get(&entry.spec_hash) {
                None => self.checked.unknown_questions += 1,
                Some(known) => self.reserve(number, entry, known, touched, approval.as_ref()),
            },
            Step::Charge { context } => {
                self.checked.charges += 1;
                self.checked.charged_rho =
                    self.checked.charged_rho.checked_add(entry.cost).unwrap_or(PicoRho::new(u64::MAX));
                self.checked.spent.push((entry.at_s, entry.charged_total));
                if self.checked.spent.len() > MAX_POINTS {
                    // Every second point; the last one, which is the present, stays.
                    let last = self.checked.spent.len() - 1;
                    let mut place = 0;
                    self.checked.spent.retain(|_| {
                        place += 1;
                        place % 2 == 0 || place - 1 == last
                    });
                }
                let Some(contexts) = self.against.contexts else { return };
                let finding = match contexts.get(&(entry.spec_hash, entry.attempt)) {
                    Some(known) if known == context => return,
                    Some(_) => {
                        let text = format!(
                            "attempt {} was charged under another context than the registry's",
                            entry.attempt
                        );
                        Finding::new(Code::TwoContexts, self.log(), text)
                    }
                    None => {
                        let text = format!(
                            "attempt {} was charged, and the registry does not know the round",
                            entry.attempt
                        );
                        Finding::new(Code::Omitted, self.log(), text)
                    }
                };
                self.find(finding.at(number).about(entry.spec_hash));
            }
            Step::Expire | Step::Abort => {}
        }
    }

    fn reserve(
        &mut self,
        number: u64,
        entry: &RoundEntry,
        known: &Known,
        touched: &Touched,
        approval: Option<&Digest>,
    ) {
        let log = self.log();
        let here = |code, text: String| Finding::new(code, log, text).at(number).about(entry.spec_hash);
        let mut found = Vec::new();
        if (known.query, &known.planner) != (entry.query, &entry.planner) {
            found.push(here(
                Code::Question,
                "the question has another number or planner than the entry".into(),
            ));
        }
        let elsewhere = self.in_force.is_some_and(|hash| hash != known.manifest_hash);
        if elsewhere {
            found.push(here(
                Code::Question,
                "the question was asked under another manifest than the policy in force".into(),
            ));
        }
        match &known.planned {
            None => found.push(here(Code::Price, "the question has no such plan under its manifest".into())),
            Some(planned) if planned.price != entry.cost => {
                let text = format!("the price is {}, but the question costs {}", entry.cost, planned.price);
                found.push(here(Code::Price, text));
            }
            Some(planned) if planned.touched != *touched => {
                let text = "the entry counts for other territories than the question touches";
                found.push(here(Code::Territories, text.into()));
            }
            Some(_) => self.checked.priced += 1,
        }
        let misplaced = approval.is_some_and(|question| *question != known.question);
        if misplaced {
            found.push(here(Code::Approval, "the approval was given to another question".into()));
        }
        if let Some(planned) = known.planned.as_ref().filter(|_| !elsewhere) {
            match self.verdict(known, planned) {
                None => self.checked.unjudged += 1,
                Some(Verdict::Refused(rule)) => {
                    let text = format!("the agency's own rules refuse the question: {rule}");
                    found.push(here(Code::Refused, text));
                }
                Some(Verdict::Queue) if approval.is_none() => {
                    let text = "the agency's own rules leave the question to its officer, and the entry names no \
                                approval of hers";
                    found.push(here(Code::Approval, text.into()));
                }
                Some(Verdict::Queue | Verdict::Approved) => self.checked.judged += u64::from(!misplaced),
            }
        }
        self.found.extend(found);
    }

    /// What the rules in force say of a question, at whatever hour. Rules are at most 16 KiB, and each judgement looks
    /// at each of their conditions once.
    fn verdict(&self, known: &Known, planned: &Planned) -> Option<Verdict> {
        let facts = Facts {
            planner: &known.planner,
            has_purpose: known.has_purpose,
            tables: &planned.subject.tables,
            uses: &planned.subject.uses,
            price: planned.price,
        };
        Some(self.rules.as_ref()?.judge_at_any_hour(&facts))
    }

    /// Every release in which the agency took part has its charge, where the receipt says.
    fn releases(&mut self) {
        let (mut found, mut first, mut broken) = (Vec::new(), None, 0u64);
        for used in self.against.uses {
            let here = |code, text: String| Finding::new(code, self.log(), text).about(used.spec_hash);
            let round = self.checked.books.round(used.query, used.attempt);
            let Some(round) = round.filter(|round| round.spec_hash == used.spec_hash) else {
                let text = format!(
                    "release {} of the registry has this agency's answer, which its ledger never reserved",
                    used.number
                );
                found.push(here(Code::Unlogged, text));
                continue;
            };
            let RoundPhase::Charged { context, position } = round.phase else {
                let text = format!(
                    "release {} of the registry has this agency's answer, which its ledger never charged",
                    used.number
                );
                found.push(here(Code::Unlogged, text).at(round.reserved_by));
                continue;
            };
            let charged_by = position.size - 1;
            if context != used.context {
                let text = format!(
                    "it was charged under another context than release {} of the registry was published",
                    used.number
                );
                found.push(here(Code::TwoContexts, text).at(charged_by));
            }
            if used.receipt.size != position.size {
                let text = format!(
                    "the receipt in release {} of the registry says that entry {} is the charge; it is this one",
                    used.number,
                    used.receipt.size.saturating_sub(1)
                );
                found.push(here(Code::Order, text).at(charged_by));
            }
            if let Some(fault) = self.release_fault(round.reserved_by, round.cost, &used.participants) {
                broken += 1;
                first.get_or_insert_with(|| here(Code::Rules, fault).at(charged_by));
            }
            if round.snapshot != Some(used.snapshot) {
                let text = format!(
                    "READY in release {} of the registry names other data than the last LOAD before this entry",
                    used.number
                );
                found.push(here(Code::Order, text).at(round.reserved_by));
            }
            if used.ready.size != round.reserved_by + 1 {
                let text = format!(
                    "READY in release {} of the registry says that entry {} is the reservation; it is this one",
                    used.number,
                    used.ready.size.saturating_sub(1)
                );
                found.push(here(Code::Order, text).at(round.reserved_by));
            }
        }
        // A rule that one release breaks most others break, too.
        if let Some(Finding { text, .. }) = first.as_mut().filter(|_| broken > 1) {
            *text += &format!("; {} more releases do not meet its policy", broken - 1);
        }
        found.extend(first);
        self.found.extend(found);
    }

    /// What a release lacks that the agency's policy, as it was at the reservation, asks of every release.
    fn release_fault(&self, reserved_by: u64, cost: PicoRho, participants: &[NodeId]) -> Option<String> {
        let asked = &self.asked.range(..=reserved_by).next_back()?.1;
        let anchors = participants.iter().filter(|node| asked.anchors.contains(node)).count() as u32;
        let count = participants.len() as u32;
        if count < asked.quorum {
            Some(format!("{count} took part, and the agency's own quorum is {}", asked.quorum))
        } else if anchors < asked.min_anchors {
            Some(format!("{anchors} of its anchors took part, {} must", asked.min_anchors))
        } else if cost > asked.query && asked.query > PicoRho::ZERO {
            Some(format!("it cost {cost} rho, and the agency allows {} for one question", asked.query))
        } else {
            None
        }
    }

    fn lost(&mut self) {
        let published = self.against.uses.len() as u64;
        self.checked.lost = self.checked.charges.saturating_sub(published);
    }
}
