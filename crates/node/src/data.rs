//! Where an agency's tables are: a folder of files, here or in an object store, a PostgreSQL database, or a server that speaks Flight SQL.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use almoner_engine::{DataLimits, FlightSqlAccess, ObjectStoreAccess, PostgresAccess, Source};
use serde::Deserialize;

use crate::{NodeConfig, NodeError};

/// `[postgres]` of node.toml.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostgresTable {
    url_file: PathBuf,
    ca: Option<PathBuf>,
    #[serde(default = "connections")]
    connections: usize,
    #[serde(default)]
    tables: BTreeMap<String, String>,
}

fn connections() -> usize {
    4
}

impl PostgresTable {
    /// With paths that start at the file's folder.
    pub(crate) fn beside(self, folder: &Path) -> PostgresConfig {
        PostgresConfig {
            url_file: folder.join(self.url_file),
            ca: self.ca.map(|ca| folder.join(ca)),
            connections: self.connections,
            tables: self.tables,
        }
    }
}

/// `[data_limits]` of node.toml.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataLimitsTable {
    memory_mb: u64,
    scratch: PathBuf,
}

/// `[flight_sql]` of node.toml.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FlightSqlTable {
    url: String,
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    token_file: Option<PathBuf>,
    #[serde(default)]
    locations: Vec<String>,
    version: Option<String>,
    #[serde(default)]
    tables: BTreeMap<String, String>,
}

impl FlightSqlTable {
    /// With paths that start at the file's folder, or what is wrong and what to do.
    fn beside(self, folder: &Path) -> Result<FlightSqlConfig, (&'static str, &'static str)> {
        let identity = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some((folder.join(certificate), folder.join(key))),
            (None, None) => None,
            _ => {
                return Err((
                    "[flight_sql] has only one of certificate and key",
                    "write both, or neither where the server asks for none",
                ));
            }
        };
        Ok(FlightSqlConfig {
            url: self.url,
            ca: self.ca.map(|ca| folder.join(ca)),
            identity,
            token_file: self.token_file.map(|token| folder.join(token)),
            locations: self.locations,
            version: self.version,
            tables: self.tables,
        })
    }
}

/// What an S3 client finds in its environment, by the custom of Amazon's own.
const ENVIRONMENT: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// `[objects]` of node.toml.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectsTable {
    url: String,
    endpoint: Option<String>,
    region: Option<String>,
    ca: Option<PathBuf>,
    credentials_file: Option<PathBuf>,
    #[serde(default = "timeout_s")]
    timeout_s: u64,
}

fn timeout_s() -> u64 {
    60
}

impl ObjectsTable {
    /// With paths that start at the file's folder, or what is wrong and what to do.
    fn beside(self, folder: &Path) -> Result<ObjectsConfig, (&'static str, &'static str)> {
        if !(1..=3_600).contains(&self.timeout_s) {
            return Err(("timeout_s of [objects] must be 1 to 3600", "correct it, or leave it out"));
        }
        Ok(ObjectsConfig {
            url: self.url,
            endpoint: self.endpoint,
            region: self.region,
            ca: self.ca.map(|ca| folder.join(ca)),
            credentials_file: self.credentials_file.map(|file| folder.join(file)),
            timeout: Duration::from_secs(self.timeout_s),
        })
    }
}

/// The places that node.toml may name.
#[derive(Debug)]
pub(crate) struct Places {
    pub data: Option<PathBuf>,
    pub objects: Option<ObjectsTable>,
    pub limits: Option<DataLimitsTable>,
    pub postgres: Option<PostgresTable>,
    pub flight_sql: Option<FlightSqlTable>,
}

/// Where an agency's tables are.
#[derive(Debug, Clone)]
pub enum DataConfig {
    /// A folder of CSV or Parquet files.
    Folder {
        /// Where it is.
        path: PathBuf,
        /// How much memory the tables may take, and where the rest goes.
        limits: Option<DataLimits>,
    },
    /// A folder of CSV or Parquet files in an object store.
    Objects {
        /// Where it is.
        store: ObjectsConfig,
        /// How much memory the tables may take, and where the rest goes.
        limits: Option<DataLimits>,
    },
    /// A database.
    Postgres(PostgresConfig),
    /// A server that speaks Flight SQL.
    FlightSql(FlightSqlConfig),
}

impl DataConfig {
    /// The one source that node.toml names, or what is wrong and what to do.
    pub(crate) fn of(places: Places, folder: &Path) -> Result<DataConfig, (String, &'static str)> {
        let wrong = |(message, remedy): (&str, _)| (message.to_owned(), remedy);
        let Places { data, objects, limits, postgres, flight_sql } = places;
        let named = [data.is_some(), objects.is_some(), postgres.is_some(), flight_sql.is_some()];
        match named.into_iter().filter(|is_there| *is_there).count() {
            0 => {
                return Err(wrong((
                    "nothing says where the agency's tables are",
                    "add data = \"FOLDER\", [objects], [postgres] or [flight_sql]; docs/data-officer.md shows all four",
                )));
            }
            1 => {}
            _ => {
                return Err(wrong((
                    "more than one of data, [objects], [postgres] and [flight_sql] is there, and a node has one data source",
                    "keep one of them",
                )));
            }
        }
        let reads_files = data.is_some() || objects.is_some();
        if limits.is_some() && !reads_files {
            return Err(wrong((
                "[data_limits] is for a folder of files",
                "leave it out beside [postgres] or [flight_sql]",
            )));
        }
        let limits = limits.map(|table| DataLimits::new(table.memory_mb, folder.join(table.scratch)));
        let limits = limits
            .transpose()
            .map_err(|message| (message, "correct it in the [data_limits] table, or leave the table out"))?;
        if let Some(data) = data {
            return Ok(DataConfig::Folder { path: folder.join(data), limits });
        }
        if let Some(table) = objects {
            let store = table.beside(folder).map_err(wrong)?;
            return Ok(DataConfig::Objects { store, limits });
        }
        match (postgres, flight_sql) {
            (Some(table), _) => Ok(DataConfig::Postgres(table.beside(folder))),
            (None, Some(table)) => table.beside(folder).map(DataConfig::FlightSql).map_err(wrong),
            (None, None) => unreachable!("one of the four is there"),
        }
    }
}

/// A folder in an object store, as node.toml names it.
#[derive(Debug, Clone)]
pub struct ObjectsConfig {
    /// Its URL.
    pub url: String,
    /// The address of a store that speaks S3 and is not Amazon's.
    pub endpoint: Option<String>,
    /// The region of an S3 bucket.
    pub region: Option<String>,
    /// The file of the authority that signed the server's certificate.
    pub ca: Option<PathBuf>,
    /// The file of the secrets that open it; nobody but its owner may read it. Without it those of S3 are taken from the
    /// environment.
    pub credentials_file: Option<PathBuf>,
    /// How long one request may take.
    pub timeout: Duration,
}

/// A PostgreSQL database, as node.toml names it.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// The file that holds its URL with the password; nobody but its owner may read it.
    pub url_file: PathBuf,
    /// The file of the authority that signed the server's certificate.
    pub ca: Option<PathBuf>,
    /// Most connections at once.
    pub connections: usize,
    /// A SELECT for each table that is not simply there under the manifest's name.
    pub tables: BTreeMap<String, String>,
}

/// A server that speaks Flight SQL, as node.toml names it.
#[derive(Debug, Clone)]
pub struct FlightSqlConfig {
    /// Its address.
    pub url: String,
    /// The file of the authority that signed its certificate.
    pub ca: Option<PathBuf>,
    /// The files of the node's own certificate and its key, which nobody but its owner may read.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The file of the token, which nobody but its owner may read.
    pub token_file: Option<PathBuf>,
    /// Further addresses from which results may be fetched.
    pub locations: Vec<String>,
    /// A SELECT of what tells states of the data apart.
    pub version: Option<String>,
    /// A SELECT for each table that is not simply there under the manifest's name.
    pub tables: BTreeMap<String, String>,
}

/// Opens it, and everything that it holds of the manifest's tables.
pub(crate) async fn open_source(config: &NodeConfig, bounding: &[u8; 32]) -> Result<Source, NodeError> {
    let (manifest, agency) = (&config.manifest, &config.agency);
    Ok(match &config.data {
        DataConfig::Folder { path, limits } => {
            Source::open_within(path, manifest, agency, bounding, limits.clone()).await?
        }
        DataConfig::Objects { store, limits } => {
            let access = ObjectStoreAccess {
                url: store.url.clone(),
                endpoint: store.endpoint.clone(),
                region: store.region.clone(),
                ca_pem: store.ca.as_deref().map(read).transpose()?,
                credentials: match &store.credentials_file {
                    Some(file) => Some(read_secret(file)?),
                    None => ObjectStoreAccess::is_s3(&store.url).then(from_environment),
                },
                timeout: store.timeout,
            };
            Source::object_store(&access, manifest, agency, bounding, limits.clone()).await?
        }
        DataConfig::Postgres(database) => {
            let access = PostgresAccess {
                url: read_secret(&database.url_file)?,
                ca_pem: database.ca.as_deref().map(read).transpose()?,
                connections: database.connections,
                statement_timeout: config.limits.query_timeout,
                tables: database.tables.clone(),
            };
            Source::postgres(&access, manifest, agency, bounding).await?
        }
        DataConfig::FlightSql(server) => {
            let identity = server.identity.as_ref();
            let identity = identity.map(|(certificate, key)| -> Result<_, NodeError> {
                Ok((read(certificate)?, read_secret(key)?.into_bytes()))
            });
            let access = FlightSqlAccess {
                url: server.url.clone(),
                ca_pem: server.ca.as_deref().map(read).transpose()?,
                identity_pem: identity.transpose()?,
                token: server.token_file.as_deref().map(read_secret).transpose()?,
                locations: server.locations.clone(),
                statement_timeout: config.limits.query_timeout,
                version: server.version.clone(),
                tables: server.tables.clone(),
            };
            Source::flight_sql(&access, manifest, agency, bounding).await?
        }
    })
}

fn read(path: &Path) -> Result<Vec<u8>, NodeError> {
    std::fs::read(path).map_err(|source| NodeError::Read { path: path.to_owned(), source })
}

/// The secrets of S3 that are in the environment, as lines of a file of them.
fn from_environment() -> String {
    let line = |name: &str| std::env::var(name).ok().map(|value| format!("{name}={value}\n"));
    ENVIRONMENT.into_iter().filter_map(line).collect()
}

/// A text that nobody but the file's owner may read.
fn read_secret(path: &Path) -> Result<String, NodeError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let about =
            std::fs::metadata(path).map_err(|source| NodeError::Read { path: path.to_owned(), source })?;
        if about.permissions().mode() & 0o077 != 0 {
            return Err(NodeError::Open { path: path.to_owned() });
        }
    }
    String::from_utf8(read(path)?).map_err(|_| NodeError::Read {
        path: path.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, "not UTF-8"),
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_node_has_one_data_source() {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            data: Option<PathBuf>,
            objects: Option<ObjectsTable>,
            data_limits: Option<DataLimitsTable>,
            postgres: Option<PostgresTable>,
            flight_sql: Option<FlightSqlTable>,
        }
        let read = |text: &str| -> Result<DataConfig, String> {
            let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
            let File { data, objects, data_limits: limits, postgres, flight_sql } = file;
            let places = Places { data, objects, limits, postgres, flight_sql };
            DataConfig::of(places, Path::new("/etc/almoner"))
                .map_err(|(message, remedy)| format!("{message}; {remedy}"))
        };
        let Ok(DataConfig::Folder { path, limits: None }) = read("data = \"data\"") else {
            panic!("a folder")
        };
        assert_eq!(path, Path::new("/etc/almoner/data"));
        let limited = "data = \"data\"\n[data_limits]\nmemory_mb = 64\nscratch = \"scratch\"\n";
        let Ok(DataConfig::Folder { limits: Some(limits), .. }) = read(limited) else { panic!("limits") };
        assert_eq!(limits.scratch(), Path::new("/etc/almoner/scratch"));
        let whole = "[postgres]\nurl_file = \"keys/url\"\nca = \"/ca.pem\"\n[postgres.tables]\nresidents = \"SELECT 1\"";
        let Ok(DataConfig::Postgres(database)) = read(whole) else { panic!("a database") };
        assert_eq!(database.url_file, Path::new("/etc/almoner/keys/url"));
        assert_eq!(database.ca.as_deref(), Some(Path::new("/ca.pem")));
        assert_eq!((database.connections, database.tables.len()), (4, 1));
        let server = "[flight_sql]\nurl = \"grpc+tls://a:1\"\nca = \"ca.pem\"\ntoken_file = \"/token\"\n";
        let Ok(DataConfig::FlightSql(found)) = read(server) else { panic!("a server") };
        assert_eq!(found.ca.as_deref(), Some(Path::new("/etc/almoner/ca.pem")));
        assert_eq!(found.token_file.as_deref(), Some(Path::new("/token")));
        assert_eq!((found.identity, found.version, found.locations.len()), (None, None, 0));
        let Ok(DataConfig::FlightSql(found)) = read(&format!("{server}certificate = \"c\"\nkey = \"k\""))
        else {
            panic!("a server")
        };
        assert_eq!(found.identity, Some(("/etc/almoner/c".into(), "/etc/almoner/k".into())));
        let lake = "[objects]\nurl = \"s3://lake/a\"\nendpoint = \"https://s3:1\"\nca = \"ca.pem\"\n\
                    credentials_file = \"keys/lake\"\n[data_limits]\nmemory_mb = 64\nscratch = \"s\"\n";
        let Ok(DataConfig::Objects { store, limits: Some(_) }) = read(lake) else { panic!("a store") };
        assert_eq!(store.ca.as_deref(), Some(Path::new("/etc/almoner/ca.pem")));
        assert_eq!(store.credentials_file.as_deref(), Some(Path::new("/etc/almoner/keys/lake")));
        assert_eq!((store.region, store.timeout), (None, Duration::from_secs(60)));
        for (text, said) in [
            ("", "nothing says where"),
            (&format!("data = \"data\"\n{lake}"), "more than one of"),
            ("[objects]\nurl = \"s3://lake\"\ntimeout_s = 0", "1 to 3600"),
            ("[objects]\nurl = \"s3://lake\"\nsecret = \"s\"", "unknown field"),
            ("[objects]", "url"),
            (&format!("data = \"data\"\n{whole}"), "more than one of"),
            (&format!("{server}{whole}"), "more than one of"),
            (&format!("data = \"data\"\n{server}"), "more than one of"),
            (&format!("{server}key = \"k\""), "only one of certificate and key"),
            ("[flight_sql]", "url"),
            (&format!("{server}token = \"secret\""), "unknown field"),
            (&format!("{whole}\n[data_limits]\nmemory_mb = 64\nscratch = \"s\""), "folder of files"),
            ("data = \"data\"\n[data_limits]\nmemory_mb = 1\nscratch = \"s\"", "16"),
            ("[postgres]", "url_file"),
            ("[postgres]\nurl_file = \"u\"\nurl = \"postgresql://\"", "unknown field"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("postgres.url");
        std::fs::write(&path, "postgresql://u:secret@localhost/d\n").expect("a new file");
        for (mode, fine) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("one's own file");
            match read_secret(&path) {
                Ok(url) => assert!(fine && url.contains("secret"), "{mode:o}"),
                Err(error) => {
                    assert!(!fine, "{mode:o}");
                    assert!(error.to_string().contains("chmod 600"), "{error}");
                    assert!(!error.to_string().contains("secret"), "{error}");
                }
            }
        }
    }
}
