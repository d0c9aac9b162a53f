//! A small federation, folders with files, and a random source whose seed is printed.

use std::fs;
use std::path::Path;

use almoner_engine::{Source, SourceError};
use almoner_federation::{Manifest, Name, PicoRho};
use almoner_query::Plan;
use tempfile::TempDir;

/// The columns of table `people` in [`manifest`]: one of every type.
const COLUMNS: &str = r#"
  { name = "sex", type = "text", domain = ["f", "m"] },
  { name = "age", type = "integer", min = 0, max = 120, bands = [0, 18, 65] },
  { name = "score", type = "integer", min = -1000000000, max = 1000000000 },
  { name = "income", type = "number", min = -1000, max = 5000, resolution = 0.5 },
  { name = "poor", type = "boolean" },
  { name = "born", type = "date", min = "1990-01-01", max = "2020-12-31" },
"#;

/// The header of a CSV file of that table.
pub const HEADER: &str = "id,sex,age,score,income,poor,born";

/// A federation of `agencies` without sectors (so one unit may be at all of them) with the table
/// `people`. Its agencies are `a1`, `a2`, ...; its privacy unit is the person in column `id`.
pub fn manifest(agencies: u32, rows_per_unit: u32) -> Manifest {
    manifest_of(
        agencies,
        "id",
        1_000,
        &format!("name = \"people\"\nrows_per_unit = {rows_per_unit}\ncolumn = [{COLUMNS}]\n"),
    )
}

/// A federation with one table, given as TOML.
pub fn manifest_of(agencies: u32, unit: &str, population: u64, table: &str) -> Manifest {
    let key = |number: u32| format!("{number:064x}");
    let mut text = format!(
        r#"
federation = {{ id = "test", epoch = 1 }}
coordinator = {{ name = "hub", endpoint = "https://localhost:7000", signing_key = "{}" }}
unit = {{ kind = "person", column = "{unit}", population = {population}, sketch_key_sha256 = "{}" }}
policy = {{ delta = 1e-9, total_rho = 1000, quorum = {agencies}, colluders = 0, min_honest = 2 }}
"#,
        key(1),
        key(2)
    );
    for node in 1..=agencies {
        text += &format!(
            r#"
[[agency]]
node = {node}
name = "a{node}"
legal_name = "Agency {node}"
endpoint = "https://localhost:{}"
signing_key = "{}"
officer_key = "{}"
mask_key = "{}"
"#,
            7_000 + node,
            key(100 + node),
            key(20_000 + node),
            key(10_000 + node)
        );
    }
    text += &format!("[[table]]\n{table}");
    Manifest::parse(&text, "federation.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The name of agency number 1, or of another.
pub fn agency(number: u32) -> Name {
    format!("a{number}").parse().expect("a slug")
}

/// A folder with these files; names may hold one `/`.
pub fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, contents) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("a new folder");
        fs::write(path, contents).expect("a new file");
    }
    folder
}

/// Opens agency 1's folder.
pub async fn open(folder: &Path, manifest: &Manifest) -> Result<Source, SourceError> {
    Source::open(folder, manifest, &agency(1), &[7; 32]).await
}

/// Plans a question with more budget than it needs.
pub fn plan(manifest: &Manifest, sql: &str) -> Plan {
    almoner_query::plan(manifest, sql, PicoRho::new(1_000_000_000_000))
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Opens a folder whose files are all right and asks one question.
pub async fn ask(folder: &Path, manifest: &Manifest, sql: &str) -> Vec<i64> {
    let source = open(folder, manifest).await.expect("the folder is all right");
    source.cells(&plan(manifest, sql)).await.expect("the question can be answered").values
}

/// A CSV file of `people` from its rows.
pub fn csv<R: AsRef<str>>(rows: impl IntoIterator<Item = R>) -> Vec<u8> {
    let mut text = format!("{HEADER}\n");
    for row in rows {
        text += row.as_ref();
        text.push('\n');
    }
    text.into_bytes()
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): small, and the same everywhere for one seed.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `below - 1`.
    pub fn below(&mut self, below: usize) -> usize {
        (self.next() % below as u64) as usize
    }

    /// One of them.
    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Fisher-Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index + 1));
        }
    }
}
