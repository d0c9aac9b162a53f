//! Checks a manifest whole: every problem is found in one reading, with its line and remedy.

use std::collections::BTreeSet;

use toml::Spanned;

use super::columns::check_column;
use super::file::{self, ManifestFile};
use super::{
    Agency, Auditor, Coordinator, Manifest, PeriodLimit, Planner, Policy, Unit, UnitKind, Witnessing,
    territory,
};
use crate::file_error::{Problem, line_of};
use crate::{Digest, Name, NodeId, Table, VerifyingKey};

/// Bounds that keep every later computation small enough to reason about.
const MAX_AGENCIES: usize = 5_000;
const MAX_TABLES: usize = 200;
const MAX_COLUMNS: usize = 500;
const MAX_ROWS_PER_UNIT: u32 = 1_000;
const MAX_POPULATION: u64 = 10_000_000_000;
/// A note has room for 100 signatures: the log's, its witnesses' and its auditors'.
const MAX_WITNESSES: u32 = 64;

/// Above this relative standard error an answer is flagged unless the manifest says otherwise.
const QUALITY_LIMIT: f64 = 0.25;

/// Collects problems instead of stopping at the first.
pub(super) struct Findings<'a> {
    text: &'a str,
    pub(super) problems: Vec<Problem>,
}

impl Findings<'_> {
    pub(super) fn add(&mut self, offset: usize, message: impl Into<String>, remedy: impl Into<String>) {
        let line = line_of(self.text, offset);
        self.problems.push(Problem { line, message: message.into(), remedy: remedy.into() });
    }

    pub(super) fn unless(
        &mut self,
        holds: bool,
        offset: usize,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if !holds {
            self.add(offset, message, remedy);
        }
    }

    /// Reports every name that stands twice.
    fn unique<'n, N: ToString + 'n>(&mut self, what: &str, names: impl Iterator<Item = (&'n N, usize)>) {
        let mut seen = BTreeSet::new();
        for (name, offset) in names {
            let name = name.to_string();
            let fresh = seen.insert(name.to_ascii_lowercase());
            self.unless(fresh, offset, format!("{what} {name:?} stands twice"), "give each its own");
        }
    }
}

pub(super) fn start<T>(spanned: &Spanned<T>) -> usize {
    spanned.span().start
}

pub(super) fn check(raw: ManifestFile, text: &str, hash: Digest) -> Result<Manifest, Vec<Problem>> {
    let mut findings = Findings { text, problems: Vec::new() };
    let f = &mut findings;

    f.unique("the planner", raw.planner.iter().map(|p| (&p.get_ref().name, start(p))));
    f.unique("the auditor", raw.auditor.iter().map(|a| (&a.get_ref().name, start(a))));
    f.unique("the sector", raw.sector.iter().map(|s| (&s.get_ref().name, start(s))));
    f.unique("the agency", raw.agency.iter().map(|a| (&a.get_ref().name, start(a))));
    f.unique("the node number", raw.agency.iter().map(|a| (&a.get_ref().node, start(a))));
    // One key, one party: whoever holds two roles could sign for both.
    let agency_keys = raw.agency.iter().map(|a| (&a.get_ref().signing_key, start(a)));
    let planner_keys = raw.planner.iter().map(|p| (&p.get_ref().signing_key, start(p)));
    let coordinator_key = (&raw.coordinator.signing_key, start(&raw.coordinator.endpoint));
    let officer_keys = raw.agency.iter().map(|a| (&a.get_ref().officer_key, start(a)));
    let auditor_keys = raw.auditor.iter().map(|a| (&a.get_ref().signing_key, start(a)));
    let keys = agency_keys.chain(officer_keys).chain(planner_keys).chain(auditor_keys);
    f.unique("the signing key", keys.chain([coordinator_key]));
    f.unique("the mask key", raw.agency.iter().map(|a| (&a.get_ref().mask_key, start(a))));
    f.unique("the table", raw.table.iter().map(|t| (&t.get_ref().name, start(t))));

    let unit = check_unit(f, &raw.unit);
    let policy = check_policy(f, &raw.policy, raw.agency.len());
    let no_auditor = policy.changes_need_auditor && raw.auditor.is_empty();
    let remedy = "name an [[auditor]], or leave changes_need_auditor out";
    f.unless(!no_auditor, start(&raw.policy), "changes need an auditor and there is none", remedy);
    let endpoint = raw.coordinator.endpoint;
    check_endpoint(f, endpoint.get_ref(), start(&endpoint));
    let coordinator = Coordinator {
        name: raw.coordinator.name,
        endpoint: endpoint.into_inner(),
        signing_key: raw.coordinator.signing_key,
    };

    for planner in &raw.planner {
        let fits = planner.get_ref().rho <= policy.total_rho;
        let message =
            format!("planner {} may spend more than the federation's total", planner.get_ref().name);
        f.unless(fits, start(planner), message, "lower its rho or raise policy.total_rho");
    }
    let sectors: Vec<(Name, u32)> = raw
        .sector
        .iter()
        .map(|sector| {
            let most = sector.get_ref().agencies_per_unit;
            f.unless(
                most >= 1,
                start(sector),
                "agencies_per_unit is 0",
                "write 1 when the agencies of a sector are disjoint",
            );
            (sector.get_ref().name.clone(), most.max(1))
        })
        .collect();
    let agencies = check_agencies(f, &raw.agency, &sectors);
    let names: BTreeSet<Name> = agencies.iter().map(|agency| agency.name.clone()).collect();
    f.unless(raw.table.len() <= MAX_TABLES, 0, format!("more than {MAX_TABLES} tables"), "declare fewer");
    let tables: Vec<Table> = raw.table.iter().map(|table| check_table(f, table, &unit, &names)).collect();
    let territory = raw.territory.as_ref().and_then(|raw| territory::check(f, raw, &tables, &policy));

    if !findings.problems.is_empty() {
        findings.problems.sort_by_key(|problem| problem.line);
        return Err(findings.problems);
    }
    Ok(Manifest {
        hash,
        federation: raw.federation.id,
        epoch: raw.federation.epoch,
        coordinator,
        unit,
        policy,
        planners: raw
            .planner
            .into_iter()
            .map(Spanned::into_inner)
            .map(|p| Planner { name: p.name, signing_key: p.signing_key, rho: p.rho })
            .collect(),
        auditors: raw
            .auditor
            .into_iter()
            .map(Spanned::into_inner)
            .map(|a| Auditor { name: a.name, signing_key: a.signing_key })
            .collect(),
        agencies,
        sectors,
        tables,
        territory,
    })
}

fn check_unit(f: &mut Findings<'_>, raw: &Spanned<file::Unit>) -> Unit {
    let (at, unit) = (start(raw), raw.get_ref());
    check_identifier(f, &unit.column, at);
    let remedy = "give a public upper bound on how many units the federation holds";
    f.unless(
        (1..=MAX_POPULATION).contains(&unit.population),
        at,
        "population must be 1 to 10 billion",
        remedy,
    );
    Unit {
        kind: match unit.kind {
            file::UnitKind::Person => UnitKind::Person,
            file::UnitKind::Household => UnitKind::Household,
        },
        column: unit.column.clone(),
        population: unit.population,
        sketch_key_sha256: unit.sketch_key_sha256,
    }
}

fn check_policy(f: &mut Findings<'_>, raw: &Spanned<file::Policy>, agencies: usize) -> Policy {
    let (at, policy) = (start(raw), raw.get_ref());
    f.unless(
        policy.delta > 0.0 && policy.delta <= 1e-3,
        at,
        "delta must be above 0 and at most 0.001",
        "choose one far below 1 over the population, such as 1e-9",
    );
    f.unless(
        policy.quorum as usize <= agencies,
        at,
        format!("quorum {} is larger than the {agencies} agencies", policy.quorum),
        "lower the quorum",
    );
    f.unless(
        policy.quality_limit.is_none_or(|limit| limit > 0.0 && limit < 100.0),
        at,
        "quality_limit is no share",
        "write the relative standard error above which answers are flagged, such as 0.25",
    );
    f.unless(
        policy.min_honest >= 2,
        at,
        "min_honest is below 2",
        "one honest share alone would be a local release; write 2 or more",
    );
    f.unless(
        policy.quorum.checked_sub(policy.colluders).is_some_and(|honest| honest >= policy.min_honest),
        at,
        format!(
            "quorum {} less {} colluders leaves fewer than {} honest noise shares",
            policy.quorum, policy.colluders, policy.min_honest
        ),
        "raise the quorum, or lower colluders or min_honest",
    );
    let others = agencies.saturating_sub(1) as u32;
    let most = others.min(MAX_WITNESSES);
    let witnesses = policy.witnesses.unwrap_or(Witnessing::least(others, policy.colluders).min(most));
    f.unless(
        witnesses <= others,
        at,
        format!("{witnesses} witnesses are more than the {others} other agencies"),
        "lower witnesses",
    );
    f.unless(
        witnesses <= MAX_WITNESSES,
        at,
        format!("{witnesses} witnesses are more than {MAX_WITNESSES}"),
        "lower witnesses: each of them signs every checkpoint",
    );
    let period = policy.period.zip(policy.period_rho).map(|(length, rho)| PeriodLimit { length, rho });
    f.unless(
        policy.period.is_some() == policy.period_rho.is_some(),
        at,
        "period and period_rho belong together",
        "write both, or neither",
    );
    f.unless(
        period.is_none_or(|period| period.rho <= policy.total_rho),
        at,
        "period_rho is more than total_rho, so it limits nothing",
        "lower period_rho, or leave it and period out",
    );
    Policy {
        delta: policy.delta,
        total_rho: policy.total_rho,
        quorum: policy.quorum,
        colluders: policy.colluders,
        min_honest: policy.min_honest,
        quality_limit: policy.quality_limit.unwrap_or(QUALITY_LIMIT),
        witnesses,
        changes_need_auditor: policy.changes_need_auditor,
        period,
    }
}

fn check_endpoint(f: &mut Findings<'_>, endpoint: &str, at: usize) {
    let well_formed = endpoint.strip_prefix("https://").and_then(|rest| rest.rsplit_once(':')).is_some_and(
        |(host, port)| {
            !host.is_empty() && !host.contains(['/', '@', ' ']) && port.parse::<u16>().is_ok_and(|p| p > 0)
        },
    );
    f.unless(well_formed, at, format!("{endpoint:?} is not an endpoint"), "write https://HOST:PORT");
}

fn check_agencies(
    f: &mut Findings<'_>,
    raw: &[Spanned<file::Agency>],
    sectors: &[(Name, u32)],
) -> Vec<Agency> {
    f.unless(
        raw.len() <= MAX_AGENCIES,
        0,
        format!("more than {MAX_AGENCIES} agencies"),
        "split the federation",
    );
    let mut agencies: Vec<Agency> = raw
        .iter()
        .map(|spanned| {
            let (at, agency) = (start(spanned), spanned.get_ref());
            check_endpoint(f, &agency.endpoint, at);
            if let Some(sector) = &agency.sector {
                let known = sectors.iter().any(|(name, _)| name == sector);
                f.unless(
                    known,
                    at,
                    format!("sector {sector:?} is not declared"),
                    "add a [[sector]] of that name",
                );
            }
            Agency {
                node: NodeId(agency.node),
                name: agency.name.clone(),
                legal_name: agency.legal_name.clone(),
                sector: agency.sector.clone(),
                endpoint: agency.endpoint.clone(),
                signing_key: agency.signing_key,
                officer_key: agency.officer_key,
                mask_key: mask_key(f, &agency.mask_key, at),
            }
        })
        .collect();
    agencies.sort_by_key(|agency| agency.node);
    agencies
}

fn mask_key(f: &mut Findings<'_>, key: &VerifyingKey, at: usize) -> [u8; 32] {
    f.unless(key.as_bytes() != &[0; 32], at, "the mask key is all zero", "make one with `almoner keys`");
    *key.as_bytes()
}

fn check_table(
    f: &mut Findings<'_>,
    raw: &Spanned<file::Table>,
    unit: &Unit,
    agencies: &BTreeSet<Name>,
) -> Table {
    let (at, table) = (start(raw), raw.get_ref());
    check_identifier(f, &table.name, at);
    f.unless(
        (1..=MAX_ROWS_PER_UNIT).contains(&table.rows_per_unit),
        at,
        format!("rows_per_unit must be 1 to {MAX_ROWS_PER_UNIT}"),
        "declare the most rows of one unit that the law or the codebook allows",
    );
    let holders = match &table.agencies {
        None => agencies.clone(),
        Some(named) => {
            for name in named.iter().filter(|name| !agencies.contains(name)) {
                f.add(
                    at,
                    format!("table {:?} names the unknown agency {name:?}", table.name),
                    "name a declared agency",
                );
            }
            named.iter().cloned().collect()
        }
    };
    f.unless(!holders.is_empty(), at, format!("no agency holds table {:?}", table.name), "name at least one");
    f.unless(
        table.column.len() <= MAX_COLUMNS,
        at,
        format!("more than {MAX_COLUMNS} columns"),
        "declare only those that may be asked about",
    );
    f.unique("the column", table.column.iter().map(|c| (&c.get_ref().name, start(c))));
    let columns = table.column.iter().filter_map(|column| check_column(f, column, unit)).collect();
    Table { name: table.name.clone(), rows_per_unit: table.rows_per_unit, holders, columns }
}

pub(super) fn check_identifier(f: &mut Findings<'_>, name: &str, at: usize) {
    let shaped = (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.as_bytes()[0].is_ascii_digit();
    f.unless(
        shaped,
        at,
        format!("{name:?} is not an SQL name"),
        "use letters, digits and '_', beginning with a letter",
    );
}
