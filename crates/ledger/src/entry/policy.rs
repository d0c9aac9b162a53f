//! What a node's ledger may spend, and on what: signed by the agency's data officer, and by an auditor where the
//! federation asks for that.

use std::collections::{BTreeMap, BTreeSet};

use almoner_federation::note::KeyName;
use almoner_federation::{
    DecodeError, Digest, Manifest, Name, NodeId, PeriodLength, PeriodLimit, PicoRho, Reader, Signature,
    SigningKey, VerifyingKey, lp,
};

use super::{LABEL, digest, name, rho};
use crate::error::Refusal;
use crate::node_types::Position;

pub(super) const WORD: &str = "POLICY";
pub(super) const GRANT: &str = "GRANT";

/// Most planners a policy may name, most auditors and anchors, and longest rules in bytes: together they fit an entry.
const MAX_PLANNERS: usize = 500;
const MAX_AUDITORS: usize = 64;
const MAX_ANCHORS: usize = 1_000;
const MAX_ORIGIN_BYTES: usize = 200;
const MAX_RULES_BYTES: usize = 16 << 10;

/// Most territories.
const MAX_TERRITORIES: u32 = 4_096;

/// What a node is willing to spend: the smaller of the manifest's limits and its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// What any one unit may lose, over all planners, for ever.
    pub total: PicoRho,
    /// Per planner; whoever is not named here is refused. Their sum may exceed the total.
    pub planners: BTreeMap<Name, PicoRho>,
    /// What any one unit may lose in one period.
    pub period: Option<PeriodLimit>,
    /// What may be spent on each territory.
    pub territory: Option<TerritoryLimit>,
}

/// A partition of the units, and what may be spent on each part in one period, or for ever without periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerritoryLimit {
    /// SHA-256 of the territories' column and names: what their numbers mean.
    pub partition: Digest,
    /// How many territories, at most 4,096.
    pub count: u32,
    /// In how many of them one unit may be, over all agencies; at least 1.
    pub placements: u32,
    /// What all questions that touch one may cost together.
    pub rho: PicoRho,
}

/// What an agency asks of every release.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReleaseLimits {
    /// Most that one question may cost.
    pub query: PicoRho,
    /// Fewest participants.
    pub quorum: u32,
    /// Agencies whose keys it verified itself.
    pub anchors: BTreeSet<NodeId>,
    /// Fewest anchors among the participants.
    pub min_anchors: u32,
}

/// Under which constitution, limits and rules the ledger is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The ledger's name, which its checkpoints carry; it never changes.
    pub origin: KeyName,
    /// The pinned manifest.
    pub manifest_hash: Digest,
    /// The limits in force.
    pub limits: Limits,
    /// Which releases it takes part in.
    pub release: ReleaseLimits,
    /// The agency's own rules, in their canonical text.
    pub rules: String,
    /// Who signs the next policy, and approvals under this one.
    pub officer: VerifyingKey,
    /// One of these signs the next policy, too; empty where no auditor is asked.
    pub auditors: Vec<VerifyingKey>,
}

/// A policy as its officer, and perhaps an auditor, signed it for one place in one ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPolicy {
    /// What is to be in force.
    pub policy: Policy,
    /// The officer's signature over [`Policy::statement`].
    pub officer: Signature,
    /// An auditor's, over the same.
    pub auditor: Option<(VerifyingKey, Signature)>,
}

/// A POLICY entry, or a GRANT entry where a limit is raised:
/// `LP(label, word, at_s, policy, charged_total, officer's signature, auditor's key or nothing, its signature or nothing)`,
/// where `policy` is [`Policy::encode`]'s bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyEntry {
    /// When it was written, Unix seconds.
    pub at_s: u64,
    /// Whether it raises a limit that was in force, which the type of the entry says.
    pub grant: bool,
    /// What is in force from here on.
    pub signed: SignedPolicy,
    /// What any one unit has lost so far, at most.
    pub charged_total: PicoRho,
}

/// Refuses a policy that no entry could hold.
pub(crate) fn check_bounds(policy: &Policy) -> Result<(), Refusal> {
    let territories = policy.limits.territory.as_ref();
    let bounds = [
        (policy.release.anchors.len() <= MAX_ANCHORS, "the number of anchors (at most 1,000)"),
        (policy.limits.planners.len() <= MAX_PLANNERS, "the number of planners (at most 500)"),
        (policy.auditors.len() <= MAX_AUDITORS, "the number of auditors (at most 64)"),
        (policy.rules.len() <= MAX_RULES_BYTES, "the length of the rules (at most 16 KiB)"),
        (policy.origin.as_str().len() <= MAX_ORIGIN_BYTES, "the ledger's name (at most 200 bytes)"),
        (territories.is_none_or(|t| t.count <= MAX_TERRITORIES), "the number of territories"),
        (territories.is_none_or(|t| t.placements > 0), "in how many territories a unit may be (at least 1)"),
    ];
    match bounds.iter().find(|(holds, _)| !holds) {
        Some((_, what)) => Err(Refusal::TooLarge(what)),
        None => Ok(()),
    }
}

impl TerritoryLimit {
    /// The limit that a manifest sets, if it has territories.
    pub fn of(manifest: &Manifest) -> Option<Self> {
        let territory = manifest.territory.as_ref()?;
        let mut items = vec![b"almoner/1/territories".as_slice(), territory.column.as_bytes()];
        items.extend(territory.names.iter().map(|name| name.as_bytes()));
        Some(TerritoryLimit {
            partition: Digest::of(&lp(&items)),
            count: territory.names.len() as u32,
            placements: manifest.placements(),
            rho: territory.rho,
        })
    }
}

impl Limits {
    /// Whether it allows anything that `before` does not: then its entry is a GRANT.
    pub fn raises(&self, before: &Limits) -> bool {
        let planner = |(name, rho): (&Name, &PicoRho)| before.planners.get(name).is_none_or(|old| rho > old);
        // Without a limit of its own kind the total is the limit.
        let period = |limits: &Limits| limits.period.map_or(limits.total, |period| period.rho);
        let territory = match (self.territory, before.territory) {
            (None, None) => false,
            // Only then questions about different territories cost each unit one price between them.
            (Some(_), None) => true,
            (None, Some(then)) => self.total > then.rho,
            (Some(now), Some(then)) => {
                now.rho > then.rho
                    || now.placements < then.placements
                    || (now.partition, now.count) != (then.partition, then.count)
                    // A limit for ever becomes one for each period.
                    || (self.period.is_some() && before.period.is_none())
            }
        };
        let shorter = match (self.period, before.period) {
            (Some(now), Some(then)) => now.length.months() < then.length.months(),
            _ => false,
        };
        self.total > before.total
            || self.planners.iter().any(planner)
            || period(self) > period(before)
            || shorter
            || territory
    }
}

impl Policy {
    /// `LP("almoner/1/policy", origin, manifest_hash, total, planners, months and rho of a period or nothing,
    /// territories or nothing, release, rules, officer, auditors)`; planners are `LP((name, limit)*)` in ascending order,
    /// territories `partition || count || placements || rho`, auditors their keys one after another.
    pub fn encode(&self) -> Vec<u8> {
        let limits = &self.limits;
        let amounts: Vec<[u8; 8]> = limits.planners.values().map(|limit| limit.get().to_be_bytes()).collect();
        let planners: Vec<&[u8]> = limits
            .planners
            .keys()
            .zip(&amounts)
            .flat_map(|(name, amount)| [name.as_str().as_bytes(), amount.as_slice()])
            .collect();
        let period = limits.period.map_or(Vec::new(), |period| {
            [&period.length.months().to_be_bytes()[..], &period.rho.get().to_be_bytes()].concat()
        });
        let territory = limits.territory.map_or(Vec::new(), |territory| {
            let (count, placements) = (territory.count.to_be_bytes(), territory.placements.to_be_bytes());
            [&territory.partition.0[..], &count, &placements, &territory.rho.get().to_be_bytes()].concat()
        });
        let auditors: Vec<u8> = self.auditors.iter().flat_map(|key| *key.as_bytes()).collect();
        lp(&[
            POLICY_LABEL.as_bytes(),
            self.origin.as_str().as_bytes(),
            &self.manifest_hash.0,
            &limits.total.get().to_be_bytes(),
            &lp(&planners),
            &period,
            &territory,
            &self.release.encode(),
            self.rules.as_bytes(),
            self.officer.as_bytes(),
            &auditors,
        ])
    }

    /// Reads [`Policy::encode`]'s bytes back, and nothing else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, POLICY_LABEL)?;
        let policy = Policy {
            origin: reader.text()?.parse().map_err(|_| DecodeError::Malformed("not a ledger's name"))?,
            manifest_hash: digest(&mut reader)?,
            limits: Limits {
                total: rho(&mut reader)?,
                planners: planners(reader.bytes()?)?,
                period: period(reader.bytes()?)?,
                territory: territory(reader.bytes()?)?,
            },
            release: ReleaseLimits::decode(reader.bytes()?)?,
            rules: reader.text()?.to_owned(),
            officer: VerifyingKey::new(reader.array()?),
            auditors: auditors(reader.bytes()?)?,
        };
        reader.end()?;
        check_bounds(&policy).map_err(|_| DecodeError::Malformed("a policy beyond its bounds"))?;
        Ok(policy)
    }

    /// What officer and auditor sign: this policy, as the next entry of exactly this ledger.
    /// `LP("almoner/1/policy-statement", size, root, policy)`.
    pub fn statement(&self, after: Position) -> Vec<u8> {
        lp(&[b"almoner/1/policy-statement", &after.size.to_be_bytes(), &after.root.0, &self.encode()])
    }

    /// Signs it as the officer, to follow `after`.
    pub fn sign(self, after: Position, officer: &SigningKey) -> SignedPolicy {
        SignedPolicy { officer: officer.sign(&self.statement(after)), policy: self, auditor: None }
    }
}

impl ReleaseLimits {
    /// `query u64 || quorum u32 || min_anchors u32 || anchors u32*`, the anchors ascending.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.query.get().to_be_bytes().to_vec();
        bytes.extend([self.quorum, self.min_anchors].map(u32::to_be_bytes).as_flattened());
        bytes.extend(self.anchors.iter().flat_map(|node| node.0.to_be_bytes()));
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wrong = DecodeError::Malformed("not the limits of a release");
        let (query, rest) = bytes.split_first_chunk::<8>().ok_or(wrong)?;
        let (numbers, rest) = rest.as_chunks::<4>();
        let numbers: Vec<u32> = numbers.iter().map(|number| u32::from_be_bytes(*number)).collect();
        let ([quorum, min_anchors, anchors @ ..], []) = (numbers.as_slice(), rest) else { return Err(wrong) };
        if !anchors.is_sorted_by(|a, b| a < b) {
            return Err(wrong);
        }
        Ok(ReleaseLimits {
            query: PicoRho::new(u64::from_be_bytes(*query)),
            quorum: *quorum,
            min_anchors: *min_anchors,
            anchors: anchors.iter().copied().map(NodeId).collect(),
        })
    }
}

impl SignedPolicy {
    /// Adds an auditor's signature, for the same place.
    pub fn countersign(&mut self, after: Position, auditor: &SigningKey) {
        let signature = auditor.sign(&self.policy.statement(after));
        self.auditor = Some((auditor.verifying_key(), signature));
    }
}

impl PolicyEntry {
    pub(super) fn encode(&self) -> Vec<u8> {
        let word = if self.grant { GRANT } else { WORD };
        let SignedPolicy { policy, officer, auditor } = &self.signed;
        let (key, signature): (&[u8], &[u8]) = match auditor {
            Some((key, signature)) => (key.as_bytes(), &signature.0),
            None => (&[], &[]),
        };
        lp(&[
            LABEL.as_bytes(),
            word.as_bytes(),
            &self.at_s.to_be_bytes(),
            &policy.encode(),
            &self.charged_total.get().to_be_bytes(),
            &officer.0,
            key,
            signature,
        ])
    }

    pub(super) fn decode(mut reader: Reader<'_>, grant: bool) -> Result<Self, DecodeError> {
        let at_s = reader.u64()?;
        let policy = Policy::decode(reader.bytes()?)?;
        let charged_total = rho(&mut reader)?;
        let officer = Signature(reader.array()?);
        let auditor = match (reader.bytes()?, reader.bytes()?) {
            ([], []) => None,
            (key, signature) => {
                let wrong = |_| DecodeError::Malformed("an auditor's signature of the wrong length");
                let key = VerifyingKey::new(key.try_into().map_err(wrong)?);
                Some((key, Signature(signature.try_into().map_err(wrong)?)))
            }
        };
        reader.end()?;
        Ok(PolicyEntry { at_s, grant, signed: SignedPolicy { policy, officer, auditor }, charged_total })
    }
}

const POLICY_LABEL: &str = "almoner/1/policy";

fn planners(bytes: &[u8]) -> Result<BTreeMap<Name, PicoRho>, DecodeError> {
    let mut planners = BTreeMap::new();
    let mut reader = Reader::plain(bytes);
    while !reader.is_empty() {
        let (planner, limit) = (name(&mut reader)?, rho(&mut reader)?);
        // Names in ascending order, so that one policy has one encoding.
        if planners.last_key_value().is_some_and(|(last, _)| *last >= planner) {
            return Err(DecodeError::Malformed("planners out of order"));
        }
        planners.insert(planner, limit);
    }
    Ok(planners)
}

fn period(bytes: &[u8]) -> Result<Option<PeriodLimit>, DecodeError> {
    let wrong = DecodeError::Malformed("not a period's limit");
    let Some((months, rho)) = bytes.split_first_chunk::<4>() else {
        return if bytes.is_empty() { Ok(None) } else { Err(wrong) };
    };
    let lengths = [PeriodLength::Month, PeriodLength::Quarter, PeriodLength::Year];
    let months = u32::from_be_bytes(*months);
    let length = lengths.into_iter().find(|length| length.months() == months).ok_or(wrong)?;
    let rho = PicoRho::new(u64::from_be_bytes(rho.try_into().map_err(|_| wrong)?));
    Ok(Some(PeriodLimit { length, rho }))
}

fn territory(bytes: &[u8]) -> Result<Option<TerritoryLimit>, DecodeError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let bytes: &[u8; 48] =
        bytes.try_into().map_err(|_| DecodeError::Malformed("not the territories' limit"))?;
    let number = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (partition, rho) = (bytes.first_chunk::<32>(), bytes.last_chunk::<8>());
    let (partition, rho) = partition.zip(rho).expect("48 bytes hold both");
    Ok(Some(TerritoryLimit {
        partition: Digest(*partition),
        count: number(32),
        placements: number(36),
        rho: PicoRho::new(u64::from_be_bytes(*rho)),
    }))
}

fn auditors(bytes: &[u8]) -> Result<Vec<VerifyingKey>, DecodeError> {
    let (keys, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(DecodeError::Malformed("not a list of keys"));
    }
    Ok(keys.iter().map(|key| VerifyingKey::new(*key)).collect())
}
