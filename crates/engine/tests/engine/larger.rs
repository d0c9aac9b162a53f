//! Tables that are larger than memory may be: the same answers from disk, within the limit.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use almoner_engine::{DataLimits, Source, SourceError};
use almoner_federation::Manifest;
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::parquet::arrow::ArrowWriter;
use tempfile::TempDir;

use crate::common::{Random, agency, folder, manifest_of, plan};

/// The smallest limit.
const LEAST_MB: u64 = 16;

/// Two tables with a territory's column and one without. The notes only take room.
fn divided(population: u64) -> Manifest {
    manifest_of(
        2,
        "id",
        population,
        r#"
name = "people"
rows_per_unit = 2
agencies = ["a1"]
column = [
  { name = "county", type = "text", domain = ["A", "B", "C", "D"] },
  { name = "income", type = "number", min = 0, max = 1000, resolution = 0.5 },
  { name = "age", type = "integer", min = 0, max = 120, bands = [0, 18, 65] },
  { name = "poor", type = "boolean" },
  { name = "born", type = "date", min = "1950-01-01", max = "2020-12-31" },
  { name = "note", type = "text" },
]
[[table]]
name = "stays"
rows_per_unit = 3
column = [
  { name = "nights", type = "integer", min = 0, max = 30 },
  { name = "County", type = "text", domain = ["A", "B", "C", "D"] },
]
[[table]]
name = "pupils"
rows_per_unit = 1
column = [{ name = "grade", type = "integer", min = 1, max = 12 }]
[territory]
column = "county"
rho = 10
"#,
    )
}

const QUESTIONS: [&str; 13] = [
    "SELECT COUNT(*), COUNT(county), COUNT(income), COUNT(age), COUNT(poor), COUNT(born), COUNT(note) FROM people",
    "SELECT county, SUM(income), AVG(age) FROM people GROUP BY county",
    "SELECT age, COUNT(*) FROM people WHERE county = 'B' GROUP BY age",
    "SELECT SUM(income) FROM people WHERE county IN ('A', 'C') AND poor",
    "SELECT COUNT(*) FROM people WHERE born < DATE '1990-01-01' OR born IS NULL",
    "SELECT MEDIAN(income), STDDEV(income) FROM people",
    "SELECT COUNT(DISTINCT id) AS n FROM people",
    "SELECT county, COUNT(DISTINCT id) AS n FROM people GROUP BY county",
    "SELECT COUNT(DISTINCT id) FILTER (WHERE age < 30) AS n FROM people WHERE county = 'D'",
    "SELECT county, SUM(nights) FROM stays GROUP BY county",
    "SELECT COUNT(DISTINCT id) AS n FROM stays WHERE nights > 3",
    "SELECT grade, COUNT(*) FROM pupils GROUP BY grade",
    "SELECT COUNT(*) FROM (SELECT id FROM people WHERE age < 40 INTERSECT SELECT id FROM stays)",
];

/// 3,000 units with up to 3, 5 and 2 rows, ids in several spellings, and notes of up to 8 KB: some 20 MB in memory.
fn files(random: &mut Random) -> TempDir {
    let (mut people, mut stays, mut pupils) = (
        "id,county,income,age,poor,born,note\n".to_owned(),
        "county,id,nights\n".to_owned(),
        "id,grade\n".to_owned(),
    );
    let mut rows: Vec<usize> = (0..3_000).flat_map(|id| vec![id; 1 + id % 3]).collect();
    random.shuffle(&mut rows);
    for id in rows {
        let spelt = random.pick(&["", ".0", " "]);
        let county = random.pick(&["A", "B", "C", "D", "E", ""]);
        let note = "x".repeat(random.below(8_000));
        let born = format!("{}-0{}-11", 1950 + random.below(60), 1 + random.below(9));
        let (income, age) = (random.below(2_400) as f64 / 2.0 - 100.0, random.below(140));
        let (poor, born) = (random.pick(&["t", "f", ""]), if random.once_in(9) { "" } else { &born });
        people += &format!("{id}{spelt},{county},{income},{age},{poor},{born},{note}\n");
        for _ in 0..random.below(3) {
            stays += &format!("{},{id},{}\n", random.pick(&["A", "B", "C", "D", ""]), random.below(40));
        }
        if random.once_in(3) {
            pupils += &format!("{id},{}\n", random.below(14));
        }
    }
    folder(&[
        ("people.csv", people.as_bytes()),
        ("stays/0.csv", stays.as_bytes()),
        ("pupils.csv", pupils.as_bytes()),
    ])
}

async fn on_disk(folder: &Path, manifest: &Manifest, mb: u64, scratch: &Path) -> Result<Source, SourceError> {
    let limits = DataLimits::new(mb, scratch.to_owned()).expect("a limit");
    Source::open_within(folder, manifest, &agency(1), &[7; 32], Some(limits)).await
}

async fn in_memory(folder: &Path, manifest: &Manifest) -> Source {
    Source::open(folder, manifest, &agency(1), &[7; 32]).await.expect("sound files")
}

/// Cells, or the words of sketches.
async fn answers(source: &Source, manifest: &Manifest, questions: &[&str]) -> Vec<Vec<i64>> {
    let mut all = Vec::new();
    for sql in questions {
        let plan = plan(manifest, sql);
        all.push(if plan.sketches().is_empty() {
            source.cells(&plan).await.expect("rows cannot raise errors").values
        } else {
            let bits = source.bits(&plan, &[9; 32]).await.expect("rows cannot raise errors");
            bits.values.into_iter().map(u64::cast_signed).collect()
        });
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_rows_give_the_same_cells_from_disk_and_from_memory() {
    let (manifest, files, scratch) = (divided(5_000), files(&mut Random(5)), folder(&[]));
    let memory = in_memory(files.path(), &manifest).await;
    // A folder that is not there is made.
    let place = scratch.path().join("a/b");
    let disk = on_disk(files.path(), &manifest, LEAST_MB, &place).await.expect("sound files");
    let expected = answers(&memory, &manifest, &QUESTIONS).await;
    assert!(expected.iter().all(|cells| cells.iter().any(|cell| *cell != 0)), "{expected:?}");

    let mut report = disk.report().clone();
    assert!(report.on_disk_bytes.take().is_some_and(|bytes| bytes > 10_000_000), "beyond the limit");
    assert_eq!(report, *memory.report());
    assert!(
        report.tables[0].units_over_bound > 0 && report.territory.is_some_and(|all| all.units_in_several > 0)
    );
    let count = plan(&manifest, QUESTIONS[0]);
    let (here, there) = (disk.cells(&count).await, memory.cells(&count).await);
    assert_eq!(here.expect("cells").snapshot, there.expect("cells").snapshot);
    assert_eq!(fs::read_dir(&place).expect("the folder was made").count(), 0, "the files have no names");
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&place).expect("the folder was made"));
        assert_eq!(mode & 0o777, 0o700);
    }

    // Whatever happens to the folders, before and while the node answers.
    let before = answers(&disk, &manifest, &QUESTIONS).await;
    scratch.close().expect("a folder");
    files.close().expect("a folder");
    let after = answers(&disk, &manifest, &QUESTIONS).await;
    for ((sql, expected), (before, after)) in QUESTIONS.iter().zip(&expected).zip(before.iter().zip(&after)) {
        assert_eq!(before, expected, "{sql}");
        assert_eq!(after, expected, "{sql}");
    }
}

#[tokio::test]
async fn what_fits_stays_in_memory() {
    let (manifest, files, scratch) = (divided(5_000), files(&mut Random(6)), folder(&[]));
    let place = scratch.path().join("unused");
    let source = on_disk(files.path(), &manifest, 1_000, &place).await.expect("sound files");
    assert_eq!(source.report().on_disk_bytes, None);
    assert!(!place.exists());
}

#[tokio::test]
async fn refusals_are_those_of_memory_or_name_the_remedy() {
    let (files, scratch) = (files(&mut Random(7)), folder(&[("file", b"")]));
    // The population is checked over all parts together.
    let few = divided(2_999);
    let error = on_disk(files.path(), &few, LEAST_MB, scratch.path()).await.expect_err("3,000 units");
    let same = Source::open(files.path(), &few, &agency(1), &[7; 32]).await.expect_err("3,000 units");
    assert!(matches!(error, SourceError::Population { units: 3_000, population: 2_999, .. }), "{error}");
    assert_eq!(error.local_detail(), same.local_detail());

    let manifest = divided(5_000);
    let error = on_disk(files.path(), &manifest, LEAST_MB, &scratch.path().join("file")).await;
    let error = error.expect_err("a file is no folder").local_detail();
    assert!(error.contains("cannot hold the tables") && error.contains("data_limits.scratch"), "{error}");

    // A missing id that is written as a text is one unit with very many rows.
    let notes = "x".repeat(4_000);
    let rows: String = (0..3_000).map(|id| format!("NA,A,1,{},t,,{notes}\n", id % 90)).collect();
    let text = format!("id,county,income,age,poor,born,note\n{rows}");
    let files = folder(&[
        ("people.csv", text.as_bytes()),
        ("stays.csv", b"id,county,nights\n"),
        ("pupils.csv", b"id,grade\n"),
    ]);
    let error =
        on_disk(files.path(), &manifest, LEAST_MB, scratch.path()).await.expect_err("one unit of 12 MB");
    assert!(error.local_detail().contains("export it as an empty field"), "{}", error.local_detail());
    for mb in [0, 15, 16_000_001, u64::MAX] {
        assert!(DataLimits::new(mb, PathBuf::new()).is_err(), "{mb}");
    }
}

/// What the child process is asked for: the folder with its files.
const CHILD: &str = "ALMONER_TEST_MEMORY_OF";
const LIMIT_MB: u64 = 32;
/// What a process has besides its tables: the batches between reader and writer, the questions' own memory, and what
/// an allocator keeps.
const BESIDES_MB: u64 = 32;

/// A register whose one table takes some 120 MB in memory.
fn register() -> Manifest {
    manifest_of(
        2,
        "id",
        1_000_000,
        r#"
name = "people"
rows_per_unit = 2
agencies = ["a1"]
column = [
  { name = "county", type = "text", domain = ["A", "B", "C", "D"] },
  { name = "income", type = "number", min = 0, max = 1000, resolution = 1 },
  { name = "age", type = "integer", min = 0, max = 120, bands = [0, 18, 65] },
  { name = "note", type = "text" },
  { name = "other", type = "text" },
]
"#,
    )
}

const OF_REGISTER: [&str; 4] = [
    "SELECT county, COUNT(*), SUM(income) FROM people GROUP BY county",
    "SELECT age, AVG(income) FROM people WHERE county = 'C' GROUP BY age",
    "SELECT county, COUNT(DISTINCT id) AS n FROM people GROUP BY county",
    "SELECT COUNT(note), COUNT(other) FROM people",
];

fn write_register(folder: &Path) {
    const ROWS: usize = 15_000;
    let random = &mut Random(8);
    let mut writer: Option<ArrowWriter<File>> = None;
    for group in 0..20 {
        let notes = |random: &mut Random, length: usize| {
            let text = random.pick(&["a", "b", "c"]).repeat(length);
            Arc::new((0..ROWS).map(|row| Some(&text[row % 100..])).collect::<StringArray>())
        };
        let columns: [(&str, ArrayRef); 6] = [
            (
                "id",
                Arc::new((0..ROWS).map(|row| Some((group * ROWS + row) as i64 / 3)).collect::<Int64Array>()),
            ),
            (
                "county",
                Arc::new(
                    (0..ROWS).map(|_| Some(random.pick(&["A", "B", "C", "D", "E"]))).collect::<StringArray>(),
                ),
            ),
            (
                "income",
                Arc::new((0..ROWS).map(|_| Some(random.below(1_200) as f64)).collect::<Float64Array>()),
            ),
            ("age", Arc::new((0..ROWS).map(|_| Some(random.below(130) as i64)).collect::<Int64Array>())),
            ("note", notes(random, 200)),
            ("other", notes(random, 250)),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let writer = writer.get_or_insert_with(|| {
            let file = File::create(folder.join("people.parquet")).expect("a new file");
            ArrowWriter::try_new(file, batch.schema(), None).expect("a Parquet writer")
        });
        writer.write(&batch).expect("rows written");
        writer.flush().expect("rows written");
    }
    writer.expect("groups were written").close().expect("file closed");
}

/// The most memory that this process had, in bytes.
#[cfg(target_os = "linux")]
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux says");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1_024
}

/// The parent compares a child's answers with those from memory, and what the child's peak rose to.
#[cfg(target_os = "linux")]
#[test]
fn memory_stays_below_the_limit_while_loading_and_answering() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let (manifest, runtime) = (register(), runtime().expect("a runtime"));
    if let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) {
        // The program itself is paged in by asking the same of few rows.
        let few = folder(&[("people.csv", b"id,county,income,age,note,other\n1,A,1,1,a,b\n")]);
        let before = runtime.block_on(async {
            let source = in_memory(few.path(), &manifest).await;
            answers(&source, &manifest, &OF_REGISTER).await;
            peak_bytes()
        });
        let found = runtime.block_on(async {
            let source =
                on_disk(&path, &manifest, LIMIT_MB, &path.join("scratch")).await.expect("sound files");
            let loaded = peak_bytes() - before;
            (answers(&source, &manifest, &OF_REGISTER).await, loaded)
        });
        let text = format!("{} {} {:?}", found.1, peak_bytes() - before, found.0);
        fs::write(path.join("answers"), text).expect("a new file");
        return;
    }
    let files = folder(&[]);
    write_register(files.path());
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "larger::memory_stays_below_the_limit_while_loading_and_answering"])
        .env(CHILD, files.path())
        .output()
        .expect("a process");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    let text = fs::read_to_string(files.path().join("answers")).expect("the child's answers");
    let mut parts = text.splitn(3, ' ');
    let mut number = || parts.next().expect("a number").parse::<u64>().expect("a number");
    let (loaded, peak) = (number(), number());
    let expected = runtime.block_on(async {
        let source = in_memory(files.path(), &manifest).await;
        assert_eq!(source.report().tables[0].rows_read, 300_000);
        answers(&source, &manifest, &OF_REGISTER).await
    });
    assert_eq!(parts.next().expect("answers"), format!("{expected:?}"));
    println!("{} MB while loading, {} MB in all, of {LIMIT_MB}", loaded / 1_000_000, peak / 1_000_000);
    assert!(peak <= (LIMIT_MB + BESIDES_MB) * 1_000_000, "{peak} bytes");
    assert!(peak_bytes() > 110_000_000, "in memory it is several times as much");
}
