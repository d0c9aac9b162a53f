//! A server opened as agency 1's source.

use almoner_engine::{FlightSqlAccess, Source, SourceError};
use almoner_federation::Manifest;

use super::server::Server;
use crate::common::agency;

/// Opens agency 1's server, with the key that its folder is opened with.
pub async fn open(access: &FlightSqlAccess, manifest: &Manifest) -> Result<Source, SourceError> {
    Source::flight_sql(access, manifest, &agency(1), &[7; 32]).await
}

impl Server {
    pub async fn open(&self, manifest: &Manifest) -> Result<Source, SourceError> {
        open(&self.access, manifest).await
    }

    /// With a SELECT for a table.
    pub async fn mapped(
        &self,
        manifest: &Manifest,
        table: &str,
        select: &str,
    ) -> Result<Source, SourceError> {
        let mut access = self.access.clone();
        access.tables.insert(table.into(), select.into());
        open(&access, manifest).await
    }
}
