//! The same files give the same answers and reports from a store as from a folder.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use almoner_engine::{DataLimits, LoadReport, ObjectStoreAccess, Source};
use almoner_federation::Manifest;
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;

use super::server::{Server, open};
use crate::common::{Random, agency, csv, folder, manifest, manifest_of, open as open_folder, plan};
use crate::conformance::{agree, placed_where_files_place};
use crate::flight::server::Authority;

const QUESTIONS: [&str; 6] = [
    "SELECT sex, COUNT(*) FROM people GROUP BY sex",
    "SELECT COUNT(sex), COUNT(age), COUNT(born), COUNT(income), COUNT(poor) FROM people",
    "SELECT SUM(income), MEDIAN(income) FROM people WHERE sex = 'f'",
    "SELECT age, SUM(score) FROM people GROUP BY age",
    "SELECT poor, AVG(income) FROM people GROUP BY poor",
    "SELECT sex, COUNT(DISTINCT id) AS n FROM people WHERE age < 40 GROUP BY sex",
];

async fn same(folder: &Source, store: &Source, manifest: &Manifest) {
    assert_eq!(folder.report(), store.report());
    for sql in QUESTIONS {
        assert!(agree(folder, store, &plan(manifest, sql), sql).await, "{sql} finds nothing");
    }
}

fn rows(random: &mut Random, count: usize) -> Vec<String> {
    let row = |random: &mut Random| {
        let id = random.below(count / 2).to_string();
        format!("{id},{}", crate::sensitivity::questions::row(random))
    };
    (0..count).map(|_| row(random)).collect()
}

/// Writes rows of `people` as Parquet, all columns as text but the score, in row groups of 50.
pub fn write_parquet(path: &Path, rows: &[String]) {
    let column = |index: usize| -> ArrayRef {
        let fields = rows.iter().map(|row| row.split(',').nth(index).filter(|text| !text.is_empty()));
        Arc::new(fields.collect::<StringArray>())
    };
    let header: Vec<&str> = crate::common::HEADER.split(',').collect();
    let batch = RecordBatch::try_from_iter_with_nullable(
        header.iter().enumerate().map(|(index, name)| (*name, column(index), true)),
    )
    .expect("columns of one length");
    write_batch(path, &batch, 50);
}

fn write_batch(path: &Path, batch: &RecordBatch, group: usize) {
    fs::create_dir_all(path.parent().expect("inside the folder")).expect("a new folder");
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .build();
    let file = File::create(path).expect("a new file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a Parquet writer");
    writer.write(batch).expect("rows written");
    writer.close().expect("file closed");
}

#[tokio::test]
async fn one_file_and_many_in_folders_mean_the_same_as_on_a_disk() {
    let random = &mut Random(41);
    let (all, more) = (rows(random, 300), rows(random, 300));
    let (one, parquet, many) = (folder(&[("people.csv", &csv(&all))]), folder(&[]), folder(&[]));
    write_parquet(&parquet.path().join("people.parquet"), &all);
    // Names that XML and URLs must carry; what is no data lies beside.
    let people = many.path().join("people");
    for (index, place) in
        ["x=1", "x=a%2Fb%26", "x=S%C3%BCd & <w>/y=ü+ 1", "x=__HIVE_DEFAULT_PARTITION__"].iter().enumerate()
    {
        let inner = people.join(place);
        fs::create_dir_all(&inner).expect("a new folder");
        fs::write(inner.join("0.csv"), csv(&all[index * 50..(index + 1) * 50])).expect("a new file");
        write_parquet(&inner.join("1 a.parquet"), &more[index * 50..(index + 1) * 50]);
    }
    fs::write(people.join("_SUCCESS"), "").expect("a new file");
    fs::write(people.join("notes.txt"), "none").expect("a new file");
    fs::create_dir_all(people.join("_temporary/0")).expect("a new folder");
    fs::write(people.join("_temporary/0/x.csv"), "half").expect("a new file");
    fs::write(many.path().join("people2.csv"), "another table").expect("a new file");
    let manifest = manifest(2, 2);
    for (folder, below) in [(&one, ""), (&parquet, "exports/2026 á"), (&many, "a"), (&many, "")] {
        let local = open_folder(folder.path(), &manifest).await.expect("the folder is all right");
        let server = Server::start(folder.path(), below).await;
        let far = server.open(&manifest).await.unwrap_or_else(|error| panic!("{}", error.local_detail()));
        same(&local, &far, &manifest).await;
        let dav = open(&server.web_dav(), &manifest).await;
        same(&local, &dav.unwrap_or_else(|error| panic!("{}", error.local_detail())), &manifest).await;
        for request in server.shelf.asked.lock().expect("no panic").iter().filter(|request| request.is_read())
        {
            assert!(request.headers.contains_key("if-match"), "{request:?}");
        }
    }
}

#[tokio::test]
async fn units_are_placed_as_on_a_disk() {
    placed_where_files_place(async |manifest, [people, stays, pupils]| {
        let folder = folder(&[
            ("people.csv", people.as_bytes()),
            ("stays/0.csv", stays.as_bytes()),
            ("pupils.csv", pupils.as_bytes()),
        ]);
        let server = Server::start(folder.path(), "a/b").await;
        server.open(manifest).await.expect("the store is all right")
    })
    .await;
}

/// Within a limit of memory rows go to sealed files, from a store as from a folder.
#[tokio::test]
async fn tables_larger_than_memory_are_read_from_a_store() {
    let random = &mut Random(42);
    let long = "x".repeat(200);
    let many: Vec<String> = (0..60_000).map(|id| format!("{id},{long},{}", random.below(9))).collect();
    let text = format!("id,note,n\n{}\n", many.join("\n"));
    let manifest = manifest_of(
        2,
        "id",
        100_000,
        "name = \"people\"\nrows_per_unit = 1\ncolumn = [{ name = \"note\", type = \"text\" }, \
         { name = \"n\", type = \"integer\", min = 0, max = 9 }]\n",
    );
    let folder = folder(&[("people.csv", text.as_bytes())]);
    let server = Server::start(folder.path(), "").await;
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let limits = DataLimits::new(16, scratch.path().join("s")).expect("the least limit");
    let far = Source::object_store(&server.access, &manifest, &agency(1), &[7; 32], Some(limits)).await;
    let far = far.unwrap_or_else(|error| panic!("{}", error.local_detail()));
    assert!(far.report().on_disk_bytes.is_some_and(|bytes| bytes > 0), "{}", far.report());
    let local = open_folder(folder.path(), &manifest).await.expect("the folder is all right");
    let sql = "SELECT COUNT(note), SUM(n) FROM people";
    assert!(agree(&local, &far, &plan(&manifest, sql), sql).await);
    assert_eq!(LoadReport { on_disk_bytes: None, ..far.report().clone() }, *local.report());
}

/// A listing comes in pages, and a table in several blocks.
#[tokio::test]
async fn pages_and_blocks_are_put_together() {
    let folder = folder(&[]);
    let mut sum = 0;
    for number in 0..45 {
        let text = format!("id,sex,age,score,income,poor,born\nu{number},f,3,{number},1,t,2000-01-01\n");
        sum += number;
        let inner = folder.path().join(format!("people/x={}", number % 5));
        fs::create_dir_all(&inner).expect("a new folder");
        fs::write(inner.join(format!("{number}.csv")), text).expect("a new file");
    }
    // More than two blocks of 8 MiB, with rows across their ends.
    let long = "y".repeat(6_000);
    let rows: Vec<String> = (0..3_000).map(|id| format!("v{id},f,3,1,1,t,{long}")).collect();
    fs::write(folder.path().join("people/long.csv"), csv(rows)).expect("a new file");
    let manifest = manifest_of(
        2,
        "id",
        10_000,
        "name = \"people\"\nrows_per_unit = 1\ncolumn = [{ name = \"score\", type = \"integer\", min = 0, max = 100 }]\n",
    );
    let server = Server::start(folder.path(), "lake").await;
    let mut answers = BTreeSet::new();
    for page in [1, 2, 7, 1_000] {
        server.pages_of(page);
        let source = server.open(&manifest).await.expect("the store is all right");
        assert_eq!(source.report().tables[0].files.len(), 46);
        let cells = source.cells(&plan(&manifest, "SELECT SUM(score) FROM people")).await.expect("answers");
        answers.insert((cells.values, cells.snapshot.to_string()));
    }
    assert_eq!(answers.len(), 1);
    assert_eq!(answers.first().expect("one").0[0], sum + 3_000);
}

/// Of a Parquet file the footer and the wanted columns are fetched, once each, and nothing else.
#[tokio::test]
async fn columns_that_nobody_declared_are_not_fetched() {
    let rows = 20_000;
    let column = |salt: usize| -> ArrayRef {
        Arc::new((0..rows).map(|row| Some(format!("{:0>40}", row * salt % 9_973))).collect::<StringArray>())
    };
    let ids: ArrayRef = Arc::new((0..rows as i64).map(Some).collect::<Int64Array>());
    let scores: ArrayRef = Arc::new((0..rows as i64).map(|row| Some(row % 100)).collect::<Int64Array>());
    let batch = RecordBatch::try_from_iter([
        ("note", column(3)),
        ("id", ids),
        ("more", column(7)),
        ("score", scores),
        ("last", column(11)),
    ])
    .expect("columns of one length");
    let folder = folder(&[]);
    let path = folder.path().join("people.parquet");
    write_batch(&path, &batch, 5_000);
    let manifest = manifest_of(
        2,
        "id",
        100_000,
        "name = \"people\"\nrows_per_unit = 1\ncolumn = [{ name = \"score\", type = \"integer\", min = 0, max = 100 }]\n",
    );
    let server = Server::start(folder.path(), "").await;
    let far = server.open(&manifest).await.expect("the store is all right");
    let local = open_folder(folder.path(), &manifest).await.expect("the folder is all right");
    assert_eq!(far.report(), local.report());
    let sql = "SELECT COUNT(*), SUM(score) FROM people";
    assert!(agree(&local, &far, &plan(&manifest, sql), sql).await);
    let (served, size) =
        (server.shelf.served.load(Ordering::Relaxed), fs::metadata(&path).expect("there").len());
    // Two columns of 8 bytes a row, page headers, and 16 KiB of the end; the three columns of text are 2.6 MB.
    assert!(size > 2_700_000 && served < 2 * 8 * rows as u64 + (1 << 14) + 5_000, "{served} of {size} bytes");
}

#[tokio::test]
async fn the_snapshot_changes_with_any_object_and_with_nothing_else() {
    let manifest = manifest(2, 2);
    let text = csv(["1,f,3,1,1,t,2000-01-01", "2,m,3,1,1,t,2000-01-01"]);
    let folder = folder(&[("people/0.csv", &text)]);
    let server = Server::start(folder.path(), "a").await;
    let snapshot = async |access: &ObjectStoreAccess| {
        let source = open(access, &manifest).await.expect("the store is all right");
        source.cells(&plan(&manifest, QUESTIONS[0])).await.expect("answers").snapshot
    };
    let first = snapshot(&server.access).await;
    assert_eq!(first, snapshot(&server.access).await);
    assert_eq!(first, snapshot(&server.web_dav()).await);
    server.shelf.put("elsewhere/people/1.csv", &text);
    assert_eq!(first, snapshot(&server.access).await);
    server.shelf.put("a/people/0.csv", &csv(["1,f,3,1,1,t,2000-01-01", "2,m,3,1,1,f,2000-01-01"]));
    assert_ne!(first, snapshot(&server.access).await);
    server.shelf.put("a/people/0.csv", &text);
    assert_eq!(first, snapshot(&server.access).await);
    server.shelf.put("a/people/1.csv", &csv(Vec::<String>::new()));
    assert_ne!(first, snapshot(&server.access).await);
}

/// Over TLS an authority of the agency's own vouches for the store, alone.
#[tokio::test]
async fn a_private_authority_vouches_for_a_store() {
    let (manifest, text) = (manifest(2, 2), csv(["1,f,3,1,1,t,2000-01-01"]));
    let (own, other) = (Authority::new(), Authority::new());
    let folder = folder(&[("people.csv", &text)]);
    let server = Server::with(folder.path(), "a", Some((&own, "localhost"))).await;
    assert!(server.open(&manifest).await.is_ok());
    assert!(open(&server.web_dav(), &manifest).await.is_ok());
    for ca_pem in [Some(other.pem()), None] {
        let access = ObjectStoreAccess { ca_pem, ..server.access.clone() };
        let error = super::server::refused(&access, &manifest).await;
        assert!(error.contains("certificate cannot be believed") && error.contains("`ca`"), "{error}");
    }
    let misnamed = Server::with(folder.path(), "a", Some((&own, "elsewhere.example"))).await;
    let error = misnamed.refused(&manifest).await;
    assert!(error.contains("certificate cannot be believed"), "{error}");
}
