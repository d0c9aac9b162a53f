//! HTTP to a store, within bounds: how long a connection may take, how long an answer may be, whom to trust. What a
//! server refuses becomes a typed error here, so that no text of its answers (which may quote a signed request) gets
//! into an error or a log.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt, Limited};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, redirect};

/// How long a new connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may wait for its next request.
const IDLE: Duration = Duration::from_secs(30);
/// Longest answer: a page of a listing, or a block of an object.
const MAX_ANSWER_BYTES: usize = 1 << 26;
/// Longest answer of a server that refuses.
const MAX_REFUSAL_BYTES: usize = 1 << 16;
/// Longest code of S3 in it.
const MAX_CODE_BYTES: usize = 64;

/// A server's refusal: its status, and S3's code for the reason where there is one, letters and digits alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub status: u16,
    pub code: Option<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{} {code}", self.status),
            None => write!(f, "{}", self.status),
        }
    }
}

impl std::error::Error for Refused {}

/// An answer longer than any that was asked for.
#[derive(Debug)]
pub(crate) struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an answer is longer than {MAX_ANSWER_BYTES} bytes")
    }
}

impl std::error::Error for TooLong {}

/// One HTTP client for a store.
#[derive(Clone)]
pub(crate) struct Connection(Client);

impl Connection {
    /// With TLS alone, unless `plain`. `ca` alone vouches for the server where it is given, and this machine's
    /// authorities otherwise. Redirects are not followed: they lead where nobody was told to go. `authorization` goes
    /// along with every request.
    pub(crate) fn new(
        ca: Vec<Certificate>,
        plain: bool,
        authorization: Option<HeaderValue>,
    ) -> reqwest::Result<Connection> {
        let mut headers = HeaderMap::new();
        if let Some(mut value) = authorization {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let builder = Client::builder()
            .user_agent("almoner-node")
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE)
            .redirect(redirect::Policy::none())
            .https_only(!plain)
            .tls_built_in_root_certs(ca.is_empty());
        // What does not leave this machine needs no way out of the agency's network.
        let builder = if plain { builder.no_proxy() } else { builder };
        let builder = ca.into_iter().fold(builder, |builder, one| builder.add_root_certificate(one));
        builder.build().map(Connection)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl HttpConnector for Connection {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connection {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = self.0.call(request).await?;
        let status = response.status();
        let (parts, body) = response.into_parts();
        if !status.is_success() {
            let code = code(body).await;
            return Err(HttpError::new(HttpErrorKind::Unknown, Refused { status: status.as_u16(), code }));
        }
        let body =
            Limited::new(body, MAX_ANSWER_BYTES).map_err(|error| match error.downcast::<HttpError>() {
                Ok(error) => *error,
                Err(_) => HttpError::new(HttpErrorKind::Decode, TooLong),
            });
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

/// What stands in the `<Code>` of S3's XML.
async fn code(body: HttpResponseBody) -> Option<String> {
    let bytes = Limited::new(body, MAX_REFUSAL_BYTES).collect().await.ok()?.to_bytes();
    let text = std::str::from_utf8(&bytes).ok()?;
    let (code, _) = text.split_once("<Code>")?.1.split_once("</Code>")?;
    let fits = code.len() <= MAX_CODE_BYTES && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then(|| code.to_owned())
}
