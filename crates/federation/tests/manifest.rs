//! A manifest is read whole: what it declares is there, and every mistake is named with its line and remedy.

use almoner_federation::{
    BinScale, Bins, ColumnType, FileError, Identity, Manifest, NodeId, PeriodLength, parse_exact,
};

const EXAMPLE: &str = include_str!("example.toml");

fn refused(text: &str) -> FileError {
    Manifest::parse(text, "federation.toml").expect_err("the manifest has a mistake")
}

/// The example with one line's text replaced, and the number of that line.
fn edited(from: &str, to: &str) -> (String, usize) {
    let at = EXAMPLE.find(from).expect("the text is in the example");
    (EXAMPLE.replacen(from, to, 1), EXAMPLE[..at].matches('\n').count() + 1)
}

#[test]
fn the_example_declares_what_it_says() {
    let manifest = Manifest::parse(EXAMPLE, "federation.toml").expect("the example is sound");
    assert_eq!(
        manifest.agencies.iter().map(|a| a.node).collect::<Vec<_>>(),
        [NodeId(1), NodeId(2), NodeId(3)]
    );
    assert_eq!(manifest.policy.honest_shares(), 2);
    assert_eq!(manifest.policy.total_rho.get(), 1_500_000_000_000);
    let earnings = manifest.table("EARNINGS").expect("names are found without regard to case");
    let expected = ColumnType::Number {
        min: parse_exact("-0.5").expect("a number"),
        max: parse_exact("100000").expect("a number"),
        resolution: parse_exact("0.01").expect("a number"),
        bands: vec![],
        bins: Bins { count: 512, scale: BinScale::Log { from: parse_exact("0.5").expect("a number") } },
    };
    assert_eq!(earnings.column("amount").expect("declared").kind, expected);
}

#[test]
fn overlap_follows_the_sectors_among_the_holders() {
    let manifest = Manifest::parse(EXAMPLE, "federation.toml").expect("the example is sound");
    // Two disjoint residence agencies hold the residents.
    assert_eq!(manifest.overlap(manifest.table("residents").expect("declared")), 1);
    // All three hold earnings: one of the residence sector, and the tax office for itself.
    assert_eq!(manifest.overlap(manifest.table("earnings").expect("declared")), 2);
    // Where a sector allows more than it has members, the members count.
    let (text, _) = edited("agencies_per_unit = 1", "agencies_per_unit = 9");
    let manifest = Manifest::parse(&text, "federation.toml").expect("sound");
    assert_eq!(manifest.overlap(manifest.table("earnings").expect("declared")), 3);
}

#[test]
fn the_hash_pins_every_byte() {
    let parse = |text: &str| Manifest::parse(text, "federation.toml").expect("sound").hash();
    assert_ne!(parse(EXAMPLE), parse(&format!("{EXAMPLE}\n")));
    assert_eq!(parse(EXAMPLE), parse(EXAMPLE));
    assert!(Manifest::parse_pinned(EXAMPLE, "federation.toml", &parse(EXAMPLE)).is_ok());
    let changed = EXAMPLE.replace("rho = 0.5", "rho = 0.6");
    let error = Manifest::parse_pinned(&changed, "federation.toml", &parse(EXAMPLE))
        .expect_err("not the accepted one");
    assert!(error.to_string().contains(&parse(&changed).to_string()), "{error}");
}

#[test]
fn only_declared_parties_are_known_and_only_in_their_role() {
    let manifest = Manifest::parse(EXAMPLE, "federation.toml").expect("the example is sound");
    let knows = |uri: &str| manifest.knows(&uri.parse::<Identity>().expect("well formed"));
    assert!(knows("spiffe://example/agency/tax"));
    assert!(knows("spiffe://example/coordinator/statistics-office"));
    assert!(knows("spiffe://example/planner/ministry"));
    assert!(knows("spiffe://example/auditor/court-of-audit"));
    assert!(!knows("spiffe://example/coordinator/tax"));
    assert!(!knows("spiffe://other/agency/tax"));
    assert!(!knows("spiffe://example/planner/court-of-audit"));
}

#[test]
fn every_mistake_is_named_with_its_line_and_a_remedy() {
    for (from, to, message) in [
        ("epoch = 1", "epoch = 1\nepcoh = 2", "unknown field"),
        ("epoch = 1", "", "missing field"),
        ("quorum = 3", "quorum = 4", "quorum 4 is larger than the 3 agencies"),
        ("colluders = 1", "colluders = 2", "honest noise shares"),
        ("colluders = 1", "colluders = 7", "honest noise shares"),
        ("min_honest = 2", "min_honest = 1", "min_honest is below 2"),
        ("delta = 1e-9", "delta = 0.5", "delta must be above 0"),
        ("total_rho = 1.5", "total_rho = 0", "is not a rho"),
        ("total_rho = 1.5", "total_rho = -1.5", "is not a rho"),
        ("rho = 0.5", "rho = 2", "may spend more than the federation's total"),
        ("node = 2", "node = 1", "stands twice"),
        ("name = \"south\"", "name = \"South\"", "is not a name"),
        ("name = \"south\"", "name = \"tax\"", "stands twice"),
        ("sector = \"residence\"", "sector = \"nowhere\"", "is not declared"),
        ("https://127.0.0.1:7001", "http://127.0.0.1:7001", "is not an endpoint"),
        ("https://127.0.0.1:7001", "https://127.0.0.1:70010", "is not an endpoint"),
        ("7777777777777777777777777777777777777777777777777777777777777777", "77", "not an Ed25519 key"),
        (&"2".repeat(64), &"7".repeat(64), "the signing key"),
        ("agencies = [\"north\", \"south\"]", "agencies = [\"west\"]", "unknown agency"),
        ("agencies = [\"north\", \"south\"]", "agencies = []", "no agency holds"),
        ("rows_per_unit = 1", "rows_per_unit = 0", "rows_per_unit must be"),
        ("domain = [\"north\", \"south\"]", "domain = [\"north\", \"north\"]", "stands twice in the domain"),
        ("domain = [\"north\", \"south\"]", "domain = []", "must have 1 to"),
        ("min = 0\n", "min = 200\n", "is empty"),
        ("min = 0\n", "min = \"low\"\n", "needs a min"),
        ("min = 0\n", "min = -9223372036854775808\n", "needs a min"),
        ("bands = [0, 18, 65]", "bands = [0, 65, 18]", "do not cover its range"),
        ("bands = [0, 18, 65]", "bands = [1, 18]", "do not cover its range"),
        ("min = \"1900-01-01\"", "min = \"1900-02-30\"", "needs a min"),
        ("resolution = 0.01", "resolution = 0", "is not positive"),
        ("resolution = 0.01", "", "needs a resolution"),
        ("max = 100000", "max = 1e300", "needs a max"),
        ("count = 512", "count = 5000", "must be 16 to 4096"),
        ("scale = \"log\"", "scale = \"linear\"", "the linear bins of \"amount\" have a from"),
        ("scale = \"log\", from = \"0.5\"", "scale = \"log\"", "need a from above 0"),
        ("from = \"0.5\"", "from = 0", "need a from above 0"),
        ("scale = \"log\"", "scale = \"roots\"", "unknown variant"),
        ("type = \"boolean\"", "type = \"boolean\"\nbins = {}", "has no use for"),
        ("min_honest = 2", "min_honest = 2\nquality_limit = 0", "quality_limit is no share"),
        ("type = \"boolean\"", "type = \"boolean\"\nmin = 0", "has no use for"),
        ("type = \"boolean\"", "type = \"bool\"", "unknown variant"),
        ("name = \"declared\"", "name = \"person_id\"", "is the unit's column"),
        ("name = \"declared\"", "name = \"Amount\"", "stands twice"),
        ("name = \"declared\"", "name = \"de clared\"", "is not an SQL name"),
        ("population = 100000", "population = 0", "population must be"),
        ("min_honest = 2", "min_honest = 2\nwitnesses = 3", "more than the 2 other agencies"),
        ("min_honest = 2", "min_honest = 2\nperiod = \"year\"", "belong together"),
        ("min_honest = 2", "min_honest = 2\nperiod = \"year\"\nperiod_rho = 2", "limits nothing"),
        ("min_honest = 2", "min_honest = 2\nperiod = \"week\"\nperiod_rho = 1", "unknown variant"),
        ("[policy]", "[territory]\ncolumn = \"parish\"\nrho = 1\n\n[policy]", "no table has the column"),
        ("[policy]", "[territory]\ncolumn = \"age\"\nrho = 1\n\n[policy]", "is no text column with a domain"),
        (
            "[policy]",
            "[territory]\ncolumn = \"district\"\nrho = 2\n\n[policy]",
            "more than the federation's total",
        ),
    ] {
        let (text, line) = edited(from, to);
        let error = refused(&text);
        let shown = error.to_string();
        let named = error.problems.iter().find(|problem| problem.message.contains(message));
        let problem = named.unwrap_or_else(|| panic!("{to:?} should give {message:?}, gave {shown}"));
        assert!(!problem.remedy.is_empty());
        // The line is the edited one, that of the entry which holds it, or that of its twin.
        assert!(problem.line.abs_diff(line) <= 30 || problem.line == 1, "{line}: {shown}");
        assert!(shown.contains(&format!("federation.toml:{}:", problem.line)));
    }
}

#[test]
fn all_mistakes_are_found_in_one_reading() {
    let text =
        EXAMPLE.replace("delta = 1e-9", "delta = 2.0").replace("rows_per_unit = 2", "rows_per_unit = 0");
    assert_eq!(refused(&text).problems.len(), 2);
    assert_eq!(refused("not toml at all [").problems.len(), 1);
    assert_eq!(refused("").problems.len(), 1);
}

#[test]
fn every_open_question_is_listed_before_anything_else() {
    let text = EXAMPLE
        .replace("delta = 1e-9", "delta = 2.0")
        .replace("kind = \"person\"", "kind = \"?\"")
        .replace("rows_per_unit = 2", "rows_per_unit = \"?\"")
        .replacen("legal_name = \"", "legal_name = \"?\" # \"", 1);
    let problems = refused(&format!("planner_more = \"?\"\n{text}")).problems;
    let said: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        said,
        [
            "planner_more is still a question",
            "kind is still a question",
            "legal_name of \"south\" is still a question",
            "rows_per_unit of \"earnings\" is still a question"
        ]
    );
    assert!(problems.iter().all(|problem| !problem.remedy.is_empty()));
    assert_eq!(problems[0].line, 1);
}

#[test]
fn budgets_are_counted_by_territory_and_period_where_the_manifest_says_so() {
    let plain = Manifest::parse(EXAMPLE, "federation.toml").expect("sound");
    assert_eq!((plain.placements(), plain.policy.witnesses, plain.policy.period), (1, 2, None));
    let alone = EXAMPLE.replace("min_honest = 2", "min_honest = 2\nwitnesses = 0");
    assert_eq!(
        Manifest::parse(&alone, "federation.toml").expect("sound").policy.witnesses,
        0,
        "switched off"
    );
    let text = EXAMPLE
        .replace("min_honest = 2", "min_honest = 2\nwitnesses = 1\nchanges_need_auditor = true\nperiod = \"quarter\"\nperiod_rho = 0.5")
        .replace("[policy]", "[territory]\ncolumn = \"DISTRICT\"\nrho = 0.25\n\n[policy]");
    let manifest = Manifest::parse(&text, "federation.toml").expect("sound");
    let territory = manifest.territory.as_ref().expect("declared");
    assert_eq!(
        (territory.names.join(","), territory.rho),
        ("north,south".into(), "0.25".parse().expect("a rho"))
    );
    let period = manifest.policy.period.expect("declared");
    assert_eq!((period.length, period.rho), (PeriodLength::Quarter, "0.5".parse().expect("a rho")));
    assert!(manifest.policy.changes_need_auditor && manifest.policy.witnesses == 1);
    // Only the two districts hold the column, and a unit is registered in one of them.
    assert_eq!(manifest.placements(), 1);
    let twice = text.replace("agencies_per_unit = 1", "agencies_per_unit = 2");
    assert_eq!(Manifest::parse(&twice, "federation.toml").expect("sound").placements(), 2);
    let lonely = text.replace("[[auditor]]\nname = \"court-of-audit\"", "#").replacen(
        "signing_key = \"a1",
        "# \"a1",
        1,
    );
    assert!(refused(&lonely).to_string().contains("changes need an auditor"));
}
