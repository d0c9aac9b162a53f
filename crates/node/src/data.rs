//! Where an agency's tables are: a folder of files, or a PostgreSQL database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use almoner_engine::{DataLimits, PostgresAccess, Source};
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
    /// A database.
    Postgres(PostgresConfig),
}

impl DataConfig {
    /// The one source that node.toml names, or what is wrong and what to do.
    pub(crate) fn of(
        data: Option<PathBuf>,
        limits: Option<DataLimitsTable>,
        postgres: Option<PostgresTable>,
        folder: &Path,
    ) -> Result<DataConfig, (String, &'static str)> {
        let wrong = |message: &str, remedy| Err((message.to_owned(), remedy));
        match (data, postgres) {
            (Some(data), None) => {
                let limits = limits.map(|table| DataLimits::new(table.memory_mb, folder.join(table.scratch)));
                let limits = limits.transpose().map_err(|message| {
                    (message, "correct it in the [data_limits] table, or leave the table out")
                })?;
                Ok(DataConfig::Folder { path: folder.join(data), limits })
            }
            (None, Some(_)) if limits.is_some() => {
                wrong("[data_limits] is for a folder of files", "leave it out beside [postgres]")
            }
            (None, Some(table)) => Ok(DataConfig::Postgres(table.beside(folder))),
            (Some(_), Some(_)) => wrong(
                "data and [postgres] are both there, and a node has one data source",
                "take one of the two out",
            ),
            (None, None) => wrong(
                "nothing says where the agency's tables are",
                "add data = \"FOLDER\" or [postgres]; docs/data-officer.md shows both",
            ),
        }
    }
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

/// Opens it, and everything that it holds of the manifest's tables.
pub(crate) async fn open_source(config: &NodeConfig, bounding: &[u8; 32]) -> Result<Source, NodeError> {
    let (manifest, agency) = (&config.manifest, &config.agency);
    Ok(match &config.data {
        DataConfig::Folder { path, limits } => {
            Source::open_within(path, manifest, agency, bounding, limits.clone()).await?
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
    })
}

fn read(path: &Path) -> Result<Vec<u8>, NodeError> {
    std::fs::read(path).map_err(|source| NodeError::Read { path: path.to_owned(), source })
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
            data_limits: Option<DataLimitsTable>,
            postgres: Option<PostgresTable>,
        }
        let read = |text: &str| -> Result<DataConfig, String> {
            let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
            DataConfig::of(file.data, file.data_limits, file.postgres, Path::new("/etc/almoner"))
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
        for (text, said) in [
            ("", "nothing says where"),
            (&format!("data = \"data\"\n{whole}"), "both there"),
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
