//! What rules say of questions, hostile ones first.

use almoner_policy::{ApproveTables, RuleRefusal, Rules, RulesTable, Verdict};
use almoner_query::plan;
use serde::Deserialize;

use super::{NOW_S, manifest, spec};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rules: RulesTable,
    #[serde(default)]
    approve: ApproveTables,
}

fn read(text: &str) -> Result<Rules, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    Rules::check(&file.rules, &file.approve, &manifest())
}

fn rules(text: &str) -> Rules {
    read(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn judge(rules: &Rules, sql: &str) -> Verdict {
    let spec = spec(sql, 1);
    let plan = plan(&manifest(), &spec.sql, spec.rho).expect("it was planned before");
    rules.judge(&spec, &plan, NOW_S)
}

#[test]
fn a_denied_column_is_denied_wherever_it_stands() {
    let denied = rules("[rules]\ncolumns_denied = [\"Persons.INCOME\"]");
    for sql in [
        "SELECT SUM(income) FROM persons",
        "SELECT SUM(\"income\") FROM persons",
        "SELECT SUM(InCoMe) AS age FROM PERSONS AS residents",
        "SELECT SUM(p.income) FROM persons AS p",
        "SELECT COUNT(income) FROM persons",
        "SELECT COUNT(*) FROM persons WHERE income > 1",
        "SELECT COUNT(*) FROM persons WHERE NOT (poor OR NOT (income IS NULL))",
        "SELECT COUNT(*) FROM persons WHERE TRUE OR income = 1",
        "SELECT COUNT(*) FILTER (WHERE income > 1) FROM persons",
        "SELECT COUNT(*) FROM persons GROUP BY income",
        "SELECT income AS i, COUNT(*) FROM persons GROUP BY i ORDER BY i",
        "SELECT COUNT(*) FROM persons GROUP BY CASE WHEN income > 1 THEN 'a' ELSE 'b' END",
        "SELECT SUM(CASE WHEN income > 1 THEN 1 ELSE 0 END) FROM persons",
        "SELECT SUM(CASE WHEN FALSE THEN income ELSE 0 END) FROM persons",
        "SELECT SUM(income * 0) FROM persons",
        "SELECT AVG(age, weight => income) FROM persons",
        "SELECT POVERTY_HEADCOUNT(balance + 501, LEAST(income + 1, 250)) FROM persons",
        "SELECT MEDIAN(GREATEST(income, 1)) FROM persons",
        "SELECT MPI(1/2, poor, 1/2, income < 5, 1/2) FROM persons",
        "SELECT COUNT(DISTINCT person_id) FILTER (WHERE income > 1) FROM persons",
        "SELECT COUNT(*) FROM (SELECT person_id FROM residents EXCEPT SELECT person_id FROM persons WHERE income > 1)",
    ] {
        assert_eq!(judge(&denied, sql), Verdict::Refused(RuleRefusal::Column), "{sql}");
    }
    for sql in [
        "SELECT COUNT(*) FROM persons",
        "SELECT COUNT(*) AS income FROM persons",
        "SELECT COUNT(*) FROM persons WHERE name = 'income'",
        "SELECT SUM(age) FROM persons AS income",
    ] {
        assert_eq!(judge(&denied, sql), Verdict::Approved, "{sql}");
    }
}

#[test]
fn one_table_s_column_is_not_another_s() {
    let denied = rules("[rules]\ncolumns_denied = [\"residents.age\"]");
    assert_eq!(judge(&denied, "SELECT SUM(age) FROM persons"), Verdict::Approved);
    assert_eq!(judge(&denied, "SELECT SUM(age) FROM residents"), Verdict::Refused(RuleRefusal::Column));
    // An alias does not lend a table's name to another.
    let aliased = "SELECT SUM(persons.age) FROM residents AS persons";
    assert_eq!(judge(&denied, aliased), Verdict::Refused(RuleRefusal::Column));
}

#[test]
fn each_rule_refuses_by_its_own_name() {
    let units = "SELECT COUNT(*) FROM (SELECT person_id FROM persons UNION SELECT person_id FROM residents)";
    for (text, sql, verdict) in [
        ("planners = [\"bank\"]", "SELECT COUNT(*) FROM persons", Verdict::Refused(RuleRefusal::Planner)),
        ("planners = [\"bank\", \"ministry\"]", "SELECT COUNT(*) FROM persons", Verdict::Approved),
        ("tables = [\"RESIDENTS\"]", "SELECT COUNT(*) FROM persons", Verdict::Refused(RuleRefusal::Table)),
        ("tables = [\"RESIDENTS\"]", "SELECT COUNT(*) FROM residents", Verdict::Approved),
        ("tables = [\"residents\"]", units, Verdict::Refused(RuleRefusal::Table)),
        ("tables = [\"residents\", \"persons\"]", units, Verdict::Approved),
        ("columns = [\"persons.age\"]", "SELECT SUM(age) FROM persons", Verdict::Approved),
        ("columns = [\"persons.age\"]", "SELECT COUNT(*) FROM residents", Verdict::Approved),
        (
            "columns = [\"persons.age\"]",
            "SELECT SUM(age) FROM residents",
            Verdict::Refused(RuleRefusal::Column),
        ),
        ("columns = [\"persons.*\"]", "SELECT SUM(income) FROM persons WHERE poor", Verdict::Approved),
        ("columns = [\"persons.*\"]", units, Verdict::Refused(RuleRefusal::Column)),
        ("columns_denied = [\"persons.person_id\"]", units, Verdict::Refused(RuleRefusal::Column)),
        ("columns_denied = [\"persons.*\"]", "SELECT COUNT(*) FROM persons", Verdict::Approved),
        (
            "columns = [\"persons.*\"]\ncolumns_denied = [\"persons.age\"]",
            "SELECT SUM(age) FROM persons",
            Verdict::Refused(RuleRefusal::Column),
        ),
        ("aggregates = [\"count\"]", "SELECT COUNT(*) FROM persons", Verdict::Approved),
        ("aggregates = [\"COUNT\"]", units, Verdict::Refused(RuleRefusal::Aggregate)),
        (
            "aggregates = [\"COUNT\"]",
            "SELECT COUNT(DISTINCT person_id) FROM persons",
            Verdict::Refused(RuleRefusal::Aggregate),
        ),
        (
            "aggregates = [\"COUNT\"]",
            "SELECT COUNT(*), EMPHASIS(SUM(age), 2) FROM persons",
            Verdict::Refused(RuleRefusal::Aggregate),
        ),
        ("aggregates = [\"UNITS\"]", units, Verdict::Approved),
        ("aggregates = [\"DISTRIBUTION\"]", "SELECT GINI(income) FROM persons", Verdict::Approved),
        ("purpose = \"required\"", "SELECT COUNT(*) FROM persons", Verdict::Approved),
        ("hours = { from = \"12:00\", to = \"12:01\" }", "SELECT COUNT(*) FROM persons", Verdict::Approved),
        (
            "hours = { from = \"12:01\", to = \"12:00\" }",
            "SELECT COUNT(*) FROM persons",
            Verdict::Refused(RuleRefusal::Hours),
        ),
        (
            "hours = { from = \"00:00\", to = \"24:00\", days = [\"tue\"] }",
            "SELECT COUNT(*) FROM persons",
            Verdict::Refused(RuleRefusal::Hours),
        ),
    ] {
        assert_eq!(judge(&rules(&format!("[rules]\n{text}")), sql), verdict, "{text}: {sql}");
    }
}

#[test]
fn a_purpose_says_something() {
    let required = rules("[rules]\npurpose = \"required\"");
    for (purpose, verdict) in [
        ("", Verdict::Refused(RuleRefusal::Purpose)),
        (" \u{a0}\u{200b} ", Verdict::Refused(RuleRefusal::Purpose)),
        ("-- ...", Verdict::Refused(RuleRefusal::Purpose)),
        ("扶贫年报", Verdict::Approved),
        ("x", Verdict::Approved),
    ] {
        let spec = almoner_query::Spec { purpose: purpose.into(), ..spec("SELECT COUNT(*) FROM persons", 1) };
        let plan = plan(&manifest(), &spec.sql, spec.rho).expect("it was planned before");
        assert_eq!(required.judge(&spec, &plan, NOW_S), verdict, "{purpose:?}");
    }
}

#[test]
fn what_no_approval_matches_waits_and_what_a_rule_refuses_does_not() {
    let count = "SELECT COUNT(*) FROM persons";
    assert_eq!(judge(&rules(""), count), Verdict::Approved);
    assert_eq!(judge(&rules("approve = \"nothing\""), count), Verdict::Queue);
    assert_eq!(judge(&rules("approve = []"), count), Verdict::Queue);
    assert_eq!(judge(&rules("[[approve]]"), count), Verdict::Approved);
    let refused = rules("approve = \"nothing\"\n[rules]\ntables = [\"residents\"]");
    assert_eq!(judge(&refused, count), Verdict::Refused(RuleRefusal::Table));
    // An approval opens nothing that a rule closes.
    let opened = rules("[rules]\ncolumns_denied = [\"persons.age\"]\n[[approve]]\ncolumns = [\"persons.*\"]");
    assert_eq!(judge(&opened, "SELECT SUM(age) FROM persons"), Verdict::Refused(RuleRefusal::Column));

    let all = "[[approve]]\nplanners = [\"ministry\"]\ntables = [\"persons\"]\ncolumns = [\"persons.age\"]\n\
               aggregates = [\"COUNT\", \"SUM\"]\nmost_rho = 0.1";
    assert_eq!(judge(&rules(all), "SELECT SUM(age) FROM persons"), Verdict::Approved);
    // Each condition by itself sends it to the queue; two halves make no whole.
    for (given, other) in [
        ("planners = [\"ministry\"]", "planners = [\"bank\"]"),
        ("tables = [\"persons\"]", "tables = [\"residents\"]"),
        ("columns = [\"persons.age\"]", "columns = [\"persons.income\"]"),
        ("aggregates = [\"COUNT\", \"SUM\"]", "aggregates = [\"COUNT\"]"),
        ("most_rho = 0.1", "most_rho = 0.000000000001"),
    ] {
        let changed = all.replace(given, other);
        assert_ne!(changed, all);
        assert_eq!(judge(&rules(&changed), "SELECT SUM(age) FROM persons"), Verdict::Queue, "{other}");
    }
    let halves = "[[approve]]\ntables = [\"persons\"]\naggregates = [\"COUNT\"]\n\
                  [[approve]]\ntables = [\"residents\"]\naggregates = [\"SUM\"]";
    assert_eq!(judge(&rules(halves), "SELECT SUM(age) FROM persons"), Verdict::Queue);
    assert_eq!(judge(&rules(halves), "SELECT SUM(age) FROM residents"), Verdict::Approved);
    assert_eq!(judge(&rules(halves), count), Verdict::Approved);
}

#[test]
fn the_price_and_not_the_limit_is_compared() {
    let spec = spec("SELECT COUNT(*) FROM persons", 1);
    let plan = plan(&manifest(), &spec.sql, spec.rho).expect("it was planned before");
    let at = |rho: almoner_federation::PicoRho| {
        rules(&format!("[[approve]]\nmost_rho = {rho}")).judge(&spec, &plan, NOW_S)
    };
    assert_eq!(at(plan.price()), Verdict::Approved);
    assert_eq!(at(almoner_federation::PicoRho::new(plan.price().get() - 1)), Verdict::Queue);
}

#[test]
fn a_slip_of_the_pen_is_refused_and_named() {
    for (text, part) in [
        ("[rules]\nplanners = [\"minstry\"]", "minstry"),
        ("[rules]\ntables = [\"person\"]", "person"),
        ("[rules]\ncolumns = [\"persons.incom\"]", "incom"),
        ("[rules]\ncolumns_denied = [\"incomes.income\"]", "incomes"),
        ("[rules]\ncolumns_denied = [\"income\"]", "table.column"),
        ("[rules]\ncolumns_denied = [\"persons.\"]", "persons."),
        ("[rules]\ncolumns_denied = [\"*\"]", "table.*"),
        ("[rules]\naggregates = [\"MEDIAN\"]", "DISTRIBUTION"),
        ("[rules]\nplanners = []", "allows nothing"),
        ("[rules]\ncolumns = []", "allows nothing"),
        ("[rules]\npurpose = \"yes\"", "required"),
        ("[rules]\nhours = { from = \"8\", to = \"18:00\" }", "HH:MM"),
        ("[rules]\nhours = { from = \"08:00\" }", "to"),
        ("[rules]\nquery_rho = 1", "query_rho"),
        ("[[approve]]\ntables = [\"person\"]", "[[approve]]"),
        ("[[approve]]\nhours = { from = \"08:00\", to = \"18:00\" }", "hours"),
        ("[[approve]]\nmost_rho = -1", "rho"),
        ("approve = \"everything\"", "nothing"),
        ("approve = true", "nothing"),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn the_canonical_text_is_one_for_one_meaning_and_another_for_another() {
    let text = "approve = [{ most_rho = 0.10, tables = [\"RESIDENTS\", \"residents\"] }, { planners = [\"bank\"] }]\n\
                [rules]\naggregates = [\"SUM\", \"count\"]\ncolumns_denied = [\"persons.\\u006eame\"]\n\
                hours = { from = \"08:00\", to = \"18:00\", days = [\"fri\", \"mon\"] }";
    let same = "approve = [{ planners = [\"bank\"] }, { tables = [\"residents\"], most_rho = \"0.1\" }]\n\
                [rules]\naggregates = [\"COUNT\", \"SUM\"]\ncolumns_denied = [\"PERSONS.name\", \"persons.name\"]\n\
                purpose = \"optional\"\nhours = { from = \"08:00\", to = \"18:00\", days = [\"mon\", \"fri\"] }";
    assert_eq!(
        rules(text).canonical(),
        "[rules]\naggregates = [\"COUNT\", \"SUM\"]\ncolumns_denied = [\"persons.name\"]\n\
         hours = { from = \"08:00\", to = \"18:00\", days = [\"mon\", \"fri\"] }\n\n\
         [[approve]]\nplanners = [\"bank\"]\n\n\
         [[approve]]\ntables = [\"residents\"]\nmost_rho = \"0.1\"\n"
    );
    assert_eq!(rules(text).canonical(), rules(same).canonical());

    let all = [
        "",
        "approve = \"nothing\"",
        "[[approve]]",
        "[[approve]]\nmost_rho = 0.1",
        "[rules]\nplanners = [\"bank\"]",
        "[rules]\ntables = [\"persons\"]",
        "[rules]\ncolumns = [\"persons.age\"]",
        "[rules]\ncolumns_denied = [\"persons.age\"]",
        "[rules]\naggregates = [\"COUNT\"]",
        "[rules]\npurpose = \"required\"",
        "[rules]\nhours = { from = \"08:00\", to = \"18:00\" }",
        "[rules]\nhours = { from = \"18:00\", to = \"08:00\" }",
    ];
    let texts: std::collections::BTreeSet<_> = all.iter().map(|text| rules(text).canonical()).collect();
    assert_eq!(texts.len(), all.len());
    assert_eq!(rules("").canonical(), "", "who restricts nothing signs nothing");
}
