//! The draft as text. Code holds only names that were checked; everything else is a comment or a question.

use std::fmt::Write;

use almoner_engine::{HeaderColumn, HeaderType};
use almoner_federation::Name;

use super::Answers;
use super::folder::{DataFile, Layout};
use super::notes::{Notes, shown};
use super::table::Table;

/// The one sector of a draft, which covers every agency that names it.
const SECTOR: &str = "all";
/// Most agencies whose numbers are listed, and most files of a table.
const MAX_LISTED: usize = 12;

/// What the parties' entries will look like.
const EXAMPLE: &str = r#"
# Here the entries of the parties, each as its `almoner keys` printed it, such as
# [[agency]]
# node = 1
# name = "north"
# legal_name = "Northern District"
# sector = "all"
# endpoint = "https://north.example:7001"
# signing_key = "64 hexadecimal digits"
# officer_key = "64 hexadecimal digits"
# mask_key = "64 hexadecimal digits"
"#;

/// Said first where the unit's column is not named, so that nothing tells a header from a row.
const DOUBT: &str = "# IS THE FIRST LINE OF EACH CSV FILE ITS HEADER? If not, this draft shows a row: delete it, and draft again with\n\
     # --unit COLUMN, which leaves out every file without that column, and so each one without a header.\n";

/// The whole federation.toml.
pub(super) fn manifest(
    layout: &Layout,
    tables: &[Table<'_>],
    without_unit: &Notes,
    answers: &Answers,
) -> String {
    let mut text = head(layout, answers);
    for table in tables {
        text += &declare(table, layout, answers);
    }
    text += &without_unit.comments("left out, because every table needs the unit's column");
    text += &layout.ignored.comments("not read, for it is no table's *.csv or *.parquet file");
    text + EXAMPLE
}

fn head(layout: &Layout, answers: &Answers) -> String {
    let first = layout.agencies.first().map_or("NAME", Name::as_str);
    let id = answers.federation.as_ref().map_or("ID", Name::as_str);
    let numbers = numbers(&layout.agencies);
    let doubt = if answers.unit.is_none() { DOUBT } else { "" };
    let quorum = match layout.agencies.len() {
        0 => "at most as many as there are agencies".into(),
        agencies => format!("at most {agencies}"),
    };
    format!(
        r#"{doubt}# A draft from file headers alone. Every "?" is a question that law, code book or the agencies answer, never the
# data. `almoner manifest check` lists those that are open, with their lines, and nothing runs before the last is
# answered. docs/manifest.md explains each field, docs/survey.md the way from here to a published table.

# ASK each party for its entry. Paste the entries at the end of this file and delete these three lines.
coordinator = "?" # almoner keys coordinator NAME --federation {id} --endpoint https://HOST:PORT --out DIR
planner = "?"     # almoner keys planner NAME --federation {id} --rho RHO --out DIR
agency = "?"      # almoner keys agency {first} --federation {id} --node 1 --sector {SECTOR} --endpoint https://HOST:PORT --out DIR
{numbers}
[federation]
id = {id_answer}
epoch = 1

[unit] # ASK the law: whom does the budget protect?
kind = {kind} # "person" or "household"
column = {column} # carries the unit's id in every table, and is never asked about: not among the columns below
population = {population} # an official upper bound on the units of all agencies together

[policy] # ASK the agencies. `almoner manifest check` translates total_rho into epsilon
delta = 1e-9
total_rho = "?" # what all questions together may cost, for ever
quorum = "?" # no release has fewer participants; {quorum}
colluders = "?" # so many agencies may collude with the coordinator
min_honest = 2

[[sector]] # ASK the registers' law: at how many of these agencies may one unit have records? 1 if it is in one alone
name = "{SECTOR}"
agencies_per_unit = {overlap}

# ASK the code book for each column, never the data. Delete the line of a column that nobody needs to ask about:
# what is not declared can never be asked. A type brings its fields:
#   type = "integer", min = 0, max = 120      type = "number", min = 0, max = 100000, resolution = 1
#   type = "text", domain = ["yes", "no"]     type = "date", min = "1900-01-01", max = "2030-12-31"
#   type = "boolean"                          incomes also want: bins = {{ scale = "log", from = 1000 }}
"#,
        id_answer = answer(answers.federation.as_ref()),
        kind = answer(answers.kind),
        column = answer(answers.unit.as_ref()),
        population = answers.population.map_or("\"?\"".into(), |units| units.to_string()),
        overlap = answers.agencies_per_unit.map_or("\"?\"".into(), |most| most.to_string()),
    )
}

/// A checked name in quotes, or a question.
fn answer<T: ToString>(given: Option<T>) -> String {
    format!("\"{}\"", given.map_or("?".into(), |given| given.to_string()))
}

/// Which `--node` is whose.
fn numbers(agencies: &[Name]) -> String {
    if agencies.is_empty() {
        return "# Number the agencies with --node 1, 2, ..., and give each its own name.\n".into();
    }
    let listed: Vec<String> = (1..)
        .zip(agencies)
        .take(MAX_LISTED)
        .map(|(node, name)| format!("#   --node {node} for {name}\n"))
        .collect();
    let more = match agencies.len().saturating_sub(MAX_LISTED) {
        0 => String::new(),
        more => format!("#   and so on for {more} more, in the order of their names\n"),
    };
    listed.concat() + &more
}

fn declare(table: &Table<'_>, layout: &Layout, answers: &Answers) -> String {
    let files = table.files;
    let name = &files.name;
    let mut text = format!("\n[[table]] # {}\n", sources(&files.files));
    if files.files.iter().any(|file| !file.fits) {
        let _ =
            writeln!(text, "# a node looks for {name}.csv, {name}.parquet, or such files in a folder {name}");
    }
    let _ = writeln!(text, "name = \"{name}\"");
    text += "rows_per_unit = \"?\" # the most rows of one unit that law or code book allow at one agency\n";
    if layout.agencies.is_empty() {
        text += "agencies = \"?\" # the names of those that hold it, [\"north\", \"south\"]; delete the line if all do\n";
    } else if !files.holders.is_empty() && files.holders.len() < layout.agencies.len() {
        let holders: Vec<String> = files.holders.iter().map(|name| format!("\"{name}\"")).collect();
        let _ = writeln!(text, "agencies = [{}]", holders.join(", "));
    }
    text += "column = [\n";
    if answers.unit.is_none() {
        text += "  # one of these is the unit's: delete its line\n";
    }
    for column in &table.columns {
        let _ = writeln!(text, "  {{ name = \"{}\", {} }},", column.name, questions(column));
    }
    text += "]\n";
    text + &table.left_out.comments("left out")
}

fn sources(files: &[DataFile]) -> String {
    let listed: Vec<String> = files.iter().take(2).map(|file| shown(&file.shown)).collect();
    let more = match files.len().saturating_sub(2) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("from {}{more}", listed.join(", "))
}

/// A column's type, as far as the header says it, and what it asks for.
fn questions(column: &HeaderColumn) -> &'static str {
    match column.says {
        HeaderType::Nothing | HeaderType::Other(_) => r#"type = "?""#,
        HeaderType::Text => r#"type = "text", domain = "?""#,
        HeaderType::Integer => r#"type = "integer", min = "?", max = "?""#,
        HeaderType::Number => r#"type = "number", min = "?", max = "?", resolution = "?""#,
        HeaderType::Boolean => r#"type = "boolean""#,
        HeaderType::Date => r#"type = "date", min = "?", max = "?""#,
    }
}
