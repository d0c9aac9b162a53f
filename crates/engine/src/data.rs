//! An agency's data, wherever they are, ready to answer.

use std::path::Path;
use std::sync::Arc;

use almoner_federation::{Digest, Manifest, Name};
use almoner_query::Plan;
use ring::hmac;

use crate::flight::{FlightSqlAccess, Peer, advised};
use crate::local_folder::LocalFolder;
use crate::objects::{ObjectStoreAccess, Store};
use crate::postgres::{Database, PostgresAccess};
use crate::source::Files;
use crate::units::Buckets;
use crate::{DataLimits, LoadReport, SourceError};

/// An agency's tables, bounded, typed, and never changing while a question is answered.
#[derive(Debug)]
pub struct Source {
    backend: Backend,
    report: LoadReport,
}

enum Backend {
    Files(Box<Files>),
    Postgres(Box<Database>),
    FlightSql(Box<Peer>),
}

/// What was computed, and from which state of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken<T> {
    /// What was asked for.
    pub values: T,
    /// The name of the state of the data that all of it comes from: an HMAC under the bounding key, which tells nothing
    /// about them but whether they are the same as another time. Of files it covers names, sizes and contents, of
    /// objects names, sizes and ETags; of a database the cluster, its timeline, which transactions were visible, and the SELECTs that map the tables; of a
    /// Flight SQL server its address, the SELECTs, and the version that the officer's own SELECT gives, or else the time.
    pub snapshot: Digest,
}

impl Source {
    /// Reads every table that `agency` holds from `folder` and bounds it (see the crate's
    /// documentation). `bounding_key` is secret and stays the same as long as the agency's budget
    /// counts: another key would keep other rows of the units that have too many. All tables are in memory.
    ///
    /// # Errors
    /// When a file is missing, ambiguous, unreadable or malformed, when it lacks a declared column, or
    /// when a table holds more units than the manifest allows. The node must then not serve.
    pub async fn open(
        folder: &Path,
        manifest: &Manifest,
        agency: &Name,
        bounding_key: &[u8; 32],
    ) -> Result<Source, SourceError> {
        Self::open_within(folder, manifest, agency, bounding_key, None).await
    }

    /// The same within a limit of memory: what does not fit is on disk, and gives the same answers.
    ///
    /// # Errors
    /// As for [`Source::open`], and when the scratch folder cannot hold the tables or a part of them, with all rows of
    /// its units, is too large for the limit.
    pub async fn open_within(
        folder: &Path,
        manifest: &Manifest,
        agency: &Name,
        bounding_key: &[u8; 32],
        limits: Option<DataLimits>,
    ) -> Result<Source, SourceError> {
        let folder = LocalFolder(folder.to_owned());
        let (files, report) = Files::open(folder, manifest, agency, bounding_key, limits).await?;
        Ok(Source { backend: Backend::Files(Box::new(files)), report })
    }

    /// Reads every table that `agency` holds from a folder in an object store, by the same rules as [`Source::open_within`]
    /// reads one on a disk, and to the same answers. What is read is what was listed: an object that changes in between
    /// refuses the whole. Nothing is written to a disk but what `limits` says.
    ///
    /// # Errors
    /// As for [`Source::open_within`], and when the store cannot be reached, refuses, names no strong ETags, or is on
    /// another machine without TLS.
    pub async fn object_store(
        access: &ObjectStoreAccess,
        manifest: &Manifest,
        agency: &Name,
        bounding_key: &[u8; 32],
        limits: Option<DataLimits>,
    ) -> Result<Source, SourceError> {
        let store = Arc::new(Store::of(access)?);
        let (files, report) = Files::open(store, manifest, agency, bounding_key, limits).await?;
        Ok(Source { backend: Backend::Files(Box::new(files)), report })
    }

    /// Connects to a PostgreSQL database, makes sure that the role can only read, and examines every table that
    /// `agency` holds once. Rows stay there: every question is answered by the database, bounded there, in one
    /// read-only transaction of its own, over the rows that are there by then. `bounding_key` as in [`Source::open`].
    ///
    /// # Errors
    /// When the database cannot be reached or may be written to, when a SELECT fails, lacks a declared column or has
    /// one of a type that cannot safely mean the declared one, or when a table holds more units than the manifest
    /// allows. The node must then not serve.
    pub async fn postgres(
        access: &PostgresAccess,
        manifest: &Manifest,
        agency: &Name,
        bounding_key: &[u8; 32],
    ) -> Result<Source, SourceError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, bounding_key);
        let (database, report) = Database::open(access, manifest, agency, &key).await?;
        Ok(Source { backend: Backend::Postgres(Box::new(database)), report })
    }

    /// Connects to a Flight SQL server that speaks DataFusion's SQL and examines every table that `agency` holds once.
    /// Rows stay there: every statement of a question is answered by the server and bounds by itself. Several statements
    /// of a question may see several states of the data, unless `access.version` tells them apart. `bounding_key` as in
    /// [`Source::open`]; a key made from it stands in the statements.
    ///
    /// # Errors
    /// When the server cannot be reached or does not show who it is, when a SELECT fails, lacks a declared column or has
    /// one of a type that cannot safely mean the declared one, or when a table holds more units than the manifest
    /// allows. The node must then not serve.
    pub async fn flight_sql(
        access: &FlightSqlAccess,
        manifest: &Manifest,
        agency: &Name,
        bounding_key: &[u8; 32],
    ) -> Result<Source, SourceError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, bounding_key);
        let (peer, report) = Peer::open(access, manifest, agency, &key).await?;
        Ok(Source { backend: Backend::FlightSql(Box::new(peer)), report })
    }

    /// What the data officer should know about the tables as they were when they were opened. Never to be sent.
    pub fn report(&self) -> &LoadReport {
        &self.report
    }

    /// The plan's integer cells over this agency's rows, not yet encoded, unscaled and without noise:
    /// `plan.dimension()` integers at `cell * width + coordinate`, sums modulo 2^64. All zero when this
    /// agency does not hold the plan's table.
    ///
    /// Dropping the future stops the computation; the caller sets the time limit.
    ///
    /// # Errors
    /// [`SourceError::Answer`] when the engine or the way to it fails. The values of rows cannot cause that.
    pub async fn cells(&self, plan: &Plan) -> Result<Taken<Vec<i64>>, SourceError> {
        match &self.backend {
            Backend::Files(files) => {
                Ok(Taken { values: files.cells(plan).await?, snapshot: files.snapshot() })
            }
            Backend::Postgres(database) => database.cells(plan).await,
            Backend::FlightSql(peer) => peer.cells(plan).await.map_err(advised),
        }
    }

    /// The bits of a plan of sketches over this agency's units, without flips: `plan.dimension()` words, bucket b of
    /// a sketch at bit `b % 64` of its word `b / 64`. `key` is shared by all agencies and by nobody else. Nothing is
    /// set when this agency holds none of the plan's tables.
    ///
    /// # Errors
    /// As for [`Source::cells`].
    pub async fn bits(&self, plan: &Plan, key: &[u8; 32]) -> Result<Taken<Vec<u64>>, SourceError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let buckets = Buckets {
            key: &key,
            plan: plan.hash(),
            buckets: plan.buckets(),
            width: plan.width(),
            first: plan.sketches().iter().map(|sketch| sketch.first).collect(),
        };
        match &self.backend {
            Backend::Files(files) => {
                Ok(Taken { values: files.bits(plan, &buckets).await?, snapshot: files.snapshot() })
            }
            Backend::Postgres(database) => database.bits(plan, &buckets).await,
            Backend::FlightSql(peer) => peer.bits(plan, &buckets).await.map_err(advised),
        }
    }
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Backend::Files(_) => "files",
            Backend::Postgres(_) => "PostgreSQL",
            Backend::FlightSql(_) => "Flight SQL",
        })
    }
}
