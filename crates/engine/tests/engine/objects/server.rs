//! A store on a loopback port: S3 with signatures that are checked, pages, ranges and conditions, and WebDAV over the same
//! objects. It can be told to misbehave.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use almoner_engine::{ObjectStoreAccess, Source, SourceError};
use almoner_federation::Manifest;
use ring::{digest, hmac};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::common::agency;
use crate::flight::server::Authority;

pub const BUCKET: &str = "lake";
pub const KEY_ID: &str = "almoner-test";
pub const KEY: &str = "a/secret+key";
pub const TOKEN: &str = "a-token.of/the+node=";
const REGION: &str = "eu-test-1";

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// As sent, without the query.
    pub target: String,
    /// Names and values, decoded.
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
}

impl Request {
    /// Whether it asks for bytes of an object and not for a listing.
    pub fn is_read(&self) -> bool {
        self.method == "GET" && !self.query.contains_key("list-type")
    }
}

/// What a server says.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Status, further headers, body.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The same, but the connection ends after so many bytes of the body.
    Cut(u16, Vec<(&'static str, String)>, Vec<u8>, usize),
    /// Nothing.
    Hang,
}

/// What a server does instead of what it should, where it does not do that.
pub type Trick = Box<dyn FnMut(&Request) -> Option<Reply> + Send>;

/// The objects of the bucket, and what was asked for.
pub struct Shelf {
    pub objects: Mutex<BTreeMap<String, Vec<u8>>>,
    trick: Mutex<Option<Trick>>,
    /// Most entries of a page.
    page: AtomicUsize,
    pub asked: Mutex<Vec<Request>>,
    /// Bytes of objects that were sent.
    pub served: AtomicU64,
}

/// A running server. Its tasks end with the test's runtime.
pub struct Server {
    pub shelf: Arc<Shelf>,
    pub access: ObjectStoreAccess,
}

impl Server {
    /// One that speaks plain HTTP on this machine; what is in the folder is in the bucket, below `below/`.
    pub async fn start(folder: &Path, below: &str) -> Server {
        Server::with(folder, below, None).await
    }

    /// One with TLS and a certificate for this name.
    pub async fn with(folder: &Path, below: &str, tls: Option<(&Authority, &str)>) -> Server {
        let shelf = Arc::new(Shelf {
            objects: Mutex::default(),
            trick: Mutex::default(),
            page: AtomicUsize::new(1_000),
            asked: Mutex::default(),
            served: AtomicU64::new(0),
        });
        shelf.put_folder(folder, below);
        let acceptor = tls.map(|(authority, name)| {
            let (certificate, key) = authority.sign(name);
            let chain = CertificateDer::pem_slice_iter(&certificate).map(|one| one.expect("a certificate"));
            let key = PrivateKeyDer::from_pem_slice(&key).expect("a key");
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = rustls::ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("ring has the default versions")
                .with_no_client_auth()
                .with_single_cert(chain.collect(), key)
                .expect("the key of the certificate");
            TlsAcceptor::from(Arc::new(config))
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let serving = Arc::clone(&shelf);
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shelf, acceptor) = (Arc::clone(&serving), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => serve(stream, shelf).await,
                            Err(_) => None,
                        },
                        None => serve(stream, shelf).await,
                    }
                });
            }
        });
        let access = ObjectStoreAccess {
            url: format!("s3://{BUCKET}/{below}"),
            endpoint: Some(format!("{scheme}://localhost:{port}")),
            region: Some(REGION.into()),
            ca_pem: tls.map(|(authority, _)| authority.pem()),
            credentials: Some(format!("AWS_ACCESS_KEY_ID={KEY_ID}\nAWS_SECRET_ACCESS_KEY={KEY}\n")),
            timeout: Duration::from_secs(20),
        };
        Server { shelf, access }
    }

    /// The way to the same folder by WebDAV.
    pub fn web_dav(&self) -> ObjectStoreAccess {
        ObjectStoreAccess {
            url: self
                .access
                .url
                .replace("s3://", &format!("{}/", self.access.endpoint.as_deref().expect("there"))),
            endpoint: None,
            region: None,
            credentials: Some(format!("# of the node\nTOKEN={TOKEN}\n")),
            ..self.access.clone()
        }
    }

    pub fn does(&self, trick: impl FnMut(&Request) -> Option<Reply> + Send + 'static) {
        *self.shelf.trick.lock().expect("no panic") = Some(Box::new(trick));
    }

    pub fn pages_of(&self, entries: usize) {
        self.shelf.page.store(entries, Ordering::Relaxed);
    }

    pub async fn open(&self, manifest: &Manifest) -> Result<Source, SourceError> {
        open(&self.access, manifest).await
    }

    /// The error of opening it, for the data officer.
    pub async fn refused(&self, manifest: &Manifest) -> String {
        refused(&self.access, manifest).await
    }

    /// How many requests there were for parts of objects.
    pub fn reads(&self) -> usize {
        self.shelf.asked.lock().expect("no panic").iter().filter(|request| request.is_read()).count()
    }
}

pub async fn open(access: &ObjectStoreAccess, manifest: &Manifest) -> Result<Source, SourceError> {
    Source::object_store(access, manifest, &agency(1), &[7; 32], None).await
}

/// The error of opening it; it holds no secret and says what to do.
pub async fn refused(access: &ObjectStoreAccess, manifest: &Manifest) -> String {
    let error = open(access, manifest).await.expect_err("refused");
    let (text, debug) = (error.local_detail(), format!("{error:?} {access:?}"));
    for secret in [KEY, TOKEN] {
        assert!(!text.contains(secret) && !debug.contains(secret), "{text} {debug}");
    }
    assert!(text.contains("; "), "says what to do: {text}");
    text
}

impl Shelf {
    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.objects.lock().expect("no panic").insert(key.into(), bytes.into());
    }

    fn put_folder(&self, folder: &Path, below: &str) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let own = path.file_name().and_then(|name| name.to_str()).expect("UTF-8");
            let key = if below.is_empty() { own.to_owned() } else { format!("{below}/{own}") };
            if path.is_dir() {
                self.put_folder(&path, &key);
            } else {
                self.put(&key, &fs::read(&path).expect("a file"));
            }
        }
    }

    fn answer(&self, request: &Request) -> Reply {
        self.asked.lock().expect("no panic").push(request.clone());
        if let Some(trick) = self.trick.lock().expect("no panic").as_mut()
            && let Some(reply) = trick(request)
        {
            return reply;
        }
        let authorization = request.headers.get("authorization").map(String::as_str).unwrap_or_default();
        let is_s3 = authorization.starts_with("AWS4-HMAC-SHA256 ");
        if is_s3 && let Err((status, code)) = signed(request, authorization) {
            return refusal(status, code);
        }
        if !is_s3 && authorization != format!("Bearer {TOKEN}") && authorization != "Basic bm9kZTpwOnc=" {
            return refusal(401, "AccessDenied");
        }
        let path = decoded(&request.target);
        let whole = path.trim_start_matches('/');
        let (bucket, key) = whole.split_once('/').unwrap_or((whole, ""));
        if bucket != BUCKET {
            return refusal(404, "NoSuchBucket");
        }
        match request.method.as_str() {
            "PROPFIND" => self.folder(key),
            "GET" if request.query.get("list-type").is_some_and(|version| version == "2") => {
                self.list(&request.query)
            }
            "GET" => self.read(key, request),
            _ => refusal(405, "MethodNotAllowed"),
        }
    }

    /// Keys and common beginnings below, each with whether it is a folder.
    fn entries(&self, prefix: &str) -> BTreeSet<(String, bool)> {
        let objects = self.objects.lock().expect("no panic");
        let below = objects.keys().filter_map(|key| key.strip_prefix(prefix));
        below
            .map(|rest| match rest.split_once('/') {
                Some((own, _)) => (format!("{prefix}{own}/"), true),
                None => (format!("{prefix}{rest}"), false),
            })
            .collect()
    }

    /// ListObjectsV2.
    fn list(&self, query: &BTreeMap<String, String>) -> Reply {
        assert_eq!(query.get("delimiter").map(String::as_str), Some("/"));
        let prefix = query.get("prefix").map(String::as_str).unwrap_or_default();
        let asked: usize = query.get("max-keys").map_or(1_000, |text| text.parse().expect("a number"));
        let most = asked.min(self.page.load(Ordering::Relaxed));
        let after =
            query.get("continuation-token").map(|token| token.strip_prefix("after ").expect("our token"));
        let entries = self.entries(prefix);
        let rest: Vec<_> =
            entries.iter().filter(|(key, _)| after.is_none_or(|after| key.as_str() > after)).collect();
        let mut xml = String::from("<?xml version=\"1.0\"?><ListBucketResult>");
        for (key, is_folder) in rest.iter().take(most) {
            let key_xml = escaped(key);
            if *is_folder {
                xml += &format!("<CommonPrefixes><Prefix>{key_xml}</Prefix></CommonPrefixes>");
            } else {
                let objects = self.objects.lock().expect("no panic");
                let bytes = &objects[key];
                xml += &format!(
                    "<Contents><Key>{key_xml}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>{}</ETag>\
                     <Size>{}</Size></Contents>",
                    escaped(&e_tag(bytes)),
                    bytes.len()
                );
            }
        }
        if rest.len() > most {
            xml += &format!(
                "<NextContinuationToken>{}</NextContinuationToken>",
                escaped(&format!("after {}", rest[most - 1].0))
            );
        }
        Reply::Whole(200, Vec::new(), (xml + "</ListBucketResult>").into_bytes())
    }

    /// PROPFIND with depth 1 (RFC 4918, section 9.1).
    fn folder(&self, key: &str) -> Reply {
        let prefix = if key.is_empty() { String::new() } else { format!("{}/", key.trim_end_matches('/')) };
        let entries = self.entries(&prefix);
        if entries.is_empty() {
            return refusal(404, "");
        }
        let response = |key: &str, about: &str| {
            format!(
                "<D:response><D:href>/{}</D:href><D:propstat><D:prop><D:getlastmodified>Thu, 01 Jan 2026 00:00:00 \
                 GMT</D:getlastmodified>{about}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>",
                escaped(&encoded(&format!("{BUCKET}/{key}")))
            )
        };
        let folder = "<D:resourcetype><D:collection/></D:resourcetype>";
        let mut xml =
            format!("<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">{}", response(&prefix, folder));
        for (key, is_folder) in &entries {
            xml += &if *is_folder {
                response(key, folder)
            } else {
                let objects = self.objects.lock().expect("no panic");
                let bytes = &objects[key];
                let about = format!(
                    "<D:resourcetype/><D:getcontentlength>{}</D:getcontentlength><D:getetag>{}</D:getetag>",
                    bytes.len(),
                    escaped(&e_tag(bytes))
                );
                response(key, &about)
            };
        }
        Reply::Whole(207, Vec::new(), (xml + "</D:multistatus>").into_bytes())
    }

    fn read(&self, key: &str, request: &Request) -> Reply {
        let objects = self.objects.lock().expect("no panic");
        let Some(bytes) = objects.get(key) else { return refusal(404, "NoSuchKey") };
        let tag = e_tag(bytes);
        if request.headers.get("if-match").is_some_and(|wanted| *wanted != tag) {
            return refusal(412, "PreconditionFailed");
        }
        let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
        let ends = range.and_then(|range| range.split_once('-')).expect("every request is for a range");
        let (start, end): (usize, usize) = (ends.0.parse().expect("start"), ends.1.parse().expect("end"));
        let end = (end + 1).min(bytes.len());
        self.served.fetch_add((end - start) as u64, Ordering::Relaxed);
        let shown = format!("bytes {start}-{}/{}", end - 1, bytes.len());
        Reply::Whole(206, vec![("content-range", shown), ("etag", tag)], bytes[start..end].to_vec())
    }
}

/// The reply of a store that keeps no conditions: the object as it is now, whatever was listed.
pub fn unconditional(shelf: &Shelf, request: &Request) -> Reply {
    let mut open = request.clone();
    open.headers.remove("if-match");
    let key = decoded(&request.target);
    shelf.read(key.trim_start_matches(&format!("/{BUCKET}/")), &open)
}

pub fn refusal(status: u16, code: &str) -> Reply {
    // S3 quotes what was signed; that must not be shown.
    let body = format!("<Error><Code>{code}</Code><Message>signed with {KEY} and {TOKEN}</Message></Error>");
    Reply::Whole(status, Vec::new(), body.into_bytes())
}

pub fn e_tag(bytes: &[u8]) -> String {
    format!("\"{}\"", &hex(digest::digest(&digest::SHA256, bytes).as_ref())[..32])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text grows");
        text
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn encoded(path: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
    path.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let code: Vec<u8> = rest.by_ref().take(2).collect();
            let code = std::str::from_utf8(&code).ok().and_then(|code| u8::from_str_radix(code, 16).ok());
            bytes.push(code.expect("two digits"));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// AWS Signature Version 4 ("Authenticating Requests: Using the Authorization Header", Amazon S3 API Reference), or the
/// refusal.
fn signed(request: &Request, authorization: &str) -> Result<(), (u16, &'static str)> {
    let part = |name: &str| {
        let fields = authorization.trim_start_matches("AWS4-HMAC-SHA256 ").split(", ");
        fields.filter_map(|field| field.split_once('=')).find(|(own, _)| *own == name).map(|(_, value)| value)
    };
    let (credential, names, signature) = (part("Credential"), part("SignedHeaders"), part("Signature"));
    let (credential, names, signature) =
        (credential.expect("Credential"), names.expect("SignedHeaders"), signature.expect("Signature"));
    let (id, scope) = credential.split_once('/').expect("a scope");
    if id != KEY_ID {
        return Err((403, "InvalidAccessKeyId"));
    }
    let fields: Vec<&str> = scope.split('/').collect();
    assert_eq!(fields[2..], ["s3", "aws4_request"]);
    if fields[1] != REGION {
        return Err((400, "AuthorizationHeaderMalformed"));
    }
    let headers: String =
        names.split(';').map(|name| format!("{name}:{}\n", request.headers[name].trim())).collect();
    for needed in ["host", "x-amz-date", "x-amz-content-sha256"] {
        assert!(names.split(';').any(|name| name == needed), "{needed} is signed");
    }
    let strict = |text: &str| encoded(text).replace('/', "%2F");
    let query = request.query.iter().map(|(name, value)| format!("{}={}", strict(name), strict(value)));
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{names}\n{}",
        request.method,
        request.target,
        query.collect::<Vec<_>>().join("&"),
        request.headers["x-amz-content-sha256"]
    );
    let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hash}", request.headers["x-amz-date"]);
    let sign = |key: &[u8], text: &str| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
    };
    let key = fields.iter().fold(format!("AWS4{KEY}").into_bytes(), |key, field| sign(&key, field));
    if hex(&sign(&key, &to_sign)) == signature { Ok(()) } else { Err((403, "SignatureDoesNotMatch")) }
}

/// HTTP/1.1, one request after another, until the client ends it or a reply is to be cut.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, shelf: Arc<Shelf>) -> Option<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
            assert!(head.len() < 1 << 16, "a request's head");
        }
        let head = String::from_utf8(head).expect("ASCII");
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?);
        let (target, raw_query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines.filter_map(|line| line.split_once(':'));
        let query = raw_query.split('&').filter_map(|pair| pair.split_once('='));
        let request = Request {
            method,
            target: target.into(),
            query: query.map(|(name, value)| (decoded(name), decoded(&value.replace('+', " ")))).collect(),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().into())).collect(),
        };
        let (status, headers, body, cut) = match shelf.answer(&request) {
            Reply::Whole(status, headers, body) => (status, headers, body, None),
            Reply::Cut(status, headers, body, after) => (status, headers, body, Some(after)),
            Reply::Hang => {
                // Until the client gives up.
                let _ = stream.read_u8().await;
                return None;
            }
        };
        let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        stream.write_all((text + "\r\n").as_bytes()).await.ok()?;
        stream.write_all(&body[..cut.unwrap_or(body.len())]).await.ok()?;
        stream.flush().await.ok()?;
        if cut.is_some() {
            return None;
        }
    }
}
