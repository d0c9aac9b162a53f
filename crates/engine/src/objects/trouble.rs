//! What can go wrong with a store, and what the data officer can do.

use std::error::Error;

use object_store::client::{HttpError, HttpErrorKind};

use super::connection::{Refused, TooLong};
use crate::SourceError;

/// Longest text of another's error that is shown.
const MAX_REASON_BYTES: usize = 300;

/// Which language the store speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    S3,
    WebDav,
}

/// Why a request did not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The server refused.
    Refused(Refused),
    /// Its certificate is not believed, with the reason.
    Untrusted(String),
    /// There is no way to it, with the reason.
    Unreachable(String),
    /// It took too long.
    TimedOut,
    /// The answer ended before its end.
    Broken,
    /// An object is not the one that was listed.
    Changed,
    /// A name that cannot be a path.
    Name(String),
    /// An answer that such a server does not give, with what is wrong in it.
    Strange(String),
}

impl Trouble {
    /// Finds the reason in what the libraries made of it.
    pub(crate) fn of(error: &object_store::Error) -> Trouble {
        match error {
            object_store::Error::InvalidPath { source } => return Trouble::Name(short(source)),
            object_store::Error::NotSupported { .. } => {
                return Trouble::Strange("it does not give parts of a file".into());
            }
            _ => {}
        }
        let mut innermost: &(dyn Error + 'static) = error;
        let mut http = None;
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(one) = next {
            if let Some(refused) = one.downcast_ref::<Refused>() {
                return Trouble::Refused(refused.clone());
            }
            if let Some(long) = one.downcast_ref::<TooLong>() {
                return Trouble::Strange(long.to_string());
            }
            if let Some(tls) = tls(one) {
                return Trouble::Untrusted(short(tls));
            }
            http = one.downcast_ref::<HttpError>().map(HttpError::kind).or(http);
            innermost = one;
            next = one.source();
        }
        match http {
            Some(HttpErrorKind::Timeout) => Trouble::TimedOut,
            Some(HttpErrorKind::Connect) => Trouble::Unreachable(short(innermost)),
            Some(_) => Trouble::Broken,
            None => Trouble::Strange(short(innermost)),
        }
    }

    /// Whether it may be gone if the store is asked again.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Trouble::Refused(refused) => refused.status >= 500 || matches!(refused.status, 408 | 429),
            Trouble::Unreachable(_) | Trouble::TimedOut | Trouble::Broken => true,
            _ => false,
        }
    }
}

/// The TLS error that an error of the transport is or holds; one input error may hold another.
fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut held = error;
    while let Some(inner) = held.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        held = inner;
    }
    held.downcast_ref()
}

fn short(error: &(impl ToString + ?Sized)) -> String {
    let mut text = error.to_string();
    text.truncate(text.floor_char_boundary(MAX_REASON_BYTES));
    text
}

/// What to tell the data officer of a trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub problem: String,
    pub remedy: &'static str,
}

impl Failure {
    /// In words. `listing` tells whether a folder was to be listed, or an object to be read; `attempts` how often.
    pub(crate) fn of(trouble: &Trouble, kind: Kind, listing: bool, attempts: u32) -> Failure {
        let (problem, remedy) = match trouble {
            Trouble::Refused(refused) => return refusal(refused, kind, listing, attempts),
            Trouble::Untrusted(reason) => (
                format!("the store's certificate cannot be believed ({reason})"),
                "set `ca` of [objects] to the file of the authority that signed it, and name the host as it does",
            ),
            Trouble::Unreachable(reason) => (
                format!("the store cannot be reached ({reason})"),
                "correct the host and port in [objects], and see whether this machine may connect there",
            ),
            Trouble::TimedOut => (
                format!("the store did not answer in time, asked {attempts} times"),
                "see whether it is overloaded or the network slow, and start the node again; `timeout_s` of \
                 [objects] gives it longer",
            ),
            Trouble::Broken => (
                format!("the store's answer ended before its end, asked {attempts} times"),
                "see whether the network is sound, and start the node again",
            ),
            Trouble::Changed => (
                "changed since it was listed".into(),
                "start the node again when the export is complete and nothing writes there",
            ),
            Trouble::Name(name) => (
                format!("the store holds a name that cannot be a path ({name})"),
                "rename it, without empty parts, dots alone, or control characters",
            ),
            Trouble::Strange(reason) => (
                format!("the store's answer cannot be used ({reason})"),
                match kind {
                    Kind::S3 => {
                        "see whether the endpoint in [objects] speaks S3, with ListObjectsV2 and byte ranges"
                    }
                    Kind::WebDav => {
                        "see whether the URL in [objects] is a folder of a WebDAV server that gives byte ranges"
                    }
                },
            ),
        };
        Failure { problem, remedy }
    }

    /// As an error about this place.
    pub(crate) fn at(&self, place: String) -> SourceError {
        SourceError::at(place, None, self.problem.clone(), self.remedy)
    }
}

fn refusal(refused: &Refused, kind: Kind, listing: bool, attempts: u32) -> Failure {
    let code = refused.code.as_deref().unwrap_or_default();
    let (problem, remedy) = match (refused.status, code) {
        (_, "RequestTimeTooSkewed") => {
            (format!("the store's clock and this machine's differ ({refused})"), "set this machine's clock")
        }
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken") | (401, _) => (
            format!("the store does not accept the credentials ({refused})"),
            "correct them in `credentials_file` of [objects], or in the node's environment, and `region` beside them",
        ),
        (301 | 302 | 307 | 308, _)
        | (400, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => (
            format!("the store says that this is elsewhere ({refused})"),
            "correct `url`, `region` and `endpoint` of [objects]: redirects are not followed",
        ),
        (403, _) => (
            format!("these credentials may not read it ({refused})"),
            match kind {
                Kind::S3 => "allow them s3:ListBucket on the bucket and s3:GetObject on what is in it",
                Kind::WebDav => "allow them to list the folder and to read what is in it",
            },
        ),
        (404, "NoSuchBucket") => (
            "there is no such bucket (404)".into(),
            "correct the bucket in `url` of [objects], or its `endpoint`",
        ),
        (404, _) if listing => {
            (format!("is not there ({refused})"), "correct `url` and `endpoint` of [objects]")
        }
        (404, _) => (
            format!("is gone since it was listed ({refused})"),
            "start the node again when the export is complete and nothing writes there",
        ),
        (412 | 416, _) => return Failure::of(&Trouble::Changed, kind, listing, attempts),
        (405 | 501, _) if listing && kind == Kind::WebDav => (
            format!("the server does not list folders ({refused})"),
            "have it speak WebDAV (RFC 4918), or keep the files in a store that speaks S3",
        ),
        (408 | 429 | 500.., _) => (
            format!("the store fails or is overloaded ({refused}), asked {attempts} times"),
            "start the node again later; if it happens again, ask the store's operator",
        ),
        _ => (
            format!("the store refuses the request ({refused})"),
            "see what the store's operator says of it; `url`, `endpoint` and `region` of [objects] may be wrong",
        ),
    };
    Failure { problem, remedy }
}
