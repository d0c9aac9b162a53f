//! A Flight SQL server over DataFusion on a loopback port, with TLS and a token, which can be told to misbehave: for the
//! engine's tests and for those of whole federations.

// Each of them compiles this module for itself and uses a part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use almoner_engine::FlightSqlAccess;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::sql::server::FlightSqlService;
use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt, SqlInfo, TicketStatementQuery};
use arrow_flight::{Action, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, Ticket};
use datafusion::arrow::array::{ArrayRef, AsArray, BinaryArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use prost::Message;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Certificate, Identity, Server as Transport, ServerTlsConfig};
use tonic::{Request, Response, Status};

pub const TOKEN: &str = "a-token.of/the+node=";

/// What a server does to the statements of questions, and to no others.
#[derive(Debug, Clone, Default)]
pub enum Trick {
    /// Nothing but what it should.
    #[default]
    None,
    /// Says nothing for so long.
    Sleep(Duration),
    /// Sends the schema and nothing after it.
    Stall,
    /// Fails after the first messages.
    Break,
    /// Names this place for its result.
    At(String),
    /// Answers this instead.
    Instead(String),
    /// Names no part of the result.
    Nowhere,
    /// Fails with the statement in its reason.
    Quote,
}

/// A running server. It ends with its handle, and its connections with it.
pub struct Server {
    pub engine: Engine,
    pub access: FlightSqlAccess,
    pub port: u16,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The service.
#[derive(Clone)]
pub struct Engine {
    pub context: SessionContext,
    pub trick: Arc<Mutex<Trick>>,
    /// Statements that were asked, and those that are computed now.
    pub asked: Arc<AtomicUsize>,
    pub running: Arc<AtomicUsize>,
    pub cancelled: Arc<AtomicUsize>,
}

/// An authority, and certificates that it signed for `localhost`.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority") }
    }

    pub fn pem(&self) -> Vec<u8> {
        self.issuer.pem().into_bytes()
    }

    /// A certificate for the name, and its key.
    pub fn sign(&self, name: &str) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.into()]).expect("names");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }
}

impl Server {
    /// One that the node may ask, with a certificate for `localhost` and mutual TLS.
    pub async fn start() -> Server {
        let authority = Authority::new();
        Server::with(&authority, "localhost", &authority, 0).await
    }

    /// One with a certificate of `own` for `name`, which lets in whom `peers` signed, on this port or a free one.
    pub async fn with(own: &Authority, name: &str, peers: &Authority, port: u16) -> Server {
        let (certificate, key) = own.sign(name);
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(certificate, key))
            .client_ca_root(Certificate::from_pem(peers.pem()));
        let context = SessionContext::new();
        context.register_udf(sha256());
        let engine = Engine {
            context,
            trick: Arc::default(),
            asked: Arc::default(),
            running: Arc::default(),
            cancelled: Arc::default(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("threads");
        let service = FlightServiceServer::new(engine.clone());
        let (bound, number) = tokio::sync::oneshot::channel();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
            bound.send(listener.local_addr().expect("bound").port()).expect("waited for");
            Transport::builder()
                .tls_config(tls)
                .expect("TLS")
                .add_service(service)
                .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener))
                .await
                .expect("serves until its runtime ends");
        });
        let port = number.await.expect("a port");
        let access = FlightSqlAccess {
            url: format!("grpc+tls://localhost:{port}"),
            ca_pem: Some(own.pem()),
            identity_pem: Some(peers.sign("node")),
            token: Some(TOKEN.into()),
            locations: Vec::new(),
            statement_timeout: Duration::from_secs(60),
            version: None,
            tables: BTreeMap::new(),
        };
        Server { engine, access, port, runtime: Some(runtime) }
    }

    /// A table of these columns, in several batches and partitions.
    pub fn table(&self, name: &str, columns: Vec<(String, ArrayRef)>) {
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let cuts = [0, batch.num_rows() / 3, batch.num_rows() / 2, batch.num_rows()];
        let part = |i: usize| vec![batch.slice(cuts[i], cuts[i + 1] - cuts[i])];
        let table = MemTable::try_new(batch.schema(), (0..3).map(part).collect()).expect("one schema");
        self.engine.context.deregister_table(name).expect("a session takes tables out");
        self.engine.context.register_table(name, Arc::new(table)).expect("a new name");
    }

    /// A table of text columns from a CSV file.
    pub fn texts(&self, name: &str, csv: &[u8]) {
        let mut reader = csv::Reader::from_reader(csv);
        let header = reader.headers().expect("a header").clone();
        let records: Vec<_> = reader.records().map(|record| record.expect("a row")).collect();
        let columns = header.iter().enumerate().map(|(i, name)| {
            let column: StringArray = records.iter().map(|record| Some(record[i].to_owned())).collect();
            (name.to_owned(), Arc::new(column) as ArrayRef)
        });
        self.table(name, columns.collect());
    }

    pub fn does(&self, trick: Trick) {
        *self.engine.trick.lock().expect("no panic") = trick;
    }
}

/// DataFusion's own, without the features that it would take here.
fn sha256() -> datafusion::logical_expr::ScalarUDF {
    let hash = |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let hashes: BinaryArray = arrays[0]
            .as_binary::<i32>()
            .iter()
            .map(|bytes| bytes.map(|bytes| ring::digest::digest(&ring::digest::SHA256, bytes)))
            .collect();
        Ok(ColumnarValue::Array(Arc::new(hashes)))
    };
    create_udf("sha256", vec![DataType::Binary], DataType::Binary, Volatility::Immutable, Arc::new(hash))
}

type Messages = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

impl Engine {
    /// Whether it is a question's statement and none of those that ask for columns, versions or a sign of life.
    fn is_question(query: &str) -> bool {
        query.starts_with("WITH ") && query.contains("\"cell\"")
    }

    fn trick_for(&self, query: &str) -> Trick {
        if Self::is_question(query) { self.trick.lock().expect("no panic").clone() } else { Trick::None }
    }

    fn check<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let token = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        if token == Some(&format!("Bearer {TOKEN}")) {
            Ok(())
        } else {
            Err(Status::unauthenticated("no token"))
        }
    }
}

fn failed(error: DataFusionError) -> Status {
    Status::internal(error.to_string())
}

/// Counts what is computed, until it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn of(count: &Arc<AtomicUsize>) -> Counted {
        count.fetch_add(1, Ordering::SeqCst);
        Counted(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tonic::async_trait]
impl FlightSqlService for Engine {
    type FlightService = Engine;

    async fn get_flight_info_statement(
        &self,
        command: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.check(&request)?;
        self.asked.fetch_add(1, Ordering::SeqCst);
        let _running = Counted::of(&self.running);
        let trick = self.trick_for(&command.query);
        if let Trick::Sleep(time) = trick {
            tokio::time::sleep(time).await;
        }
        if matches!(trick, Trick::Quote) {
            return Err(Status::internal(format!("cannot plan {}", command.query)));
        }
        let ticket = TicketStatementQuery { statement_handle: command.query.into() };
        let mut endpoint =
            FlightEndpoint::new().with_ticket(Ticket { ticket: ticket.as_any().encode_to_vec().into() });
        if let Trick::At(place) = &trick {
            endpoint = endpoint.with_location(place);
        }
        // The schema comes with the result.
        let info = FlightInfo::new().with_descriptor(request.into_inner());
        Ok(Response::new(if matches!(trick, Trick::Nowhere) { info } else { info.with_endpoint(endpoint) }))
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<<Self as FlightService>::DoGetStream>, Status> {
        self.check(&request)?;
        let mut query = String::from_utf8(ticket.statement_handle.to_vec())
            .map_err(|_| Status::invalid_argument("no ticket of this server"))?;
        let trick = self.trick_for(&query);
        if let Trick::Instead(other) = &trick {
            query = other.clone();
        }
        let running = Counted::of(&self.running);
        let rows = self.context.sql(&query).await.map_err(failed)?.execute_stream().await.map_err(failed)?;
        let schema = rows.schema();
        let rows = rows.map(|batch| batch.map_err(|error| FlightError::ExternalError(Box::new(error))));
        let messages = FlightDataEncoderBuilder::new().with_schema(schema).build(rows);
        let mut sent = 0;
        let stalls = matches!(trick, Trick::Stall);
        let messages = messages.map(move |message| {
            let _until_dropped = &running;
            sent += 1;
            match trick {
                Trick::Break if sent > 1 => Err(Status::unavailable("an executor is gone")),
                _ => message.map_err(Status::from),
            }
        });
        let messages: Messages = match stalls {
            true => Box::pin(messages.take(1).chain(tokio_stream::pending())),
            false => Box::pin(messages),
        };
        Ok(Response::new(messages))
    }

    async fn do_action_fallback(
        &self,
        request: Request<Action>,
    ) -> Result<Response<<Self as FlightService>::DoActionStream>, Status> {
        self.check(&request)?;
        if request.get_ref().r#type == "CancelFlightInfo" {
            self.cancelled.fetch_add(1, Ordering::SeqCst);
        }
        Err(Status::unimplemented("it sees that the stream is gone"))
    }

    async fn register_sql_info(&self, _id: i32, _result: &SqlInfo) {}
}

/// A table that is another one each time that it is read.
pub fn changing(
    context: &SessionContext,
    name: &str,
    schema: Arc<Schema>,
    next: impl Fn(usize) -> RecordBatch + Send + Sync + 'static,
) {
    use datafusion::catalog::streaming::StreamingTable;
    use datafusion::physical_plan::SendableRecordBatchStream;
    use datafusion::physical_plan::streaming::PartitionStream;

    struct Scans<F> {
        schema: Arc<Schema>,
        next: F,
        count: AtomicUsize,
    }

    impl<F> std::fmt::Debug for Scans<F> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Scans")
        }
    }

    impl<F: Fn(usize) -> RecordBatch + Send + Sync + 'static> PartitionStream for Scans<F> {
        fn schema(&self) -> &Arc<Schema> {
            &self.schema
        }

        fn execute(&self, _context: Arc<datafusion::execution::TaskContext>) -> SendableRecordBatchStream {
            let batch = (self.next)(self.count.fetch_add(1, Ordering::SeqCst));
            let rows = tokio_stream::once(Ok(batch));
            Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows))
        }
    }

    let scans = Scans { schema: schema.clone(), next, count: AtomicUsize::new(0) };
    let table = StreamingTable::try_new(schema, vec![Arc::new(scans)]).expect("one schema");
    context.register_table(name, Arc::new(table)).expect("a new name");
}
