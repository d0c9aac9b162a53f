//! Open questions: a field that says `"?"` waits for law, code book or the agencies. A draft marks with it what
//! no file can tell, and no manifest holds while one is left, so that nobody runs by a default that nobody chose.

use toml::de::{DeTable, DeValue};

use crate::Problem;

/// What an open question says. In a list it is a value like any other, because some code books have it.
const MARK: &str = "?";

/// A question with the byte at which it stands.
struct Open {
    offset: usize,
    message: String,
    remedy: &'static str,
}

/// Every open question of `text`, in the order of its lines; none when it is no TOML at all.
pub(super) fn questions(text: &str) -> Vec<Problem> {
    let mut found = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        // The parser bounds how deep tables nest.
        collect(table.get_ref(), &mut found);
    }
    found.sort_by_key(|open| open.offset);
    // A draft may have very many, so that lines are counted once for all of them.
    let (mut line, mut counted) = (1, 0);
    let numbered = found.into_iter().map(|Open { offset, message, remedy }| {
        line += text.as_bytes()[counted..offset].iter().filter(|byte| **byte == b'\n').count();
        counted = offset;
        Problem { line, message, remedy: remedy.into() }
    });
    numbered.collect()
}

fn collect(table: &DeTable<'_>, found: &mut Vec<Open>) {
    let named = |key: &str| table.get(key).and_then(|value| value.get_ref().as_str());
    let of = named("name").filter(|name| *name != MARK).map_or(String::new(), |name| format!(" of {name:?}"));
    for (key, value) in table {
        match value.get_ref() {
            DeValue::String(word) if word == MARK => found.push(Open {
                offset: value.span().start,
                message: format!("{}{of} is still a question", key.get_ref()),
                remedy: remedy(key.get_ref()),
            }),
            DeValue::Table(inner) => collect(inner, found),
            DeValue::Array(entries) => {
                for inner in entries.iter().filter_map(|entry| entry.get_ref().as_table()) {
                    collect(inner, found);
                }
            }
            _ => {}
        }
    }
}

/// Who knows the answer, and in which form to write it.
fn remedy(field: &str) -> &'static str {
    match field {
        "coordinator" => "delete the line and paste the entry that `almoner keys coordinator` printed",
        "agency" => "delete the line and paste the entry that `almoner keys agency` printed at each agency",
        "planner" => {
            "delete the line and paste the entry that `almoner keys planner` printed at each planner"
        }
        "id" => "agree on a name for the federation, in letters a-z, digits and '-'",
        "kind" => "write \"person\" or \"household\": whom the budget protects",
        "population" => "write the official number of units with a margin; do not count the data",
        "total_rho" => "agree on an epsilon, once and for ever; docs/manifest.md translates it into rho",
        "quorum" => "write how many agencies must take part at least",
        "colluders" => "write how many agencies may collude with the coordinator",
        "agencies_per_unit" => {
            "ask the registers' law at how many of these agencies one unit may be, or remove the [[sector]] and \
             every mention of it: then all may hold everybody"
        }
        "rows_per_unit" => "write the most rows of one unit that law or code book allow at one agency",
        "agencies" => "list the names of the agencies that hold the table, or delete the line if all do",
        "type" => "write \"text\", \"integer\", \"number\", \"boolean\" or \"date\", or delete the column",
        "min" | "max" => "write it from law or code book, or delete the column: nobody can then ask about it",
        "resolution" => "write the smallest difference that matters, such as 1",
        "domain" => "list the code book's values, or delete the field: nobody can then group by the column",
        "column" => "name the column that carries the unit's id in every table",
        _ => "write what docs/manifest.md says of the field",
    }
}
