//! Names of agencies, tables and columns out of file names and headers.

use almoner_federation::Name;

/// Words that SQL reads as something else than a name, as far as a file or column may be called so.
const RESERVED: [&str; 43] = [
    "all", "and", "any", "as", "asc", "between", "by", "case", "cast", "count", "cross", "current", "date",
    "desc", "distinct", "else", "end", "exists", "false", "filter", "from", "group", "having", "in", "is",
    "join", "like", "limit", "not", "null", "on", "or", "order", "over", "select", "sum", "table", "then",
    "time", "true", "union", "when", "where",
];

/// Whether the manifest takes it as a name of a table or column.
pub(crate) fn is_sql_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !text.as_bytes()[0].is_ascii_digit()
}

/// Whether a question can use the name without quotes.
pub(crate) fn is_plain(name: &str) -> bool {
    is_sql_name(name) && !RESERVED.contains(&name.to_ascii_lowercase().as_str())
}

/// A table's name out of a file's name without its extension.
pub(crate) fn table_name(stem: &str) -> String {
    let name = slug(stem, '_', 60);
    if is_plain(&name) { name } else { format!("t_{name}") }
}

/// An agency's name out of a file's name without its extension.
pub(crate) fn agency_name(stem: &str) -> Name {
    let name = slug(stem, '-', 38);
    let parsed = name.parse().or_else(|_| format!("a-{name}").parse());
    parsed.expect("a slug of at most 38 characters behind a letter is a name")
}

/// Lowercase letters and digits; everything between them becomes one `separator`.
fn slug(text: &str, separator: char, longest: usize) -> String {
    let lower = text.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = words.collect::<Vec<_>>().join(&separator.to_string());
    slug.truncate(longest);
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_become_names() {
        for (stem, agency, table) in [
            ("Tax Office (2020)", "tax-office-2020", "tax_office_2020"),
            ("7th_district", "a-7th-district", "t_7th_district"),
            ("order", "order", "t_order"),
            ("äé", "a-", "t_"),
        ] {
            assert_eq!(agency_name(stem).as_str(), agency);
            assert_eq!(table_name(stem), table);
            assert!(is_plain(&table_name(stem)));
        }
        assert!(agency_name(&"x1".repeat(40)).as_str().len() <= 40);
        assert!(is_sql_name("py010n") && !is_sql_name("income (yuan)") && !is_plain("Group"));
    }
}
