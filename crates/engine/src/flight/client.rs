//! One statement: asked, its results fetched batch by batch, and stopped at the server when nobody waits for it.

use std::time::Duration;

use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::{CancelFlightInfoRequest, FlightClient, FlightInfo};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use tokio_stream::StreamExt;
use tonic::transport::Channel;

use super::access::{FlightSqlAccess, Route};
use super::address::locate;
use crate::SourceError;

/// Largest message that a server may send.
const MAX_MESSAGE_BYTES: usize = 1 << 26;
/// Most parts of one result.
const MAX_ENDPOINTS: usize = 65_536;
/// How long a server has to stop what nobody waits for.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);
/// Most bytes of a server's own words in the node's log.
const MAX_REASON_BYTES: usize = 2_000;

/// A way to a server and everything that is sent with a statement.
pub(crate) struct Client {
    route: Route,
    token: Option<String>,
    /// Stands in statements and never in what a failure tells.
    secret: String,
}

impl Client {
    /// Nothing is sent yet. `secret` is a part of statements that no log may have.
    pub(crate) fn new(access: &FlightSqlAccess, secret: String) -> Result<Client, SourceError> {
        let token = access.token.as_deref().map(str::trim).map(str::to_owned);
        if token
            .as_ref()
            .is_some_and(|token| token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(SourceError::database(
                "the token of [flight_sql] is empty, or holds blanks or other letters than ASCII's",
                "write it alone into `token_file`, on one line",
            ));
        }
        Ok(Client { route: Route::of(access)?, token, secret })
    }

    /// The server that is asked, as node.toml writes it.
    pub(crate) fn name(&self) -> String {
        self.route.addresses[0].text()
    }

    /// Runs a statement, gives every batch of its result to `take`, and tells the result's schema.
    pub(crate) async fn ask(
        &self,
        sql: &str,
        limit: Duration,
        take: impl FnMut(&RecordBatch) -> Result<(), SourceError>,
    ) -> Result<Schema, SourceError> {
        tokio::time::timeout(limit, self.run(sql, take))
            .await
            .map_err(|_| SourceError::answer(format!("the server took longer than {limit:?}")))?
    }

    async fn run(
        &self,
        sql: &str,
        mut take: impl FnMut(&RecordBatch) -> Result<(), SourceError>,
    ) -> Result<Schema, SourceError> {
        let info = self.sql(0).execute(sql.to_owned(), None).await.map_err(|error| self.failed(&error))?;
        // Servers that make parts of a result may say its columns here alone.
        let mut schema = info.clone().try_decode_schema().ok().filter(|schema| !schema.fields().is_empty());
        if info.endpoint.len() > MAX_ENDPOINTS {
            let parts = info.endpoint.len();
            return Err(SourceError::answer(format!("the server gave the result in {parts} parts")));
        }
        let running = Running { client: Some(self.plain()?), info: Some(info.clone()) };
        for endpoint in info.endpoint {
            let locations = endpoint.location.iter().map(|location| location.uri.as_str());
            let Some(server) = locate(&self.route.addresses, locations) else {
                let named: Vec<&str> =
                    endpoint.location.iter().map(|location| location.uri.as_str()).collect();
                return Err(SourceError::answer(format!(
                    "the server named other places for its result, none of which is in `locations`: {}",
                    cut(&named.join(", "))
                )));
            };
            let ticket =
                endpoint.ticket.ok_or_else(|| SourceError::answer("a part of the result has no ticket"))?;
            let mut batches = self.sql(server).do_get(ticket).await.map_err(|error| self.failed(&error))?;
            while let Some(batch) = batches.next().await {
                take(&batch.map_err(|error| self.failed(&error))?)?;
            }
            // A stream that was cut between two messages ends like a whole one, but for these.
            if batches.trailers().is_none() {
                return Err(SourceError::answer("a part of the result ended early"));
            }
            if let Some(own) = batches.schema() {
                schema = Some(own.as_ref().clone());
            }
        }
        running.finished();
        schema.ok_or_else(|| SourceError::answer("the result has no schema"))
    }

    fn sql(&self, server: usize) -> FlightSqlServiceClient<Channel> {
        let mut client = FlightSqlServiceClient::new_from_inner(self.service(server));
        if let Some(token) = &self.token {
            client.set_token(token.clone());
        }
        client
    }

    fn plain(&self) -> Result<FlightClient, SourceError> {
        let mut client = FlightClient::new_from_inner(self.service(0));
        if let Some(token) = &self.token {
            let header = client.add_header("authorization", &format!("Bearer {token}"));
            header.map_err(|error| self.failed(&error))?;
        }
        Ok(client)
    }

    fn service(&self, server: usize) -> FlightServiceClient<Channel> {
        FlightServiceClient::new(self.route.channels[server].clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// A failure, for the node's own log.
    fn failed(&self, error: &FlightError) -> SourceError {
        let detail = match error {
            FlightError::Tonic(status) => {
                let mut text = format!("Flight SQL {:?}: {}", status.code(), status.message());
                let mut source = std::error::Error::source(status.as_ref());
                while let Some(cause) = source {
                    text += &format!(": {cause}");
                    source = cause.source();
                }
                text
            }
            other => other.to_string(),
        };
        let secrets = self.token.iter().chain([&self.secret]);
        SourceError::answer(cut(&secrets.fold(detail, |detail, secret| detail.replace(secret, "..."))))
    }
}

/// The first bytes of a text that a server chose.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_REASON_BYTES)]
}

/// A statement that the server may still compute. Dropped before it is finished, it is stopped there.
struct Running {
    client: Option<FlightClient>,
    info: Option<FlightInfo>,
}

impl Running {
    fn finished(mut self) {
        self.client = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (Some(mut client), Some(info)) = (self.client.take(), self.info.take()) else { return };
        // Without a runtime the process ends, and with it the connection.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let stopped = client.cancel_flight_info(CancelFlightInfoRequest::new(info));
                // A server that cannot do that sees that the stream is gone.
                let _ = tokio::time::timeout(CANCEL_TIMEOUT, stopped).await;
            });
        }
    }
}
