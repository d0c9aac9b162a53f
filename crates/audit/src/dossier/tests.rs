mod markup;

use almoner_federation::{Digest, Manifest, PicoRho};
use almoner_privacy::epsilon;
use markup::elements;

use super::page::{MAX_CHARTS, MAX_RELEASES, SECTIONS};
use super::{Dossier, chart};
use crate::report::{LogLine, NodeLine, PlannerLine, PolicyLine, ReleaseLine, Report};
use crate::{Code, Finding};

const MADE_AT_S: u64 = 1_767_225_600;
const MANIFEST: &str = include_str!("../../../query/tests/query/federation.toml");

/// Everything that has broken a page somewhere.
const HOSTILE: &str = "<script>alert(1)</script>]]>--><img src=x onerror='x'>\"' &amp; </style></svg>\u{202e}txt\u{2066}\
                       \u{0}\u{1b}[31m\u{200b}\u{feff}\u{fffe}\u{e0041}";

fn manifest() -> Manifest {
    let hostile = r#"legal_name = "<script>alert(1)</script>]]>--><b onclick='x'>\" &amp;""#;
    let text = MANIFEST.replace(r#"legal_name = "Northern District""#, hostile);
    Manifest::parse(&text, "federation.toml").expect("the manifest is sound")
}

fn log(name: &str, size: u64) -> LogLine {
    LogLine { origin: name.into(), size, root: Digest::of(name.as_bytes()), cosigners: vec!["south".into()] }
}

fn node(agency: &str, charges: &[(u64, f64)]) -> NodeLine {
    let planner = |charged_rho| PlannerLine {
        planner: "ministry".parse().expect("a name"),
        limit_rho: 1.0,
        charged_rho,
    };
    let policy = |at_s, grant, total_rho| PolicyLine {
        at_s,
        grant,
        countersigned: grant,
        manifest: manifest().hash(),
        total_rho,
        rules: HOSTILE.into(),
    };
    let charged_rho = charges.last().map_or(0.0, |(_, rho)| *rho);
    NodeLine {
        agency: agency.parse().expect("a name"),
        log: log(agency, 7),
        limit_rho: 2.0,
        charged_rho,
        spent_rho: charged_rho,
        charges: charges.len() as u64,
        lost: 1,
        planners: vec![planner(charged_rho)],
        policies: vec![policy(1_700_000_000, false, 1.5), policy(1_710_000_000, true, 2.0)],
        spent_over_time: charges.to_vec(),
    }
}

fn release(number: u64, text: &str) -> ReleaseLine {
    ReleaseLine {
        number,
        at_s: 1_700_000_000 + number,
        planner: "ministry".parse().expect("a name"),
        purpose: text.into(),
        sql: text.into(),
        price_rho: 0.02,
        alone_rho: 0.04,
        sketched: number.is_multiple_of(2),
        participants: 3,
        attempt: 0,
        manifest: manifest().hash(),
        mechanism: text.into(),
    }
}

fn report() -> Report {
    Report {
        findings: vec![],
        checked: vec![("entries hashed".into(), 14)],
        unverified: vec![HOSTILE.into()],
        unverifiable: vec!["that an agency drew its noise".into()],
        nodes: vec![
            node("north", &[(1_700_100_000, 0.02), (1_705_000_000, 0.0625)]),
            node("south", &[(1_700_100_000, 0.02)]),
        ],
        registry: Some(log("registry", 4)),
        releases: vec![release(1, HOSTILE), release(2, "SELECT COUNT(*) FROM persons")],
    }
}

fn page(report: &Report) -> String {
    Dossier::of(&manifest(), report, MADE_AT_S).html()
}

#[test]
fn every_section_is_there_once_and_in_its_order_and_the_markup_is_well_formed() {
    let page = page(&report());
    let elements = elements(&page).expect("well formed");
    let of = |name: &str| -> Vec<&str> {
        elements.iter().filter(|e| e.name == name).filter_map(|e| e.attribute("id")).collect()
    };
    assert_eq!(of("section"), SECTIONS.map(|(id, _)| id));
    let mut ids: Vec<_> = elements.iter().filter_map(|e| e.attribute("id")).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "no id is used twice");
    for element in &elements {
        for reference in ["aria-labelledby", "href"].iter().filter_map(|name| element.attribute(name)) {
            for id in reference.split(' ') {
                assert!(ids.contains(&id.trim_start_matches('#')), "{reference}");
            }
        }
    }
    // Tables have captions and headers with a scope, charts a title and a description.
    let count = |name: &str| elements.iter().filter(|e| e.name == name).count();
    assert_eq!(count("table"), count("caption"));
    assert!(elements.iter().filter(|e| e.name == "th").all(|e| e.attribute("scope").is_some()));
    assert_eq!((count("svg"), count("desc")), (2, 2));
    assert_eq!(count("h1"), 1);
}

#[test]
fn nothing_is_loaded_and_nothing_runs() {
    let page = page(&report());
    let elements = elements(&page).expect("well formed");
    for element in &elements {
        let allowed = [
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "header",
            "nav",
            "main",
            "section",
            "h1",
            "h2",
            "h3",
            "p",
            "ol",
            "ul",
            "li",
            "a",
            "div",
            "table",
            "caption",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "code",
            "bdi",
            "strong",
            "sup",
            "figure",
            "figcaption",
            "svg",
            "desc",
            "line",
            "path",
            "text",
        ];
        assert!(allowed.contains(&element.name.as_str()), "<{}>", element.name);
        for (name, value) in &element.attributes {
            assert!(!name.starts_with("on") && !["src", "style"].contains(&name.as_str()), "{name}");
            assert!(name != "href" || value.starts_with('#'), "{value}");
        }
    }
    assert!(!page.contains("url(") && !page.contains("@import"));
}

#[test]
fn hostile_texts_are_shown_and_mean_nothing() {
    let mut report = report();
    report.findings.push(Finding::new(Code::Sum, HOSTILE, HOSTILE));
    report.nodes[0].log.cosigners = vec![HOSTILE.into()];
    report.checked.push((HOSTILE.into(), 1));
    let page = page(&report);
    elements(&page).expect("well formed");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;]]&gt;"));
    assert!(
        !page.contains("<script") && !page.contains("<img") && !page.contains("]]>") && !page.contains("-->")
    );
    for shown in ["U+202E", "U+2066", "U+0000", "U+001B", "U+200B", "U+FEFF", "U+FFFE", "U+E0041"] {
        assert!(page.contains(&format!("\u{27e6}{shown}\u{27e7}")), "{shown}");
    }
    let odd = |c: char| {
        c.is_control() && c != '\n' || "\u{202e}\u{2066}\u{200b}\u{feff}\u{fffe}\u{e0041}".contains(c)
    };
    assert_eq!(page.chars().find(|c| odd(*c)), None);
}

#[test]
fn a_clean_page_says_whether_everything_could_be_looked_at() {
    let all = |report: &Report| page(report).contains("Nothing was found wrong.");
    let some = |report: &Report| page(report).contains("Nothing was found wrong in what could be looked at.");
    let mut report = report();
    assert!(some(&report) && !all(&report), "something is unverified");
    report.unverified.clear();
    assert!(all(&report) && !some(&report));
    report.checked.iter_mut().for_each(|(_, times)| *times = 0);
    assert!(some(&report) && !all(&report), "nothing was checked");
}

#[test]
fn findings_stand_before_everything_else() {
    let mut report = report();
    report.unverified.clear();
    let clean = page(&report);
    assert!(clean.contains("Nothing was found wrong.") && !clean.contains("class=\"found\""));
    report.findings.push(Finding::new(Code::Rollback, "north", "it went back").at(3));
    let page = page(&report);
    assert!(!page.contains("Nothing was found wrong"));
    let found = page.find("<section id=\"findings\"").expect("there");
    assert!(
        page[found..].contains("log-rollback")
            && found < page.find("<section id=\"summary\"").expect("there")
    );
    assert!(page.contains("class=\"found\"") && page.contains("it went back"));
}

#[test]
fn numbers_are_those_of_manifest_report_and_conversion() {
    let report = report();
    let dossier = Dossier::of(&manifest(), &report, MADE_AT_S);
    let json = serde_json::to_value(&dossier).expect("plain data");
    let guarantee = &json["guarantee"];
    let exact = |text: &str, delta| epsilon(text.parse::<PicoRho>().expect("a rho"), delta);
    // n = 3, q = 3, t = 1: h = 2; the table of the one sector has m = 1, the least.
    for (name, rho) in [
        ("planned", "2"),
        ("realised", "0.0625"),
        ("planned_if_coordinator_lies", "2"),
        ("planned_alone", "4"),
        ("realised_alone", "0.08"),
    ] {
        let loss = &guarantee[name];
        assert_eq!(loss["rho"], rho.parse::<f64>().expect("a number"), "{name}");
        assert_eq!(loss["epsilon"], exact(rho, 1e-9), "{name}");
        assert_eq!(loss["epsilon_at_1e6"], exact(rho, 1e-6), "{name}");
        assert_eq!(loss["epsilon_at_1e9"], exact(rho, 1e-9), "{name}");
    }
    let overlaps: Vec<_> =
        json["tables"].as_array().into_iter().flatten().map(|table| table["overlap"].as_u64()).collect();
    assert_eq!((overlaps[0], overlaps.iter().min()), (Some(2), Some(&Some(1))));
    assert_eq!(json["releases"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["releases"][0]["sql"], HOSTILE);
    assert_eq!(json["planners"][0]["charged"]["rho"], 0.0625);
    assert_eq!(json["planners"][0]["released_rho"], 0.04);
    assert_eq!(json["guarantee"]["sketched"], 1);
    // Where every table is at two agencies of a unit, its share of each answer's noise protects four times as well.
    let doubled = MANIFEST.split("[[table]]").take(2).collect::<Vec<_>>().join("[[table]]");
    let doubled = Manifest::parse(&doubled, "federation.toml").expect("the first table is enough");
    let alone = serde_json::to_value(Dossier::of(&doubled, &report, MADE_AT_S)).expect("plain data");
    assert_eq!(alone["guarantee"]["planned_alone"]["rho"], 1.0);
    let page = dossier.html();
    // One of three ledgers is missing, and the reader is told.
    assert!(page.contains("as the 2 ledgers seen say, of 3."));
    let shown = (exact("2", 1e-9) * 1e3).ceil() / 1e3;
    assert!(page.contains(&format!("<td class=\"n\">2</td><td class=\"n\">{shown:.3}</td>")));
    assert!(
        page.contains(&manifest().hash().to_string()) && page.contains(&Digest::of(b"north").to_string())
    );
}

#[test]
fn periods_and_territories_are_told_where_they_are_used() {
    let plain = page(&report());
    assert!(!plain.contains("<h3>Periods") && !plain.contains("<h3>Territories"));
    let text = MANIFEST.replace("min_honest = 2", "min_honest = 2\nperiod = \"month\"\nperiod_rho = 0.5\n\n[territory]\ncolumn = \"county\"\nrho = 0.25");
    let manifest = Manifest::parse(&text, "federation.toml").expect("the manifest is sound");
    let dossier = Dossier::of(&manifest, &report(), MADE_AT_S);
    let json = serde_json::to_value(&dossier).expect("plain data");
    // 2023-11-16 and 2024-01-11.
    let grown = serde_json::json!([["2023-11", 0.02], ["2024-01", 0.0425]]);
    assert_eq!(json["guarantee"]["period"]["grown"], grown);
    assert_eq!(json["guarantee"]["territory"]["limit"]["rho"], 0.25);
    let page = dossier.html();
    elements(&page).expect("well formed");
    assert!(page.contains("<h3>Periods") && page.contains("<h3>Territories"));
}

/// The numbers of a path `M x y (H x V y)* H x`.
fn points(path: &str) -> (Vec<f64>, Vec<f64>) {
    let rest = path.strip_prefix('M').expect("an absolute start");
    let mut numbers: Vec<(char, f64)> = Vec::new();
    for (at, part) in rest.split_inclusive(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').enumerate()
    {
        let command = if at == 0 { 'H' } else { numbers.last().map_or('H', |(c, _)| *c) };
        let digits = part.trim_end_matches(|c: char| !c.is_ascii_digit());
        numbers.push((command, digits.parse().expect("a number")));
        let next = part
            .chars()
            .last()
            .filter(|c| !c.is_ascii_digit())
            .map_or('H', |c| if c == ' ' { 'V' } else { c });
        numbers.push((next, f64::NAN));
    }
    let of = |wanted| {
        numbers.windows(1).filter(move |n| n[0].0 == wanted && !n[0].1.is_nan()).map(|n| n[0].1).collect()
    };
    (of('H'), of('V'))
}

#[test]
fn charts_stay_in_their_box_and_never_fall() {
    let wild = [(5_000, 0.5), (4_000, 0.25), (u64::MAX, 900.0), (0, 0.0)];
    let many: Vec<(u64, f64)> =
        (0..2_000u32).map(|i| (1_700_000_000 + u64::from(i) * 60, f64::from(i) * 1e-3)).collect();
    for charges in [&[][..], &[(1_700_000_000, 0.01)], &wild, &many] {
        let svg = chart::svg(&node("north", charges), MADE_AT_S, 0);
        elements(&svg).expect("well formed");
        for class in ["charged", "limit"] {
            let from = svg.find(&format!("class=\"{class}\" d=\"")).expect("there") + class.len() + 12;
            let path = &svg[from..from + svg[from..].find('"').expect("its end")];
            let (xs, ys) = points(path);
            assert!(
                xs.len() >= 2 && xs.is_sorted() && xs.iter().all(|x| (0.0..=chart::WIDTH).contains(x)),
                "{path}"
            );
            assert!(ys.iter().all(|y| (0.0..=chart::HEIGHT).contains(y)), "{path}");
            // y grows downwards.
            assert!(class == "limit" || ys.iter().rev().is_sorted(), "{path}");
            assert!(class == "limit" || ys.len() == charges.len() + 1, "{path}");
        }
    }
}

#[test]
fn the_page_is_bounded_and_json_holds_everything() {
    let mut report = report();
    let long = "\u{202e}".repeat(200_000);
    report.releases = (0..MAX_RELEASES as u64 + 5).map(|number| release(number, "SELECT 1")).collect();
    report.releases.push(release(2_000, &long));
    report.nodes = (0..60).map(|n| node(&format!("agency-{n}"), &[(1_700_100_000, 0.02)])).collect();
    report.findings = (0..1_500).map(|n| Finding::new(Code::Books, "north", "sum").at(n)).collect();
    let dossier = Dossier::of(&manifest(), &report, MADE_AT_S);
    let page = dossier.html();
    let elements = elements(&page).expect("well formed");
    assert_eq!(elements.iter().filter(|e| e.name == "svg").count(), MAX_CHARTS);
    assert!(page.contains("1000 of 1006 verified releases") && page.contains("36 more ledgers"));
    assert!(page.contains("500 more findings") && page.contains("agency-59"));
    assert!(
        page.contains("more characters are in the JSON form") && page.len() < 2_000_000,
        "{}",
        page.len()
    );
    let json = serde_json::to_value(&dossier).expect("plain data");
    assert_eq!(json["releases"].as_array().map(Vec::len), Some(1_006));
    assert_eq!(json["releases"][1_005]["sql"], long);
}

#[test]
fn one_input_gives_one_page() {
    assert_eq!(page(&report()), page(&report()));
}

#[test]
fn a_federation_that_nobody_has_seen_has_a_page_too() {
    let empty = Report {
        findings: vec![],
        checked: vec![],
        unverified: vec!["releases: there is no registry".into()],
        unverifiable: vec![],
        nodes: vec![],
        registry: None,
        releases: vec![],
    };
    let page = page(&empty);
    elements(&page).expect("well formed");
    assert!(page.contains("there is no registry") && page.contains("ledger not seen"));
}
