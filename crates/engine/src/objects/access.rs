//! How to reach a store: its URL, who vouches for it, and the secrets that open it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use object_store::RetryConfig;
use object_store::aws::AmazonS3Builder;
use object_store::http::HttpBuilder;
use object_store::path::Path;
use reqwest::header::HeaderValue;
use reqwest::{Certificate, Url};
use tokio::runtime::Handle;

use super::connection::Connection;
use super::store::{Client, Store};
use crate::{SourceError, partition};

/// The region that stores other than Amazon's go by where nobody gave them another.
const DEFAULT_REGION: &str = "us-east-1";
/// What [`ObjectStoreAccess::timeout`] may be.
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3_600);

const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION: &str = "AWS_SESSION_TOKEN";
const USER: &str = "USER";
const PASSWORD: &str = "PASSWORD";
const TOKEN: &str = "TOKEN";

/// A folder in an object store.
#[derive(Clone)]
pub struct ObjectStoreAccess {
    /// `s3://bucket/folder`, or `https://host:port/folder` of a WebDAV server.
    pub url: String,
    /// `https://host:port` of a store that speaks S3 and is not Amazon's.
    pub endpoint: Option<String>,
    /// The region of an S3 bucket; without an endpoint there must be one.
    pub region: Option<String>,
    /// The certificates, as PEM, that alone may vouch for the server's; without them this machine's authorities do.
    pub ca_pem: Option<Vec<u8>>,
    /// Lines `NAME=VALUE`, a secret: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and where needed `AWS_SESSION_TOKEN`
    /// for S3; `USER` and `PASSWORD`, or `TOKEN`, for WebDAV, where there may also be none. Empty lines and those that
    /// begin with `#` say nothing.
    pub credentials: Option<String>,
    /// How long one request may take, with its answer of at most 8 MiB: 0.1 s to 1 h. It is made four times at most.
    pub timeout: Duration,
}

impl ObjectStoreAccess {
    /// Whether a URL is one of S3, which is opened with a key.
    pub fn is_s3(url: &str) -> bool {
        url.starts_with("s3://")
    }
}

impl fmt::Debug for ObjectStoreAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL that nobody has checked yet may hold a password, although it should not.
        f.debug_struct("ObjectStoreAccess")
            .field("region", &self.region)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn wrong(problem: impl Into<String>, remedy: impl Into<String>) -> SourceError {
    SourceError::at("[objects]", None, problem, remedy)
}

impl Store {
    /// Checks an access without using it. To be called where a runtime is.
    pub(crate) fn of(access: &ObjectStoreAccess) -> Result<Store, SourceError> {
        if !TIMEOUTS.contains(&access.timeout) {
            return Err(wrong("the time limit of a request is not 0.1 s to 1 h", "correct it"));
        }
        let secrets = Secrets::parse(access.credentials.as_deref().unwrap_or_default())?;
        let ca = access.ca_pem.as_deref().map(certificates).transpose()?.unwrap_or_default();
        let (client, prefix, url) = match access.url.strip_prefix("s3://") {
            Some(rest) => s3(rest, access, secrets, ca)?,
            None => web_dav(access, secrets, ca)?,
        };
        Ok(Store { client, prefix, url, timeout: access.timeout, runtime: Handle::current() })
    }
}

fn s3(
    rest: &str,
    access: &ObjectStoreAccess,
    mut secrets: Secrets,
    ca: Vec<Certificate>,
) -> Result<(Client, String, String), SourceError> {
    let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
    // It becomes part of URLs, and of errors.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !(3..=255).contains(&bucket.len()) || !bucket.bytes().all(fits) || bucket.contains("..") {
        return Err(wrong("`url` names no bucket", "write s3://bucket/folder, without a user or parameters"));
    }
    let prefix = folder_of(folder)?;
    let mut builder = AmazonS3Builder::new().with_bucket_name(bucket).with_retry(once());
    let mut plain = false;
    match (&access.endpoint, &access.region) {
        (Some(endpoint), region) => {
            let endpoint = address(endpoint, "endpoint")?;
            if endpoint.path() != "/" {
                return Err(wrong("`endpoint` has a path", "write https://host:port"));
            }
            plain = endpoint.scheme() == "http";
            builder = builder
                .with_endpoint(endpoint.as_str().trim_end_matches('/'))
                .with_region(region.as_deref().unwrap_or(DEFAULT_REGION));
        }
        (None, Some(region)) => {
            // It becomes part of the host's name.
            if region.is_empty() || !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                return Err(wrong("`region` is not one of Amazon's", "write it like eu-central-1"));
            }
            builder = builder.with_region(region);
        }
        (None, None) => {
            return Err(wrong(
                "nothing says where the bucket is",
                "add `region` for Amazon's S3, or `endpoint` for another store",
            ));
        }
    }
    let (Some(id), Some(key)) = (secrets.take(KEY_ID), secrets.take(KEY)) else {
        return Err(wrong(
            "there is no key for the bucket",
            format!(
                "put {KEY_ID}=... and {KEY}=... into a file with mode 600 and name it as `credentials_file`, \
                     or set both in the node's environment"
            ),
        ));
    };
    builder = builder.with_access_key_id(id).with_secret_access_key(key);
    if let Some(session) = secrets.take(SESSION) {
        builder = builder.with_token(session);
    }
    secrets.used_up(&[KEY_ID, KEY, SESSION])?;
    let connection = connection(ca, plain, None)?;
    let client = builder
        .with_http_connector(connection)
        .build()
        .map_err(|_| wrong("the store's address cannot be used", "correct `url`, `endpoint` and `region`"))?;
    let url = format!("s3://{bucket}/{prefix}");
    Ok((Client::S3(client), prefix, url.trim_end_matches('/').to_owned()))
}

fn web_dav(
    access: &ObjectStoreAccess,
    mut secrets: Secrets,
    ca: Vec<Certificate>,
) -> Result<(Client, String, String), SourceError> {
    if access.endpoint.is_some() || access.region.is_some() {
        let remedy = "take both away, or write s3://bucket/folder as `url`";
        return Err(wrong("`endpoint` and `region` are for S3", remedy));
    }
    let url = address(&access.url, "url")?;
    let authorization = match (secrets.take(USER), secrets.take(PASSWORD), secrets.take(TOKEN)) {
        (None, None, None) => None,
        (Some(user), Some(password), None) => {
            Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
        }
        (None, None, Some(token)) => Some(format!("Bearer {token}")),
        _ => {
            let remedy = format!("write {USER}=... and {PASSWORD}=..., or {TOKEN}=...");
            return Err(wrong("the credentials are not whole, or more than that", remedy));
        }
    };
    secrets.used_up(&[USER, PASSWORD, TOKEN])?;
    let authorization = authorization.map(|text| HeaderValue::from_str(&text)).transpose().map_err(|_| {
        wrong(
            "the credentials cannot be sent",
            "correct them: they hold a character that HTTP does not allow",
        )
    })?;
    let connection = connection(ca, url.scheme() == "http", authorization)?;
    let decoded = partition::decode(url.path())
        .map_err(|_| wrong("the path of `url` is not UTF-8", "correct its % codes"))?;
    let prefix = folder_of(&decoded)?;
    let origin = url.origin().ascii_serialization();
    let built =
        HttpBuilder::new().with_url(&origin).with_retry(once()).with_http_connector(connection).build();
    let client = built.map_err(|_| wrong("the store's address cannot be used", "correct `url`"))?;
    let shown = format!("{origin}/{prefix}");
    Ok((Client::WebDav(client), prefix, shown.trim_end_matches('/').to_owned()))
}

/// The store asks again itself, and checks each answer anew.
fn once() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

fn connection(
    ca: Vec<Certificate>,
    plain: bool,
    authorization: Option<HeaderValue>,
) -> Result<Connection, SourceError> {
    Connection::new(ca, plain, authorization).map_err(|_| {
        wrong(
            "TLS cannot be set up",
            "write the authorities' certificates in `ca` as PEM, or see whether this machine has any",
        )
    })
}

/// A folder's name without `/` at its ends, if it is one that can be.
fn folder_of(text: &str) -> Result<String, SourceError> {
    let folder = text.trim_matches('/');
    let path = Path::parse(folder).map_err(|_| {
        wrong(
            "the folder in `url` cannot be one",
            "write it without empty parts, dots alone or control characters",
        )
    })?;
    Ok(path.as_ref().to_owned())
}

/// The address of a server: with TLS, or on this machine.
fn address(text: &str, field: &str) -> Result<Url, SourceError> {
    // The text is not shown: it may hold a password, although it should not.
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    let Some(url) = url else {
        return Err(wrong(
            format!("`{field}` cannot be read"),
            "write s3://bucket/folder or https://host:port/folder as `url`, https://host:port as `endpoint`, and \
             neither user nor parameters: secrets go into `credentials_file`",
        ));
    };
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(wrong(
            format!("`{field}` is on another machine, and the way there is open"),
            "have the store speak TLS, and write https://",
        ));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, SourceError> {
    let unreadable = || wrong("`ca` holds no certificate", "write the authority's, as PEM");
    let all = Certificate::from_pem_bundle(pem).map_err(|_| unreadable())?;
    if all.is_empty() { Err(unreadable()) } else { Ok(all) }
}

/// Names and secret values.
struct Secrets(BTreeMap<String, String>);

impl Secrets {
    /// An error shows no line: it may be a secret out of place.
    fn parse(text: &str) -> Result<Secrets, SourceError> {
        let mut all = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let pair = line.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
            let fresh = pair
                .filter(|(name, value)| !name.is_empty() && !value.is_empty() && !all.contains_key(*name));
            let Some((name, value)) = fresh else {
                let problem =
                    format!("line {} of the credentials is not NAME=VALUE, or a name again", number + 1);
                return Err(wrong(problem, "correct it; values stand without quotes"));
            };
            all.insert(name.to_owned(), value.to_owned());
        }
        Ok(Secrets(all))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Refuses what nobody took.
    fn used_up(&self, names: &[&str]) -> Result<(), SourceError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let remedy = format!("for this store, keep only {}", names.join(", "));
        Err(wrong("the credentials hold a name that is none of this store's", remedy))
    }
}
