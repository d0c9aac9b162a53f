//! A Ballista cluster as the source: a scheduler with the feature `flight-sql`, started with `--flight-sql`, and its
//! executors, all on this machine. `ALMONER_BALLISTA` is its address, `grpc://127.0.0.1:50050`; docs/data-officer.md has
//! the commands.

use std::collections::BTreeMap;
use std::time::Duration;

use almoner_engine::FlightSqlAccess;
use arrow_flight::sql::client::FlightSqlServiceClient;
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::common::{HEADER, folder};
use crate::conformance;
use crate::flight::opening::open;

struct Cluster {
    url: String,
    /// So that tables of one run do not meet those of another.
    run: u32,
    folders: std::sync::Mutex<Vec<TempDir>>,
}

impl Cluster {
    fn found() -> Option<Cluster> {
        let Ok(url) = std::env::var("ALMONER_BALLISTA") else {
            eprintln!("SKIPPED: no Ballista cluster; start one and set ALMONER_BALLISTA to its address");
            return None;
        };
        Some(Cluster { url, run: std::process::id(), folders: Default::default() })
    }

    /// An external table over a CSV file, and the SELECT that reads it.
    async fn fill(&self, name: &str, columns: &str, csv: &[u8]) -> String {
        let table = format!("{name}_{}", self.run);
        // Several files, so that several executors read them.
        let text = std::str::from_utf8(csv).expect("text");
        let (header, rows) = text.split_once('\n').expect("a header");
        let rows: Vec<&str> = rows.lines().collect();
        let parts: Vec<(String, Vec<u8>)> = rows
            .chunks(rows.len().div_ceil(3).max(1))
            .enumerate()
            .map(|(i, rows)| (format!("{i}.csv"), format!("{header}\n{}\n", rows.join("\n")).into_bytes()))
            .collect();
        let parts: Vec<(&str, &[u8])> =
            parts.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
        let folder = folder(&parts);
        let ddl = format!(
            "CREATE EXTERNAL TABLE {table} ({columns}) STORED AS CSV LOCATION '{}/' OPTIONS ('format.has_header' 'true')",
            folder.path().display()
        );
        self.folders.lock().expect("no panic").push(folder);
        let channel = Channel::from_shared(self.url.replace("grpc://", "http://")).expect("an address");
        let mut client = FlightSqlServiceClient::new(channel.connect_lazy());
        client.execute(ddl.clone(), None).await.unwrap_or_else(|error| panic!("{ddl}: {error}"));
        format!("SELECT * FROM {table}")
    }

    fn access(&self, tables: &[(&str, String)]) -> FlightSqlAccess {
        FlightSqlAccess {
            url: self.url.clone(),
            ca_pem: None,
            identity_pem: None,
            token: None,
            locations: Vec::new(),
            statement_timeout: Duration::from_secs(120),
            version: None,
            tables: tables
                .iter()
                .map(|(name, select)| (name.to_string(), select.clone()))
                .collect::<BTreeMap<_, _>>(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_means_the_same_everywhere() {
    let Some(cluster) = Cluster::found() else { return };
    let columns: Vec<String> = HEADER.split(',').map(|name| format!("{name} VARCHAR")).collect();
    conformance::text_means_the_same(10, async |round, manifest, text| {
        let select = cluster.fill(&format!("text_{round}"), &columns.join(", "), text).await;
        let source = open(&cluster.access(&[("people", select)]), manifest).await;
        source.unwrap_or_else(|error| panic!("{error}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_are_placed_where_files_place_them() {
    let Some(cluster) = Cluster::found() else { return };
    conformance::placed_where_files_place(async |manifest, [people, stays, pupils]| {
        let people =
            cluster.fill("people", "id BIGINT, county VARCHAR, income DOUBLE", people.as_bytes()).await;
        let stays = cluster.fill("stays", "id INT, nights SMALLINT, county VARCHAR", stays.as_bytes()).await;
        let pupils = cluster.fill("pupils", "id BIGINT, grade INT", pupils.as_bytes()).await;
        let tables = [("people", people), ("stays", stays), ("pupils", pupils)];
        let source = open(&cluster.access(&tables), manifest).await;
        source.unwrap_or_else(|error| panic!("{error}"))
    })
    .await;
}
