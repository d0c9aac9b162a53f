//! Agencies that serve what their own signed rules refuse, or leave to an officer who never said yes.

use almoner_audit::{Code, Report};

use crate::support::{LIAR, Moment, Round, SQL, World};

const NOTHING: &str = "approve = \"nothing\"\n";
const NO_AGE: &str = "[rules]\ncolumns_denied = [\"residents.age\"]\n";

/// That these are all findings, each about the agency `LIAR`.
#[track_caller]
fn found(report: &Report, expected: &[(Code, u64)]) {
    let found: Vec<_> = report.findings.iter().map(|f| (f.code, f.log.as_str(), f.entry)).collect();
    let expected: Vec<_> = expected.iter().map(|(code, entry)| (*code, "south", Some(*entry))).collect();
    assert_eq!(found, expected, "{report}");
}

/// How many reservations were within the rules.
fn judged(report: &Report) -> u64 {
    let line = report.checked.iter().find(|(what, _)| what.contains("own rules allow"));
    line.expect("it is said").1
}

/// Four agencies, and what one round after the rules shows: the number of the reservation, and the report.
fn under(rules: &str, round: &Round<'_>) -> (u64, Report) {
    let mut world = World::new(4, None, None);
    world.rule(LIAR, rules);
    world.round(round);
    (world.places[&0].0, world.audit())
}

#[test]
fn a_question_that_the_rules_refuse_is_found_at_its_reservation() {
    for (rules, sql) in [
        (NO_AGE, SQL[1]),
        ("[rules]\ncolumns = [\"residents.age\"]\n", SQL[2]),
        ("[rules]\nplanners = [\"city\"]\n", SQL[0]),
        ("[rules]\naggregates = [\"SUM\", \"AVG\"]\n", SQL[0]),
    ] {
        // No approval opens what a rule closes.
        for approved in [false, true] {
            let (reserved, report) = under(rules, &Round { approved, ..Round::of(sql) });
            found(&report, &[(Code::Refused, reserved)]);
            assert_eq!(judged(&report), 3, "{report}");
        }
        // What was never charged was reserved nevertheless.
        let (reserved, report) = under(rules, &Round { published: false, ..Round::of(sql) });
        found(&report, &[(Code::Refused, reserved)]);
    }
    for (rules, round) in [
        (NO_AGE, Round::of(SQL[3])),
        ("[rules]\ncolumns = [\"residents.age\"]\n", Round::of(SQL[1])),
        ("[rules]\nplanners = [\"city\"]\n", Round { planner: "city", ..Round::of(SQL[0]) }),
        ("[rules]\naggregates = [\"COUNT\"]\npurpose = \"required\"\n", Round::of(SQL[0])),
        // Hours are for the node alone: the round is at none of these.
        ("[rules]\nhours = { from = \"23:58\", to = \"23:59\" }\n", Round::of(SQL[0])),
    ] {
        let (_, report) = under(rules, &round);
        found(&report, &[]);
        assert_eq!(judged(&report), 4, "{report}");
    }
}

#[test]
fn a_question_that_waits_is_not_served_without_the_officer() {
    for rules in [
        NOTHING,
        "[[approve]]\nmost_rho = \"0.000000000001\"\n",
        "[[approve]]\naggregates = [\"SUM\"]\n\n[[approve]]\nplanners = [\"city\"]\n",
    ] {
        let (reserved, report) = under(rules, &Round::of(SQL[0]));
        found(&report, &[(Code::Approval, reserved)]);
        let (_, report) = under(rules, &Round { approved: true, ..Round::of(SQL[0]) });
        found(&report, &[]);
    }
    let (_, report) = under("[[approve]]\naggregates = [\"COUNT\"]\n", &Round::of(SQL[0]));
    found(&report, &[]);
    // One approval serves one release: the second attempt, at the end of this ledger, has none.
    let (reserved, report) = under(NOTHING, &Round { approved: true, lost: 1, ..Round::of(SQL[0]) });
    found(&report, &[(Code::Approval, reserved)]);
}

#[test]
fn an_approval_after_the_reservation_comes_too_late() {
    let mut world = World::new(4, None, None);
    world.rule(LIAR, NOTHING);
    world.round(&Round::of(SQL[0]));
    world.approve_late(LIAR, 90);
    found(&world.audit(), &[(Code::Approval, world.places[&0].0)]);
}

#[test]
fn an_approval_for_longer_than_any_may_hold_is_found() {
    const MOST_S: u64 = 30 * 86_400;
    for (for_s, wrong) in [(MOST_S, false), (MOST_S + 1, true)] {
        let mut world = World::new(4, None, None);
        world.round(&Round::of(SQL[0]));
        let entry = world.approve_late(LIAR, for_s);
        let expected: Vec<_> = wrong.then_some((Code::Approval, entry)).into_iter().collect();
        found(&world.audit(), &expected);
    }
}

#[test]
fn the_rules_in_force_at_the_reservation_count() {
    // Approved by the rules before these.
    let mut world = World::new(4, None, None);
    world.round(&Round::of(SQL[1]));
    world.rule(LIAR, NOTHING);
    world.round(&Round::of(SQL[1]));
    world.rule(LIAR, NO_AGE);
    world.round(&Round::of(SQL[1]));
    world.rule(LIAR, "");
    world.round(&Round::of(SQL[1]));
    let places = [world.places[&1].0, world.places[&2].0];
    found(&world.audit(), &[(Code::Approval, places[0]), (Code::Refused, places[1])]);

    // By the officer before these, who is the same: hers is still the word, but it opens nothing.
    let approved = Round { approved: true, ..Round::of(SQL[1]) };
    for (rules, refused) in [(NOTHING, false), (NO_AGE, true)] {
        let mut world = World::new(4, None, None);
        world.rule(LIAR, NOTHING);
        world.change = Some((Moment::Approved, rules));
        world.round(&approved);
        let expected: Vec<_> = refused.then_some((Code::Refused, world.places[&0].0)).into_iter().collect();
        found(&world.audit(), &expected);
    }

    // What was reserved under the rules before is charged: a node judges once.
    for rules in [NOTHING, NO_AGE] {
        let mut world = World::new(4, None, None);
        world.change = Some((Moment::Reserved, rules));
        world.round(&Round::of(SQL[1]));
        found(&world.audit(), &[]);
    }
}

#[test]
fn rules_that_cannot_be_read_are_found_and_what_they_should_judge_is_unverified() {
    for rules in [
        "everything is allowed",
        "[rules]\ncolumns_denied = [\"residents.income\"]\n",
        "[rules]\npurpose = \"optional\"\n",
        "[rules]\ncolumns = [\"residents.*\"]\n",
    ] {
        let mut world = World::new(4, None, None);
        world.rule(LIAR, rules);
        world.round(&Round::of(SQL[0]));
        let report = world.audit();
        found(&report, &[(Code::Policy, 2)]);
        assert_eq!(judged(&report), 3, "{report}");
        let unverified = report.unverified.iter().filter(|text| text.starts_with("south: 1 reservations"));
        assert_eq!(unverified.count(), 1, "{report}");
    }
}

#[test]
fn the_guide_names_every_kind_of_finding() {
    let guide = include_str!("../../../../docs/auditor.md");
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let kinds: Vec<&str> =
        rows.flat_map(|kinds| kinds.split(", ")).map(|kind| kind.trim_matches('`')).collect();
    for code in Code::ALL {
        assert_eq!(kinds.iter().filter(|kind| **kind == code.word()).count(), 1, "{code}");
    }
    assert_eq!(kinds.len(), Code::ALL.len(), "{kinds:?}");
}

#[test]
fn an_honest_ledger_with_rules_and_approvals_has_no_finding() {
    let files = tempfile::tempdir().expect("a temporary folder");
    let mut world = World::new(4, None, Some(files.path()));
    for node in 0..4 {
        world.rule(node, if node == LIAR { NOTHING } else { "[[approve]]\ntables = [\"residents\"]\n" });
    }
    for sql in SQL {
        world.round(&Round { approved: true, ..Round::of(sql) });
    }
    world.rule(LIAR, "[rules]\npurpose = \"required\"\n\n[[approve]]\nplanners = [\"city\"]\n");
    world.round(&Round { planner: "city", lost: 1, ..Round::of(SQL[0]) });
    world.round(&Round { approved: true, ..Round::of(SQL[1]) });
    world.assert_real();
    let report = world.audit();
    assert!(report.is_clean() && report.unverified.is_empty(), "{report}");
    assert_eq!(judged(&report), 4 * (4 + 2 + 1), "{report}");
}
