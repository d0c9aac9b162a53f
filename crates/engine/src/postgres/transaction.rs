//! One question, one transaction: read only, one snapshot for all of its statements.

use std::sync::Arc;
use std::time::Duration;

use almoner_federation::{Digest, lp};
use ring::hmac;
use tokio_postgres::Client;

use super::failed;
use super::pool::{Lent, Pool};
use crate::SourceError;

const LABEL: &[u8] = b"almoner/1/snapshot/postgresql";

/// Cluster, its timeline, database, and which transactions are visible: rows differ only where one of these does.
const IDENTITY: &str = "SELECT CAST((pg_control_system()).system_identifier AS text),
  CAST((pg_control_checkpoint()).timeline_id AS text), CAST(current_database() AS text),
  CAST(txid_current_snapshot() AS text)";

pub(crate) struct Transaction {
    lent: Lent,
}

impl Transaction {
    /// Begins with every setting that a statement's meaning or time depends on.
    pub(crate) async fn begin(
        pool: &Arc<Pool>,
        statement_timeout: Duration,
    ) -> Result<Transaction, SourceError> {
        let millis = statement_timeout.as_millis().clamp(1, i32::MAX as u128);
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
             SET LOCAL statement_timeout = {millis};
             SET LOCAL lock_timeout = {millis};
             SET LOCAL idle_in_transaction_session_timeout = {millis};
             SET LOCAL search_path = pg_catalog, public, pg_temp;
             SET LOCAL standard_conforming_strings = on;
             SET LOCAL transform_null_equals = off;
             SET LOCAL extra_float_digits = 1;
             SET LOCAL \"DateStyle\" = 'ISO, YMD';
             SET LOCAL \"TimeZone\" = 'UTC';
             SET LOCAL jit = off"
        );
        Ok(Transaction { lent: pool.begin(&begin).await? })
    }

    pub(crate) fn client(&self) -> &Client {
        self.lent.client()
    }

    /// The name of the data that this transaction sees, under what the mappings are: it tells only whether it is the
    /// same as another's.
    pub(crate) async fn snapshot(&self, key: &hmac::Key, mappings: Digest) -> Result<Digest, SourceError> {
        let row = self.client().query_one(IDENTITY, &[]).await.map_err(|error| failed(&error))?;
        let identity: Vec<String> = (0..row.len()).map(|index| row.get(index)).collect();
        let mut items: Vec<&[u8]> = vec![LABEL];
        items.extend(identity.iter().map(String::as_bytes));
        items.push(mappings.as_bytes());
        let tag = hmac::sign(key, &lp(&items));
        Ok(Digest(tag.as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes")))
    }

    /// Ends it, and gives the connection back.
    pub(crate) async fn end(self) -> Result<(), SourceError> {
        self.lent.give_back().await
    }
}
