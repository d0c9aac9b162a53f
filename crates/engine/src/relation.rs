//! A table of the manifest as SQL over an agency's own database: typed, bounded and, where a question needs it, placed.
//!
//! The text is pure and without a value of any row; how values are read is each engine's own, in `postgres/reading.rs`
//! and `flight/reading.rs`, and all else is the same for both. It means exactly what [`crate::bounding`] and
//! [`crate::placing`] mean for files, so that the same rows are the same cells wherever they are.

use almoner_federation::{ColumnType, Territory};
use almoner_query::{PLACEMENT_COLUMN, quoted, text_literal};

use crate::flight;
use crate::tag::SCALES;

/// Whose SQL it is.
#[derive(Clone)]
pub(crate) enum Dialect {
    PostgreSql,
    /// Text compares by its bytes without being told, and the key of tags is a literal.
    DataFusion {
        tag_key: String,
    },
}

impl Dialect {
    /// After a step's AS: computed wherever it is named, or once.
    fn inline(&self) -> &'static str {
        match self {
            Dialect::PostgreSql => "NOT MATERIALIZED ",
            Dialect::DataFusion { .. } => "",
        }
    }

    fn once(&self) -> &'static str {
        match self {
            Dialect::PostgreSql => "MATERIALIZED ",
            Dialect::DataFusion { .. } => "",
        }
    }

    /// A value as text.
    fn as_text(&self, value: &str) -> String {
        match self {
            Dialect::PostgreSql => format!("CAST({value} AS TEXT)"),
            Dialect::DataFusion { .. } => format!("CAST({value} AS VARCHAR)"),
        }
    }

    /// A date as days since 1970-01-01.
    fn days(&self, date: &str) -> String {
        match self {
            Dialect::PostgreSql => format!("{date} - DATE '1970-01-01'"),
            Dialect::DataFusion { .. } => format!("CAST({date} AS INTEGER)"),
        }
    }

    /// `<octets>:<text>`, or `-` for NULL.
    pub(crate) fn field(&self, text: &str) -> String {
        let octets = self.as_text(&format!("octet_length({text})"));
        format!("COALESCE({octets} || ':' || {text}, '-')")
    }

    /// The five integers of a number, as [`crate::tag`] defines them.
    fn limbs(&self, own: &str) -> String {
        let cast = match self {
            Dialect::PostgreSql => "CAST",
            Dialect::DataFusion { .. } => "TRY_CAST",
        };
        let whole = |scale: f64| format!("trunc({own} * {})", double(scale));
        let limb = |index: usize| {
            let above = match index {
                0 => String::new(),
                _ => format!(" - {} * {}", whole(SCALES[index - 1]), double(SCALES[2])),
            };
            self.as_text(&format!("{cast}({}{above} AS BIGINT)", whole(SCALES[index])))
        };
        (0..SCALES.len()).map(limb).collect::<Vec<_>>().join(" || ',' || ")
    }

    /// Behind a text literal.
    fn bytewise(&self) -> &'static str {
        match self {
            Dialect::PostgreSql => " COLLATE \"C\"",
            Dialect::DataFusion { .. } => "",
        }
    }
}

/// So that it reads back as the same double.
pub(crate) fn double(value: f64) -> String {
    format!("CAST('{value:e}' AS DOUBLE PRECISION)")
}

/// A column of the manifest as it is read.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// The manifest's name.
    pub name: String,
    /// The manifest's type.
    pub kind: ColumnType,
    /// Its value, and whether nothing stands there.
    pub value: String,
    pub missing: String,
}

/// A table over an agency's own SELECT.
#[derive(Clone)]
pub(crate) struct Relation {
    /// The SQL of the texts below.
    pub dialect: Dialect,
    /// Its number among the agency's tables.
    pub number: usize,
    /// The manifest's spelling.
    pub table: String,
    /// The manifest's name of the unit's column.
    pub unit_name: String,
    /// The agency's SELECT.
    pub mapped: String,
    /// The unit's id and what is equal for equal ids, over the columns of `mapped`.
    pub unit: String,
    pub key: String,
    pub columns: Vec<Column>,
    pub rows_per_unit: u32,
    /// The key out of its text.
    pub key_again: &'static str,
    /// Which units have too many rows.
    pub surplus: Surplus,
}

/// What is known of the units with more than `rows_per_unit` rows, in the snapshot that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Surplus {
    /// There is none.
    Nobody,
    /// Their keys, all of them.
    Units(Vec<String>),
    /// The statement itself has to find them.
    Unknown,
}

/// A statement with its parameters, if it has any: the key of tags, then lists of keys as TEXT[].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub sql: String,
    pub lists: Vec<Vec<String>>,
}

/// The parameter that holds the key of tags.
const TAG_KEY: &str = "CAST($1 AS BYTEA)";

impl Relation {
    /// The name of an inner step: short, because databases cut long names, and of no agency's table.
    fn step(&self, what: &str) -> String {
        quoted(&format!("almoner {} {what}", self.number))
    }

    /// Every row with its unit `u`, its key `k` and its columns `c0`, `c1`...; `k` is NULL without a unit.
    pub(crate) fn all(&self) -> String {
        let columns: String = self
            .columns
            .iter()
            .enumerate()
            .map(|(i, column)| format!(",\n  {} AS \"c{i}\"", column.value))
            .collect();
        format!(
            "SELECT {} AS \"u\", {} AS \"k\"{columns}\nFROM (\n{}\n) AS \"mapped\"",
            self.unit, self.key, self.mapped
        )
    }

    /// The columns of the steps, each after a comma.
    pub(crate) fn listed(&self) -> String {
        (0..self.columns.len()).map(|i| format!(", \"c{i}\"")).collect()
    }

    /// The keys of units with too many rows, as text, at most so many.
    pub(crate) fn surplus_keys(&self, at_most: usize) -> String {
        format!(
            "SELECT CAST(\"k\" AS TEXT) FROM (SELECT {} AS \"k\" FROM (\n{}\n) AS \"mapped\") AS \"keys\" \
             WHERE \"k\" IS NOT NULL GROUP BY \"k\" HAVING COUNT(*) > {} LIMIT {at_most}",
            self.key, self.mapped, self.rows_per_unit
        )
    }

    /// The steps up to the bounded rows, whose name comes with them.
    fn bounded(&self, lists: &mut Vec<Vec<String>>) -> (Vec<String>, String) {
        let typed = self.step("rows");
        let mut steps = vec![format!(
            "{typed} AS {}(\nSELECT * FROM (\n{}\n) AS \"all\" WHERE \"k\" IS NOT NULL)",
            self.dialect.inline(),
            self.all()
        )];
        if let Dialect::DataFusion { tag_key } = &self.dialect {
            let bounded = self.step("bounded rows");
            steps.push(format!("{bounded} AS (\n{}\n)", flight::bounded(self, &typed, tag_key)));
            return (steps, bounded);
        }
        let found = match &self.surplus {
            Surplus::Nobody => return (steps, typed),
            Surplus::Units(keys) => {
                lists.push(keys.clone());
                format!(
                    "SELECT {} AS \"k\" FROM unnest(CAST(${} AS TEXT[])) AS \"keys\" (\"key\")",
                    self.key_again,
                    lists.len() + 1
                )
            }
            Surplus::Unknown => {
                let most = self.rows_per_unit;
                format!("SELECT \"k\" FROM {typed} GROUP BY \"k\" HAVING COUNT(*) > {most}")
            }
        };
        let (over, bounded) = (self.step("surplus"), self.step("bounded rows"));
        let columns = self.listed();
        let most = self.rows_per_unit;
        steps.push(format!("{over} AS MATERIALIZED ({found})"));
        let is_over =
            format!("EXISTS (SELECT 1 FROM {over} AS \"over\" WHERE \"over\".\"k\" = \"typed\".\"k\")");
        let message = self.message();
        let nested = format!(
            "sha256({TAG_KEY} || sha256({TAG_KEY} || convert_to(\"message\" || {}, 'UTF8')))",
            self.dialect.field("\"occurrence\"")
        );
        steps.push(format!(
            "{bounded} AS NOT MATERIALIZED (
SELECT \"u\"{columns} FROM {typed} AS \"typed\" WHERE NOT {is_over}
UNION ALL SELECT \"u\"{columns} FROM (
  SELECT \"u\"{columns}, row_number() OVER (PARTITION BY \"u\" ORDER BY {nested}) AS \"place\" FROM (
    SELECT \"u\"{columns}, \"message\",
      CAST(row_number() OVER (PARTITION BY \"message\") - 1 AS TEXT) AS \"occurrence\" FROM (
      SELECT \"u\"{columns}, {message} AS \"message\" FROM {typed} AS \"typed\" WHERE {is_over}
    ) AS \"messages\"
  ) AS \"numbered\"
) AS \"tagged\" WHERE \"place\" <= {most})"
        ));
        (steps, bounded)
    }

    /// The message of a row's tag without its number among equal ones; see [`crate::tag`].
    pub(crate) fn message(&self) -> String {
        let dialect = &self.dialect;
        let mut parts =
            vec![text_literal(&format!("{}:{}", self.table.len(), self.table)), dialect.field("\"u\"")];
        for (i, column) in self.columns.iter().enumerate() {
            let own = format!("\"c{i}\"");
            parts.push(dialect.field(&match column.kind {
                ColumnType::Text { .. } => own,
                ColumnType::Integer { .. } => dialect.as_text(&own),
                ColumnType::Number { .. } => dialect.limbs(&own),
                ColumnType::Boolean => format!("CASE WHEN {own} THEN 't' WHEN NOT {own} THEN 'f' END"),
                ColumnType::Date { .. } => dialect.as_text(&dialect.days(&own)),
            }));
        }
        format!("(({}){})", parts.join("\n        || "), dialect.bytewise())
    }

    /// The table as a statement names it, from its bounded rows and where needed from where units are placed.
    fn named(&self, rows: &str, placed: bool) -> String {
        let columns: String = self
            .columns
            .iter()
            .enumerate()
            .map(|(i, column)| format!(", \"rows\".\"c{i}\" AS {}", quoted(&column.name)))
            .collect();
        let (home, join) = if placed {
            (
                format!(", \"home\" AS {}", quoted(PLACEMENT_COLUMN)),
                format!(" LEFT JOIN {HOMES} ON {HOMES}.\"u\" = \"rows\".\"u\""),
            )
        } else {
            Default::default()
        };
        format!(
            "{} AS {}(SELECT \"rows\".\"u\" AS {}{columns}{home} FROM {rows} AS \"rows\"{join})",
            quoted(&self.table),
            self.dialect.inline(),
            quoted(&self.unit_name),
        )
    }

    /// The place of the territory's column.
    fn territory(&self, territory: &Territory) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(&territory.column))
    }
}

const HOMES: &str = "\"almoner homes\"";

/// The bounded rows of all: steps, names, lists for parameters.
fn all_bounded(relations: &[Relation]) -> (Vec<String>, Vec<String>, Vec<Vec<String>>) {
    let (mut steps, mut names, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    for relation in relations {
        let (own, name) = relation.bounded(&mut lists);
        steps.extend(own);
        names.push(name);
    }
    (steps, names, lists)
}

/// The statement over one of the tables, none of which it names but as the manifest does. `relations` are that table
/// and, where the statement asks where units are placed, all others that place them.
pub(crate) fn statement(
    sql: &str,
    table: &str,
    relations: &[Relation],
    territory: Option<&Territory>,
) -> Statement {
    let (mut steps, names, lists) = all_bounded(relations);
    if let Some(territory) = territory {
        let tallies = tallies(relations, &names, territory, "JOIN");
        let once = relations.first().map_or("", |relation| relation.dialect.once());
        // Most rows first, then the smallest number, in one integer: there are at most 4,096 territories.
        steps.push(format!(
            "{HOMES} AS {once}(SELECT \"u\", 65535 - MAX(\"rows\" * 65536 + 65535 - \"number\") % 65536 AS \"home\" \
             FROM (\n{tallies}\n) AS \"tallies\" GROUP BY \"u\")"
        ));
    }
    // Last, so that no agency's SELECT reads from it.
    let own = relations.iter().zip(&names).filter(|(relation, _)| relation.table == table);
    steps.extend(own.map(|(relation, rows)| relation.named(rows, territory.is_some())));
    Statement { sql: format!("WITH {}\n{sql}", steps.join(",\n")), lists }
}

/// In how many rows, `rows`, each unit `u` is in each territory `number`; with a left join also in none.
fn tallies(relations: &[Relation], names: &[String], territory: &Territory, join: &str) -> String {
    let bytewise = relations.first().map_or("", |relation| relation.dialect.bytewise());
    let numbers: Vec<String> = territory
        .names
        .iter()
        .enumerate()
        .map(|(i, name)| format!("({}{bytewise}, {i})", text_literal(name)))
        .collect();
    let parts: Vec<String> = relations
        .iter()
        .zip(names)
        .filter_map(|(relation, name)| Some((relation.territory(territory)?, name)))
        .map(|(column, name)| {
            format!(
                "SELECT \"u\", \"number\" FROM {name} AS \"rows\" {join} (VALUES {}) AS \"territories\" (\"name\", \"number\") \
                 ON \"name\" = \"rows\".\"c{column}\"",
                numbers.join(", ")
            )
        })
        .collect();
    format!(
        "SELECT \"u\", \"number\", COUNT(*) AS \"rows\" FROM (\n{}\n) AS \"placed\" GROUP BY \"u\", \"number\"",
        parts.join("\nUNION ALL ")
    )
}

/// What the data officer should know of a table: rows, those without a unit, and for each column how many are empty
/// and how many unreadable, all BIGINT.
pub(crate) fn fields_report(relation: &Relation) -> String {
    let (mut outer, mut inner) = (String::new(), String::new());
    for (i, column) in relation.columns.iter().enumerate() {
        inner += &format!(", {} AS \"e{i}\", {} IS NOT NULL AS \"p{i}\"", column.missing, column.value);
        outer += &format!(
            ",\n  COUNT(*) FILTER (WHERE \"k\" IS NOT NULL AND \"e{i}\"),\
             \n  COUNT(*) FILTER (WHERE \"k\" IS NOT NULL AND NOT \"e{i}\" AND NOT \"p{i}\")"
        );
    }
    format!(
        "SELECT COUNT(*), COUNT(*) FILTER (WHERE \"k\" IS NULL){outer}\nFROM (SELECT {} AS \"k\"{inner}\nFROM (\n{}\n) AS \"mapped\") AS \"fields\"",
        relation.key, relation.mapped
    )
}

/// Units, those over the bound, and their rows beyond it, all BIGINT.
pub(crate) fn units_report(relation: &Relation) -> String {
    let most = relation.rows_per_unit;
    format!(
        "SELECT COUNT(*), COUNT(*) FILTER (WHERE \"n\" > {most}),\
         \n  CAST(COALESCE(SUM(\"n\" - {most}) FILTER (WHERE \"n\" > {most}), 0) AS BIGINT)\
         \nFROM (SELECT COUNT(*) AS \"n\" FROM (SELECT {} AS \"k\" FROM (\n{}\n) AS \"mapped\") AS \"keys\" \
         WHERE \"k\" IS NOT NULL GROUP BY \"k\") AS \"units\"",
        relation.key, relation.mapped
    )
}

/// Units in several territories, in none, and rows elsewhere than their unit's, all BIGINT, over all tables that place.
pub(crate) fn territory_report(relations: &[Relation], territory: &Territory) -> Statement {
    let (steps, names, lists) = all_bounded(relations);
    let sql = format!(
        "WITH {}\nSELECT COUNT(*) FILTER (WHERE \"in\" > 1), COUNT(*) FILTER (WHERE \"in\" = 0), \
         CAST(COALESCE(SUM(\"elsewhere\"), 0) AS BIGINT)\
         \nFROM (SELECT COUNT(\"number\") AS \"in\", SUM(\"rows\") FILTER (WHERE \"number\" IS NOT NULL) \
         - MAX(\"rows\") FILTER (WHERE \"number\" IS NOT NULL) AS \"elsewhere\"\nFROM (\n{}\n) AS \"tallies\" GROUP BY \"u\") AS \"units\"",
        steps.join(",\n"),
        tallies(relations, &names, territory, "LEFT JOIN"),
    );
    Statement { sql, lists }
}
