use std::fmt::Write;
use std::fs;

use almoner_engine::{HeaderColumn, HeaderType};
use almoner_federation::{ColumnType, Manifest, NodeId, UnitKind, VerifyingKey};
use tempfile::TempDir;

use super::{Answers, Draft, draft};
use crate::keys::{AgencyAbout, AgencyPublic, CoordinatorPublic, PlannerPublic};
use crate::manifest::draft::folder::Layout;
use crate::manifest::draft::notes::Notes;
use crate::manifest::draft::table::Table;
use crate::manifest::draft::write;

#[path = "../../../../../tests/support/shared_data.rs"]
mod shared_data;

use shared_data::shared_data;

/// A folder with those files, in subfolders where their names say so.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

fn drafted(files: &[(&str, &str)], answers: &Answers) -> String {
    let text = draft(folder(files).path(), answers).expect("drafted");
    // Whatever the names were, the draft is TOML, and its code has no section that the draft did not mean.
    let value: toml::Table = text.parse().expect("TOML");
    let sections: Vec<&str> = value.keys().map(String::as_str).collect();
    let known = ["agency", "coordinator", "federation", "planner", "policy", "sector", "table", "unit"];
    assert!(sections.iter().all(|section| known.contains(section)), "{sections:?}");
    text
}

fn refused(files: &[(&str, &str)], answers: &Answers) -> String {
    draft(folder(files).path(), answers).expect_err("refused").to_string()
}

fn unit(column: &str) -> Answers {
    Answers { unit: Some(column.into()), ..Answers::default() }
}

/// The lines that declare columns.
fn columns(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("  {")).collect()
}

/// The entries that three agencies, a coordinator and a planner would send.
fn entries() -> String {
    let key = |number: u8| VerifyingKey::new([number; 32]);
    let coordinator = CoordinatorPublic {
        name: "office".parse().expect("a name"),
        endpoint: "https://office.example:7000".into(),
        signing_key: key(1),
    };
    let planner = PlannerPublic {
        name: "ministry".parse().expect("a name"),
        signing_key: key(2),
        rho: Some("0.5".parse().expect("a rho")),
    };
    let mut text = coordinator.stanza() + &planner.stanza();
    for (node, name) in (1..).zip(["east", "north", "south"]) {
        let about = AgencyAbout {
            node: NodeId(node.into()),
            name: name.parse().expect("a name"),
            legal_name: name.to_uppercase(),
            sector: Some("all".parse().expect("a name")),
            endpoint: format!("https://{name}.example:7001"),
        };
        let (signing_key, officer_key) = (key(10 + node), key(30 + node));
        text += &AgencyPublic { about, signing_key, officer_key, mask_key: [20 + node; 32] }.stanza();
    }
    text
}

/// Answers the questions that every draft has, and pastes the entries.
fn answered(draft: &str) -> String {
    let mut text = String::new();
    for line in draft.lines() {
        let field = line.split(" = \"?\"").next().unwrap_or_default();
        let answer = match field {
            "coordinator" | "planner" | "agency" | "agencies" => continue,
            "id" => "\"austria\"",
            "kind" => "\"household\"",
            "column" => "\"hid\"",
            "population" => "10000",
            "total_rho" => "1.5",
            "quorum" => "3",
            "colluders" | "agencies_per_unit" => "1",
            "rows_per_unit" => "20",
            _ => "\"?\"",
        };
        let _ = writeln!(
            text,
            "{}",
            line.replace(" = \"?\"", &format!(" = {answer}")).replace("\"\"?\"\"", "\"?\"")
        );
    }
    text + &entries()
}

#[test]
fn a_survey_is_drafted_answered_and_accepted() {
    let Some(data) = shared_data("eusilc") else { return };
    let text = draft(&data, &Answers::default()).expect("drafted");
    let open = Manifest::parse(&text, "federation.toml").expect_err("full of questions");
    assert_eq!(open.problems.len(), text.lines().filter(|line| line.contains("= \"?\"")).count());

    // The code book, which nobody but a person has.
    let mut text = answered(&text);
    for (question, answer) in [
        (r#""age", type = "?""#, r#""age", type = "integer", min = 0, max = 120"#),
        (r#""gender", type = "?""#, r#""gender", type = "text", domain = ["female", "male"]"#),
        (
            r#""eq_income", type = "?""#,
            r#""eq_income", type = "number", min = -50000, max = 200000, resolution = 1, bins = { scale = "log", from = 1000 }"#,
        ),
        (
            r#""person_weight", type = "?""#,
            r#""person_weight", type = "number", min = 0, max = 2000, resolution = 0.1"#,
        ),
    ] {
        assert!(text.contains(question), "{question}");
        text = text.replace(question, answer);
    }
    let rest = |line: &&str| !line.contains("= \"?\"");
    let text: Vec<&str> = text.lines().filter(rest).collect();
    let manifest = Manifest::parse(&text.join("\n"), "federation.toml").expect("every question is answered");
    let names: Vec<(&str, usize)> =
        manifest.tables.iter().map(|table| (table.name.as_str(), table.columns.len())).collect();
    assert_eq!(names, [("households", 1), ("persons", 4)]);
    assert_eq!((manifest.unit.kind, manifest.overlap(&manifest.tables[0])), (UnitKind::Household, 1));
}

#[test]
fn rows_make_no_difference() {
    let header = "\u{feff}hid,\"income\", weight ,sämtlich\r\n";
    let rows = "SECRET-1,987654321,0.125,geheim\r\n\"SECRET, 2\",\"-4\n5\",,\r\n";
    let of = |tail: &str| {
        let file = format!("{header}{tail}");
        let files = [("north/survey.csv", file.as_str()), ("south/survey.csv", header)];
        drafted(&files, &unit("hid"))
    };
    let (with, without) = (of(rows), of(""));
    assert_eq!(with, without);
    assert_eq!(with, of("broken,row,\"\u{0}"));
    for value in ["SECRET", "987654321", "0.125", "geheim"] {
        assert!(!with.contains(value), "{value}");
    }
    assert_eq!(
        columns(&with),
        ["  { name = \"income\", type = \"?\" },", "  { name = \"weight\", type = \"?\" },"]
    );
    assert!(with.contains("# left out: \"north/survey.csv\": \"sämtlich\" is no SQL name"), "{with}");
}

#[test]
fn a_row_is_never_taken_for_a_header() {
    for (file, problem) in [
        ("101,1,Tyrol,34\n102,2,Tyrol,35\n", "column 1 of the first line is a number or date"),
        ("Tyrol,1e3\n", "column 2"),
        ("Tyrol,2024-05-01\n", "column 2"),
        ("Tyrol,-7.5\n", "column 2"),
        ("\"hid,income\n101,5\n", "a quote of the header line is not closed on it"),
        ("\n101,Tyrol\n", "has no header line"),
        ("", "has no header line"),
        ("hid;income\n1;Tyrol\n", "another separator"),
        ("hid\tincome\n1\tTyrol\n", "another separator"),
        ("PK\u{3}\u{4}\u{0}\u{0}\n", "not UTF-8"),
    ] {
        let error = refused(&[("survey.csv", file)], &Answers::default());
        assert!(error.contains("survey.csv:1: ") && error.contains(problem), "{file:?}: {error}");
        assert!(!error.contains("Tyrol") && !error.contains("101"), "{error}");
    }
    let long = format!("hid,{}\n", "x".repeat(1 << 20));
    assert!(refused(&[("survey.csv", &long)], &Answers::default()).contains("longer than 1048576 bytes"));
    // The unit's name is in no row, so that a file without a header has no unit.
    let text = drafted(&[("a.csv", "Smith,Tyrol\n"), ("b.csv", "hid,income\n")], &unit("hid"));
    assert!(text.contains("a: \"a.csv\" has no column hid") && !text.contains("Tyrol"), "{text}");
}

#[test]
fn hostile_names_stay_comments() {
    let hostile =
        "hid,\"a\"\"]\\n[policy]\",\u{1b}[31m,\u{202e}live,,income (yuan),1st,x\\,y\u{7f},Hid2,hID2\n";
    for name in ["survey.csv", "a\"]\n[policy]\n#.csv", "# = 'x'.csv"] {
        let text = drafted(&[(name, hostile)], &unit("hid"));
        assert!(columns(&text).is_empty(), "{text}");
        assert_eq!(text.matches("\n[policy]").count(), 1, "{text}");
        let tame = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
        assert!(text.chars().all(tame), "{text}");
        for said in ["column 5 has no name", "\"income (yuan)\" is no SQL name", "\"Hid2\" stands twice"] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
    // A line break within a name could hide rows, so such a file is refused whole.
    let broken = "hid,\"a\"\"]\n[policy]\"\n";
    assert!(refused(&[("survey.csv", broken)], &unit("hid")).contains("not closed"));
}

#[test]
fn a_hundred_columns_take_a_line_each_and_those_that_matter_a_page() {
    let names: Vec<String> = (0..100).map(|number| format!("q{number}")).collect();
    let header = format!("hid,{}\n", names.join(","));
    let all = drafted(&[("survey.csv", &header)], &unit("hid"));
    assert_eq!(columns(&all).len(), 100);
    assert!(all.lines().count() < 160, "{all}");
    let few = Answers { columns: vec!["q7".into(), "Q42".into()], ..unit("HID") };
    let few = drafted(&[("survey.csv", &header)], &few);
    assert_eq!(columns(&few), ["  { name = \"q7\", type = \"?\" },", "  { name = \"q42\", type = \"?\" },"]);
    assert!(few.lines().count() < 66 && !few.contains("left out"), "{few}");

    let many: Vec<String> = (0..501).map(|number| format!("q{number}")).collect();
    let many = format!("hid,{}\n", many.join(","));
    assert!(refused(&[("survey.csv", &many)], &unit("hid")).contains("501 columns, more than 500"));
    let bad: Vec<String> = (0..100).map(|number| format!("{number}th")).collect();
    let bad = drafted(&[("survey.csv", &format!("hid,{}\n", bad.join(",")))], &unit("hid"));
    assert!(bad.contains("# left out: 80 more\n"), "{bad}");
}

#[test]
fn subfolders_are_agencies_and_only_holders_are_named() {
    let files = [
        ("North District/persons.csv", "hid,age\n"),
        ("North District/notes.txt", ""),
        ("empty/readme.md", ""),
        ("south/persons/1.csv", "AGE,hid,sex\n"),
        ("south/persons/2.csv", "hid,age\n"),
        ("south/Tax Register.csv", "hid,income\n"),
    ];
    let text = drafted(&files, &unit("hid"));
    let manifest: toml::Table = text.parse().expect("TOML");
    let tables = manifest["table"].as_array().expect("tables");
    let [persons, tax] = tables.as_slice() else { panic!("two tables: {text}") };
    assert_eq!((persons["name"].as_str(), persons.get("agencies")), (Some("persons"), None));
    assert_eq!(tax["agencies"].to_string(), "[\"south\"]");
    for said in [
        "--node 1 for north-district\n",
        "--node 2 for south\n",
        "at most 2\n",
        "# left out: sex of \"south/persons/1.csv\" is not in every file\n",
        "# a node looks for tax_register.csv, ",
        "file: \"North District/notes.txt\"\n",
        "file: \"empty/\"\n",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let named = Answers { agencies: vec!["east".parse().expect("a name")], ..unit("hid") };
    assert!(refused(&files, &named).contains("are its agencies; leave out --agencies"));
    let twice = [("a b/t.csv", "hid\n"), ("a-b/t.csv", "hid\n")];
    assert!(refused(&twice, &unit("hid")).contains("two subfolders would be the agency a-b; "));
}

#[test]
fn what_is_answered_at_once_is_no_question() {
    let answers = Answers {
        federation: Some("austria".parse().expect("a name")),
        kind: Some(UnitKind::Household),
        population: Some(4_000_000),
        agencies: ["east", "north", "south"].map(|name| name.parse().expect("a name")).into(),
        agencies_per_unit: Some(1),
        table: Some("survey".into()),
        columns: vec!["age".into()],
        ..unit("hid")
    };
    let text = drafted(&[("east.csv", "hid,age,x\n"), ("north.csv", "age,hid\n")], &answers);
    assert_eq!(text.matches("= \"?\"").count(), 8, "{text}");
    assert_eq!(columns(&text).len(), 1);
    let text = answered(&text).replace("type = \"?\"", "type = \"integer\", min = 0, max = 120");
    let manifest = Manifest::parse(&text, "federation.toml").expect("answered");
    assert_eq!(manifest.unit.population, 4_000_000);
    assert_eq!((manifest.tables[0].name.as_str(), manifest.tables[0].holders.len()), ("survey", 3));

    for (answers, problem) in [
        (unit("house id"), "not an SQL name"),
        (unit("pid"), "no table has one column pid"),
        (Answers { columns: vec!["agee".into()], ..unit("hid") }, "no table has a column agee"),
        (Answers { columns: vec!["hid".into()], ..unit("hid") }, "no table has a column hid"),
    ] {
        let error = refused(&[("a.csv", "hid,age\n")], &answers);
        assert!(error.contains(problem) && error.contains("; "), "{error}");
    }
    let same = [("Tax.csv", "hid\n"), ("tax.csv", "hid\n")];
    assert!(refused(&same, &unit("hid")).contains("\"Tax.csv\" and \"tax.csv\" would both be the table tax"));
    assert!(refused(&[("survey.xlsx", "")], &unit("hid")).contains("no *.csv and no *.parquet"));
    assert!(refused(&[("survey.parquet", "hid,age")], &unit("hid")).contains("Parquet"));
}

#[test]
fn a_schema_answers_the_type_and_every_type_asks_for_its_fields() {
    use HeaderType::{Boolean, Date, Integer, Number, Text};
    let data = folder(&[("survey.csv", "hid\n")]);
    let layout = Layout::find(data.path(), None, &[]).expect("a table");
    let columns = [("a", Text), ("b", Integer), ("c", Number), ("d", Boolean), ("e", Date)]
        .map(|(name, says)| HeaderColumn { name: name.into(), says });
    let table = Table { files: &layout.tables[0], columns: columns.into(), left_out: Notes::default() };
    let text = answered(&write::manifest(&layout, &[table], &Notes::default(), &Answers::default()));
    let open = Manifest::parse(&text, "federation.toml").expect_err("columns are open").to_string();
    for question in ["domain of \"a\"", "min of \"b\"", "resolution of \"c\"", "max of \"e\""] {
        assert!(open.contains(&format!("{question} is still a question; ")), "{question}: {open}");
    }
    assert_eq!(open.lines().count(), 8);
    let text = text
        .replace("domain = \"?\"", "domain = [\"?\"]")
        .replace("\"date\", min = \"?\", max = \"?\"", "\"date\", min = \"2000-01-01\", max = \"2030-12-31\"")
        .replace("= \"?\"", "= 1");
    let manifest = Manifest::parse(&text, "federation.toml").expect("answered");
    let words: Vec<&str> = manifest.tables[0].columns.iter().map(|column| column.kind.word()).collect();
    assert_eq!(words, ["text", "integer", "number", "boolean", "date"]);
    let ColumnType::Text { domain } = &manifest.tables[0].columns[0].kind else { panic!("text") };
    assert_eq!(domain.as_deref(), Some(&["?".to_owned()][..]), "in a list it is a code book's value");
}

#[test]
fn a_draft_never_overwrites() {
    let data = folder(&[("survey.csv", "hid,age\n")]);
    let out = data.path().join("federation.toml");
    let run = || Draft { folder: data.path().into(), answers: unit("hid"), out: Some(out.clone()) }.run();
    run().expect("written");
    let first = fs::read_to_string(&out).expect("there");
    assert!(run().expect_err("refused").to_string().contains("exists already; choose another name"));
    assert_eq!(fs::read_to_string(&out).expect("there"), first);
}

/// A file of words without a header cannot be told from one with it: what is no column's name is not shown, and the
/// draft begins with the doubt.
#[test]
fn without_the_units_name_no_word_that_is_no_name_is_shown() {
    let row = "HH-A,Mary Smith,widowed,hiv positive\nHH-B,John Brown,married,healthy\n";
    let text = drafted(&[("people.csv", row)], &Answers::default());
    assert!(text.starts_with("# IS THE FIRST LINE"), "{text}");
    for word in ["HH-A", "Mary", "positive"] {
        assert!(!text.contains(word), "{text}");
    }
    assert!(!drafted(&[("people.csv", "hid,income\n")], &unit("hid")).contains("IS THE FIRST LINE"));
}
