//! A node's own query against the same engine's plain SQL over the same rows, side by side in one run.
//!
//! `cargo bench -p almoner -p almoner-engine --bench register -- FOLDER...`, where each folder holds `all.parquet` of a
//! register (person_id, county, sex, income among its columns), as `make_register.py` of the shared benchmarks makes
//! it. Without a folder it says so and does nothing. (Both packages are named so that one build serves all benches.)
//!
//! The plain engine reads rows that are bounded already, from memory as the node does, with the columns it needs and
//! no others; `bounding in the query` is the plain engine keeping one row of each person itself.
//!
//! `--json` before one folder prints whole releases instead: see [`release`].

mod release;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use almoner_engine::Source;
use almoner_federation::{Manifest, Name, PicoRho};
use datafusion::datasource::MemTable;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};

/// Runs of which the median is taken, ours and the engine's in turn.
const RUNS: usize = 7;

/// In the manifest.
const AGENCIES: u32 = 3;

/// What is asked, of us and of the plain engine.
const QUESTIONS: [(&str, &str, &str); 7] = [
    (
        "counts and means",
        "SELECT county, COUNT(*), AVG(income) FROM register GROUP BY county",
        "SELECT county, COUNT(*), AVG(CASE WHEN income < 0 THEN 0 WHEN income > 100000 THEN 100000 ELSE income END) \
         FROM plain GROUP BY county",
    ),
    (
        "the engine not clamping",
        "SELECT county, COUNT(*), AVG(income) FROM register GROUP BY county",
        "SELECT county, COUNT(*), AVG(income) FROM plain GROUP BY county",
    ),
    (
        "Q1 persons",
        "SELECT county, COUNT(*) FROM register GROUP BY county",
        "SELECT county, COUNT(*) FROM plain GROUP BY county",
    ),
    (
        "Q2 total income",
        "SELECT county, SUM(income) FROM register GROUP BY county",
        "SELECT county, SUM(CASE WHEN income < 0 THEN 0 WHEN income > 100000 THEN 100000 ELSE income END) FROM plain \
         GROUP BY county",
    ),
    (
        "Q3 mean by sex",
        "SELECT county, sex, AVG(income) FROM register GROUP BY county, sex",
        "SELECT county, sex, AVG(CASE WHEN income < 0 THEN 0 WHEN income > 100000 THEN 100000 ELSE income END) FROM \
         plain GROUP BY county, sex",
    ),
    (
        "Q4 headcount and gap",
        "SELECT county, POVERTY_HEADCOUNT(income, 4000), POVERTY_GAP(income, 4000) FROM register GROUP BY county",
        "SELECT county, COUNT(*), SUM(CASE WHEN income < 4000 THEN 1 ELSE 0 END), \
         SUM(CASE WHEN income < 4000 THEN (4000 - income) / 4000 ELSE 0 END) FROM plain GROUP BY county",
    ),
    (
        "Q5 median",
        "SELECT county, MEDIAN(income) FROM register GROUP BY county",
        "SELECT county, approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY income) FROM plain GROUP BY county",
    ),
];

fn main() {
    let folders: Vec<PathBuf> =
        std::env::args().skip(1).map(PathBuf::from).filter(|path| path.is_dir()).collect();
    if folders.is_empty() {
        println!("SKIPPED: name a folder with the all.parquet of a register");
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if std::env::args().any(|argument| argument == "--json") {
        return runtime.block_on(release::measure(&folders[0]));
    }
    for folder in folders {
        for rows_per_unit in [1, 3] {
            runtime.block_on(measure(&folder, rows_per_unit));
        }
    }
}

async fn measure(folder: &Path, rows_per_unit: u32) {
    let manifest = manifest(rows_per_unit);
    let began = Instant::now();
    let (_dir, source) = open(folder, &manifest).await;
    println!(
        "\n{}, at most {rows_per_unit} rows of a person; loaded and bounded in {:.1} s",
        folder.display(),
        began.elapsed().as_secs_f64()
    );
    print!("{}", source.report());
    let plain = plain(&folder.join("all.parquet"), rows_per_unit).await;
    println!("{:23} {:>10} {:>10} {:>7}", "median of 7", "node s", "engine s", "ratio");
    for (what, ours, theirs) in QUESTIONS {
        let plan =
            almoner_query::plan(&manifest, ours, "0.1".parse::<PicoRho>().expect("a rho")).expect("a plan");
        let (mut node, mut engine) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let began = Instant::now();
            source.cells(&plan).await.expect("cells");
            node.push(began.elapsed());
            engine.push(timed(&plain, theirs).await);
        }
        row(what, median(&mut node), median(&mut engine));
    }
    if rows_per_unit == 1 {
        let (_, ours, _) = QUESTIONS[0];
        let plan =
            almoner_query::plan(&manifest, ours, "0.1".parse::<PicoRho>().expect("a rho")).expect("a plan");
        let began = Instant::now();
        source.cells(&plan).await.expect("cells");
        let node = began.elapsed();
        let bounding = "SELECT county, COUNT(*), AVG(income) FROM (SELECT person_id, first_value(county) AS county, \
                        first_value(income) AS income FROM \"unbounded\" GROUP BY person_id) AS one GROUP BY county";
        row("bounding in the query", node, timed(&plain, bounding).await);
    }
}

/// The register as a node opens it, and the folder that it must keep.
async fn open(folder: &Path, manifest: &Manifest) -> (tempfile::TempDir, Source) {
    let (dir, name) = (tempfile::tempdir().expect("a folder"), "a1".parse::<Name>().expect("a name"));
    let (file, copy) = (folder.join("all.parquet"), dir.path().join("register.parquet"));
    if std::fs::hard_link(&file, &copy).is_err() {
        std::fs::copy(&file, &copy).expect("all.parquet can be read");
    }
    let source = Source::open(dir.path(), manifest, &name, &[7; 32]).await.expect("the register is sound");
    (dir, source)
}

fn row(what: &str, node: Duration, engine: Duration) {
    let (node, engine) = (node.as_secs_f64(), engine.as_secs_f64());
    println!("{what:23} {node:>10.4} {engine:>10.4} {:>7.2}", node / engine);
}

async fn timed(plain: &SessionContext, sql: &str) -> Duration {
    let began = Instant::now();
    plain.sql(sql).await.expect("SQL").collect().await.expect("an answer");
    began.elapsed()
}

/// The plain engine with the register in memory: `unbounded` as it is, `plain` with so many rows of a person.
async fn plain(file: &Path, rows_per_unit: u32) -> SessionContext {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(threads));
    let path = file.to_str().expect("a path in UTF-8");
    context.register_parquet("file", path, ParquetReadOptions::default()).await.expect("Parquet");
    let kept = format!(
        "SELECT person_id, county, sex, income FROM (SELECT *, row_number() OVER (PARTITION BY person_id ORDER BY \
         income) AS n FROM \"unbounded\") AS ranked WHERE n <= {rows_per_unit}"
    );
    let all = "SELECT person_id, CAST(county AS BIGINT) AS county, sex, income FROM file";
    for (name, sql) in [("unbounded", all), ("plain", kept.as_str())] {
        let frame = context.sql(sql).await.expect("SQL");
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let partitions = frame.collect_partitioned().await.expect("rows");
        let table = MemTable::try_new(schema, partitions).expect("of one schema");
        context.register_table(name, Arc::new(table)).expect("a new name");
    }
    context
}

fn manifest(rows_per_unit: u32) -> Manifest {
    let key = |number: u32| format!("{number:064x}");
    let mut text = format!(
        "federation = {{ id = \"bench\", epoch = 1 }}\n\
         coordinator = {{ name = \"hub\", endpoint = \"https://localhost:7000\", signing_key = \"{}\" }}\n\
         unit = {{ kind = \"person\", column = \"person_id\", population = 20000000 }}\n\
         policy = {{ delta = 1e-9, total_rho = 1000, quorum = 3, colluders = 0, min_honest = 2 }}\n\
         [[sector]]\nname = \"residence\"\nagencies_per_unit = 1\n",
        key(1),
    );
    for node in 1..=AGENCIES {
        text += &format!(
            "[[agency]]\nnode = {node}\nname = \"a{node}\"\nlegal_name = \"Agency {node}\"\nsector = \"residence\"\n\
             endpoint = \"https://localhost:{}\"\nsigning_key = \"{}\"\nofficer_key = \"{}\"\nmask_key = \"{}\"\n",
            7_000 + node,
            key(10 * node),
            key(10 * node + 1),
            key(10 * node + 2),
        );
    }
    text += &format!(
        "[[table]]\nname = \"register\"\nrows_per_unit = {rows_per_unit}\ncolumn = [\
         {{ name = \"county\", type = \"integer\", min = 0, max = 199 }}, \
         {{ name = \"sex\", type = \"text\", domain = [\"F\", \"M\"] }}, \
         {{ name = \"income\", type = \"number\", min = 0, max = 100000, resolution = 0.01, \
         bins = {{ count = 1024, scale = \"log\", from = \"1000\" }} }}]\n"
    );
    Manifest::parse(&text, "bench.toml").expect("the manifest is sound")
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
