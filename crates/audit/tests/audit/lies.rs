//! Parties that lie while the rounds are run: every signature is right, and what they say does not belong together.

use almoner_audit::{Code, Report};

use crate::support::{Lie, ROUND, World, federation};

/// Where a finding must be.
#[derive(Debug, Clone, Copy)]
enum At {
    Reserve,
    Charge,
    Published,
    Entry(u64),
    Whole,
}

const LIES: [(Lie, Code, &str, At); 33] = [
    (Lie::Price, Code::Price, "south", At::Reserve),
    (Lie::Territories, Code::Territories, "south", At::Reserve),
    (Lie::OtherContext, Code::TwoContexts, "south", At::Charge),
    (Lie::NoCharge, Code::Unlogged, "south", At::Entry(5)),
    (Lie::NoCharge, Code::Fork, "south", At::Entry(6)),
    (Lie::NoRound, Code::Unlogged, "south", At::Whole),
    (Lie::NoRound, Code::Fork, "south", At::Entry(4)),
    (Lie::Receipt, Code::Order, "south", At::Charge),
    (Lie::Ready, Code::Order, "south", At::Reserve),
    (Lie::Unwitnessed, Code::Release, "registry", At::Published),
    (Lie::ForeignNote, Code::Release, "registry", At::Published),
    (Lie::OldNote, Code::Release, "registry", At::Published),
    (Lie::ForkedNote, Code::Release, "registry", At::Published),
    (Lie::Unmasked, Code::Uniform, "south", At::Whole),
    (Lie::OtherApproval, Code::Approval, "south", At::Reserve),
    (Lie::Expired, Code::Books, "south", At::Charge),
    (Lie::PolicyTotal, Code::Policy, "south", At::Entry(0)),
    (Lie::PolicyPlanner, Code::Policy, "south", At::Entry(0)),
    (Lie::PolicyStranger, Code::Policy, "south", At::Entry(0)),
    (Lie::OwnQuorum, Code::Rules, "south", At::Entry(3)),
    (Lie::OwnAnchors, Code::Rules, "south", At::Entry(3)),
    (Lie::OwnPrice, Code::Rules, "south", At::Entry(3)),
    (Lie::PolicyPeriod, Code::Policy, "south", At::Entry(0)),
    (Lie::PolicyOfficer, Code::Policy, "south", At::Entry(0)),
    (Lie::PolicyAuditors, Code::Policy, "south", At::Entry(0)),
    (Lie::NoCountersign, Code::Books, "south", At::Entry(11)),
    (Lie::NoGrant, Code::Books, "south", At::Entry(11)),
    (Lie::StrangeOfficer, Code::Books, "south", At::Entry(11)),
    (Lie::OldManifest, Code::Question, "south", At::Entry(12)),
    (Lie::RegistryContext, Code::TwoContexts, "registry", At::Published),
    (Lie::RegistryNoCharge, Code::Omitted, "registry", At::Published),
    (Lie::RegistryFamily, Code::Evidence, "registry", At::Published),
    (Lie::RegistryPlanner, Code::Evidence, "registry", At::Published),
];

/// What is wrong with the findings, if no finding is of that kind, or too many are there.
pub fn missed(report: &Report, what: &str, code: Code, log: &str, entry: Option<u64>) -> Option<String> {
    let found = report.findings.iter().any(|f| (f.code, f.log.as_str(), f.entry) == (code, log, entry));
    let all = report.findings.iter().map(|finding| format!("    {finding}\n")).collect::<String>();
    println!("{what}: {} findings\n{all}", report.findings.len());
    let few = report.findings.len() <= 3;
    (!found || !few).then(|| format!("{what}: wanted {code} at {log} {entry:?} and few others, found\n{all}"))
}

fn entry(world: &World, at: At) -> Option<u64> {
    match at {
        At::Reserve => Some(world.places[&ROUND].0),
        At::Charge => Some(world.places[&ROUND].1),
        At::Published => Some(world.published[&ROUND]),
        At::Entry(number) => Some(number),
        At::Whole => None,
    }
}

#[test]
fn every_lie_is_found_where_it_was_told() {
    let missed: Vec<String> = LIES
        .into_iter()
        .filter_map(|(lie, code, log, at)| {
            let world = federation(4, Some(lie), None);
            missed(&world.audit(), &format!("{lie:?}"), code, log, entry(&world, at))
        })
        .collect();
    assert!(missed.is_empty(), "{}", missed.concat());
}
