//! The text that an officer signs, and whoever reads it back from a ledger.

use almoner_policy::{ApproveTables, HoursTable, MAX_RULES_BYTES, Purpose, Rules, RulesTable, ScopeTable};
use almoner_query::Family;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use super::manifest;

fn read(text: &str) -> Result<Rules, String> {
    let read = Rules::read(text, &manifest());
    match &read {
        Ok(rules) => assert_eq!(rules.canonical(), text, "nothing else is read"),
        Err(message) => assert!(message.chars().count() <= 200, "{message}"),
    }
    read
}

/// Some of these, in any order, at least one.
fn some(all: Vec<String>) -> impl Strategy<Value = Vec<String>> {
    let most = all.len();
    subsequence(all, 1..=most).prop_shuffle()
}

fn columns() -> impl Strategy<Value = Vec<String>> {
    let manifest = manifest();
    let unit = &manifest.unit.column;
    let of = |table: &almoner_federation::Table| {
        let known = table.columns.iter().map(|column| &column.name).chain([unit]);
        let mut all: Vec<String> = known.map(|column| format!("{}.{column}", table.name)).collect();
        all.extend([format!("{}.*", table.name), all[0].to_uppercase()]);
        all
    };
    some(manifest.tables.iter().flat_map(of).collect())
}

fn scope() -> impl Strategy<Value = ScopeTable> {
    let manifest = manifest();
    let planners = manifest.planners.iter().map(|planner| planner.name.to_string()).collect();
    let tables: Vec<String> = manifest.tables.iter().map(|table| table.name.clone()).collect();
    let families = Family::ALL.map(|(_, word)| word.to_owned()).to_vec();
    let most_rho = (1..=1_000_000_000_000_000_000u64).prop_map(almoner_federation::PicoRho::new);
    let parts = (
        option::of(some(planners)),
        option::of(some(tables)),
        option::of(columns()),
        option::of(some(families)),
        option::of(most_rho),
    );
    parts.prop_map(|(planners, tables, columns, aggregates, most_rho)| {
        let planners = planners.map(|all| all.iter().map(|name| name.parse().expect("a name")).collect());
        ScopeTable { planners, tables, columns, aggregates, most_rho }
    })
}

fn hours() -> impl Strategy<Value = HoursTable> {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map(str::to_owned).to_vec();
    (0..1_440u32, 1..1_440u32, option::of(some(days))).prop_map(|(from, length, days)| {
        let time = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        HoursTable { from: time(from), to: time((from + length) % 1_440), days }
    })
}

/// Rules as anybody may write them for the tests' manifest.
fn rules() -> impl Strategy<Value = Rules> {
    let purpose = select(vec![Purpose::Optional, Purpose::Required]);
    let approve = prop_oneof![
        Just(ApproveTables::Everything),
        Just(ApproveTables::Nothing),
        vec(scope(), 0..5).prop_map(ApproveTables::Any)
    ];
    let parts = (scope(), option::of(columns()), purpose, option::of(hours()), approve);
    parts.prop_map(|(scope, denied, purpose, hours, approve)| {
        let table = RulesTable {
            planners: scope.planners,
            tables: scope.tables,
            columns: scope.columns,
            columns_denied: denied.unwrap_or_default(),
            aggregates: scope.aggregates,
            purpose,
            hours,
        };
        Rules::check(&table, &approve, &manifest()).expect("names of the manifest")
    })
}

proptest! {
    #[test]
    fn rules_are_read_back_from_their_text(rules in rules()) {
        prop_assert_eq!(read(&rules.canonical()), Ok(rules));
    }

    #[test]
    fn a_changed_text_is_other_rules_or_none(
        rules in rules(),
        changes in vec((any::<Index>(), any::<Index>(), any::<char>()), 1..4),
    ) {
        let mut text: Vec<char> = rules.canonical().chars().collect();
        for (from, to, put) in changes {
            if !text.is_empty() {
                let (from, to) = (from.index(text.len()), to.index(text.len()));
                text.splice(from.min(to)..from.max(to), [put]);
            }
        }
        // What counts is asserted within: no panic, and no second text for the same rules.
        let text: String = text.into_iter().collect();
        prop_assert_eq!(read(&text).is_ok_and(|read| read == rules), text == rules.canonical());
    }
}

/// Rules with everything in them, but that nothing is answered without the officer.
const ALL: &str = r#"[rules]
planners = ["bank", "ministry"]
tables = ["persons", "residents"]
columns = ["persons.age", "persons.income"]
aggregates = ["COUNT", "SUM", "MPI"]
columns_denied = ["persons.income", "residents.age"]
purpose = "required"
hours = { from = "22:00", to = "06:00", days = ["mon", "sun"] }

[[approve]]
planners = ["bank"]

[[approve]]
tables = ["persons"]
most_rho = "0.000000000001"
"#;

#[test]
fn only_the_canonical_text_is_read() {
    read(ALL).expect("canonical");
    read("").expect("no rules");
    read("approve = \"nothing\"\n\n[rules]\npurpose = \"required\"\n").expect("canonical");
    read("[[approve]]\n").expect("canonical");
    for text in [
        // Of the same meaning as others.
        " ",
        "\n",
        "# a remark",
        "[rules]\n",
        "approve = []\n",
        "approve = 'nothing'\n",
        "approve = \"nothing\"",
        "approve = \"nothing\"\r\n",
        "\u{feff}approve = \"nothing\"\n",
        "[rules]\npurpose = \"optional\"\n",
        "rules.purpose = \"required\"\n",
        "rules = { purpose = \"required\" }\n",
        "[rules]\npurpose = \"required\"\n\n",
        "[rules]\ncolumns_denied = []\n",
        "[rules]\ntables = [\"Persons\"]\n",
        "[rules]\ntables = [\"p\\u0065rsons\"]\n",
        "[rules]\ntables = [\"persons\", ]\n",
        "[rules]\ntables = [\"residents\", \"persons\"]\n",
        "[rules]\ntables = [\"persons\", \"persons\"]\n",
        "[rules]\ncolumns = [\"persons.*\"]\n",
        "[rules]\naggregates = [\"count\"]\n",
        "[rules]\nhours = { from = \"08:00\", to = \"00:00\" }\n",
        "[rules]\nhours = { to = \"18:00\", from = \"08:00\" }\n",
        "[[approve]]\nmost_rho = 0.1\n",
        "[[approve]]\nmost_rho = \"0.10\"\n",
        "[[approve]]\nmost_rho = \"1e-1\"\n",
        "[[approve]]\n\n[[approve]]\n",
        "[[approve]]\ntables = [\"persons\"]\n\n[[approve]]\nplanners = [\"bank\"]\n",
        // Of none.
        "nonsense",
        "almoner rules 1\n",
        "[rules]\npurpose = \"required\"\nhour = 1\n",
        "other = 1\n",
        "[other]\n",
        "[[approve]]\nhours = { from = \"08:00\", to = \"18:00\" }\n",
        "[rules]\nplanners = [\"stranger\"]\n",
        "[rules]\nplanners = []\n",
        "[rules]\ntables = [\"person\"]\n",
        "[rules]\ncolumns = [\"persons\"]\n",
        "[rules]\naggregates = [\"GINI\"]\n",
        "[[approve]]\nmost_rho = \"0\"\n",
        "[[approve]]\nmost_rho = \"0.0000000000001\"\n",
        "\0",
    ] {
        assert!(read(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_text_without_an_end_with_lines_twice_or_in_another_order_is_none() {
    for end in 1..ALL.len() {
        // Where a line ends, what is before it may be the whole text of fewer rules.
        let line = ALL[..end].ends_with('\n') && !ALL[..end].ends_with("\n\n");
        assert!(line || read(&ALL[..end]).is_err(), "{}", &ALL[..end]);
    }
    let lines: Vec<&str> = ALL.split_inclusive('\n').collect();
    for place in 0..lines.len() {
        let mut twice = lines.clone();
        twice.insert(place, lines[place]);
        assert!(read(&twice.concat()).is_err(), "{}", twice.concat());
        for other in place + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(place, other);
            // The planners of one table for those of another are other rules.
            let key = |place: usize| lines[place].split('=').next();
            assert!(key(place) == key(other) || read(&swapped.concat()).is_err(), "{}", swapped.concat());
        }
    }
}

#[test]
fn a_text_as_large_or_deep_as_may_be_is_refused_and_not_followed() {
    let fill = |unit: &str| unit.repeat(MAX_RULES_BYTES / unit.len());
    for text in [
        "#".repeat(MAX_RULES_BYTES + 1),
        fill("\n"),
        fill("["),
        fill("{a="),
        fill("a."),
        fill("[[approve]]\n"),
        fill("[[approve]]\n\n"),
        format!("approve = {}", fill("[")),
        format!("approve = {}", fill("{a=")),
        format!("[rules]\ntables = [{}]\n", fill("\"persons\",")),
        format!("[rules]\ncolumns = [{}]\n", fill("\"persons.*\",")),
        format!("[rules]\ntables = [\"{}\"]\n", fill("x")),
        format!("{} = 1", fill("x")),
    ] {
        let error = read(&text).expect_err("hostile");
        assert!(!error.is_empty(), "{}", &text[..20]);
    }
}
