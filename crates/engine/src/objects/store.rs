//! A folder in a store: lists it, and gives blocks of what was listed, to code that waits for them.

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use object_store::aws::AmazonS3;
use object_store::http::HttpStore;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{GetOptions, ListResult, ObjectMeta, ObjectStore};
use tokio::runtime::Handle;
use tokio_stream::StreamExt;

use super::object::{Listed, Object};
use super::trouble::{Failure, Kind, Trouble};
use crate::SourceError;
use crate::data_file::Contents;
use crate::folder::{self, Entry, Tree};

/// Most entries of one page of a listing.
const PAGE: usize = 1_000;
/// Most pages of the listing of one folder, full or not.
const MAX_PAGES: usize = 10_000;
/// How often a request is made at most.
const ATTEMPTS: u32 = 4;
/// How long to wait before the second; twice as long before each after it.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// Longest name of an object that is looked at: S3 allows no longer one.
const MAX_NAME_BYTES: usize = 1_024;

/// What speaks with the store.
#[derive(Debug)]
pub(crate) enum Client {
    S3(AmazonS3),
    WebDav(HttpStore),
}

/// A folder in a store.
#[derive(Debug)]
pub(crate) struct Store {
    pub client: Client,
    /// The folder, without `/` at either end; empty for all of the bucket or host.
    pub prefix: String,
    /// Its URL, without `/` at the end and without secrets.
    pub url: String,
    /// How long one request may take, with its answer.
    pub timeout: Duration,
    /// Where requests run, while those who want their answers wait on threads of their own.
    pub runtime: Handle,
}

/// One page of a listing, and where the next begins.
type Page = (ListResult, Option<String>);

impl Store {
    pub(super) fn kind(&self) -> Kind {
        match self.client {
            Client::S3(_) => Kind::S3,
            Client::WebDav(_) => Kind::WebDav,
        }
    }

    /// The key of a name in the folder.
    fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    /// Waits for a future from a thread that may wait.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Makes a request up to [`ATTEMPTS`] times, each within the store's time.
    async fn ask<T, F>(&self, listing: bool, mut request: impl FnMut() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let (mut attempt, mut wait) = (1, FIRST_WAIT);
        loop {
            let answer = tokio::time::timeout(self.timeout, request()).await;
            let trouble = match answer.unwrap_or(Err(Trouble::TimedOut)) {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            if attempt == ATTEMPTS || !trouble.may_pass() {
                return Err(Failure::of(&trouble, self.kind(), listing, attempt));
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
            wait *= 2;
        }
    }

    /// Exactly these bytes of an object, from the state in which it was listed.
    pub(crate) async fn block(&self, listed: &Listed, start: u64, length: usize) -> Result<Bytes, Failure> {
        self.ask(false, || self.try_block(listed, start, length)).await
    }

    async fn try_block(&self, listed: &Listed, start: u64, length: usize) -> Result<Bytes, Trouble> {
        let options = GetOptions::new()
            .with_range(Some(start..start + length as u64))
            .with_if_match(Some(format!("\"{}\"", listed.e_tag)));
        let answer = match &self.client {
            Client::S3(client) => client.get_opts(&listed.path, options).await,
            Client::WebDav(client) => client.get_opts(&listed.path, options).await,
        };
        let answer = answer.map_err(|error| Trouble::of(&error))?;
        let same = answer.meta.e_tag.as_deref().and_then(strong) == Some(listed.e_tag.as_str());
        if !same || answer.meta.size != listed.size_bytes {
            return Err(Trouble::Changed);
        }
        let mut bytes = BytesMut::with_capacity(length);
        let mut pieces = answer.into_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| Trouble::of(&error))?;
            if piece.len() > length - bytes.len() {
                return Err(Trouble::Strange("it sends more than was asked for".into()));
            }
            bytes.extend_from_slice(&piece);
        }
        if bytes.len() < length { Err(Trouble::Broken) } else { Ok(bytes.freeze()) }
    }

    /// Goes through the entries whose keys begin with `start`, which ends in the middle of a name or with `/`, and have no
    /// `/` after it, page by page until `take` has enough.
    fn pages(
        &self,
        start: &str,
        page: usize,
        take: &mut dyn FnMut(ListResult) -> Result<bool, SourceError>,
    ) -> Result<(), SourceError> {
        let shown = || self.shown_key(start.trim_end_matches('/'));
        let mut token = None;
        for _ in 0..MAX_PAGES {
            let asked = self.wait(self.ask(true, || self.try_page(start, page, token.clone())));
            let (result, next) = asked.map_err(|failure| failure.at(shown()))?;
            if take(result)? {
                return Ok(());
            }
            match next {
                Some(next) if token.as_ref() != Some(&next) => token = Some(next),
                Some(_) => {
                    let trouble = Trouble::Strange("a page of a listing comes again and again".into());
                    return Err(Failure::of(&trouble, self.kind(), true, 1).at(shown()));
                }
                None => return Ok(()),
            }
        }
        let problem = format!("its listing has more than {MAX_PAGES} pages");
        Err(SourceError::at(shown(), None, problem, "keep nothing there but the tables, in fewer files"))
    }

    async fn try_page(&self, start: &str, page: usize, token: Option<String>) -> Result<Page, Trouble> {
        let listed = match &self.client {
            Client::S3(client) => {
                let options = PaginatedListOptions {
                    delimiter: Some(Cow::Borrowed("/")),
                    max_keys: Some(page),
                    page_token: token,
                    ..PaginatedListOptions::default()
                };
                let start = (!start.is_empty()).then_some(start);
                client.list_paginated(start, options).await.map(|page| (page.result, page.page_token))
            }
            // It gives a folder whole, whatever its entries begin with.
            Client::WebDav(client) => {
                let folder = start.rsplit_once('/').map_or("", |(folder, _)| folder);
                let folder = Path::parse(folder).map_err(|error| Trouble::Name(error.to_string()))?;
                let all = client.list_with_delimiter(Some(&folder).filter(|path| !path.is_root())).await;
                all.map(|result| (result, None))
            }
        };
        listed.map_err(|error| Trouble::of(&error))
    }

    /// The last part of a listed path, if it is directly in this folder; `None` for the folder itself, which some
    /// stores list as an empty object.
    fn own<'p>(&self, folder: &str, path: &'p Path) -> Result<Option<&'p str>, SourceError> {
        let path = path.as_ref();
        let key = if folder.is_empty() { self.prefix.clone() } else { self.key(folder) };
        let below = if key.is_empty() { Some(path) } else { path.strip_prefix(&key) };
        let own = match below {
            Some("") => return Ok(None),
            Some(below) if key.is_empty() => Some(below),
            Some(below) => below.strip_prefix('/'),
            None => None,
        };
        let stray = |problem: &str| {
            let trouble = Trouble::Strange(problem.into());
            Failure::of(&trouble, self.kind(), true, 1).at(self.url_of(folder))
        };
        match own {
            Some(own) if own.len() > MAX_NAME_BYTES => Err(stray("a name of a listing is too long")),
            Some(own) if !own.is_empty() && !own.contains('/') => Ok(Some(own)),
            _ => Err(stray("its listing names what was not asked for")),
        }
    }

    fn contents(self: &Arc<Self>, meta: &ObjectMeta) -> Result<Contents, SourceError> {
        let Some(e_tag) = meta.e_tag.as_deref().and_then(strong) else {
            return Err(SourceError::at(
                self.shown_key(meta.location.as_ref()),
                None,
                "the store does not say which state of it this is: its listing has no strong ETag",
                "keep the files in a store that lists strong ETags, or give the node a copy in a folder",
            ));
        };
        let path = meta.location.clone();
        let listed = Listed { path, size_bytes: meta.size, e_tag: e_tag.to_owned() };
        Ok(Contents::Object(Arc::new(Object::new(Arc::clone(self), listed))))
    }

    /// The URL of a name in the folder; of the folder itself for an empty name.
    fn url_of(&self, name: &str) -> String {
        if name.is_empty() { self.url.clone() } else { format!("{}/{name}", self.url) }
    }

    /// The URL of a key.
    pub(crate) fn shown_key(&self, key: &str) -> String {
        let below = key.strip_prefix(&self.prefix).unwrap_or(key).trim_start_matches('/');
        if below.is_empty() { self.url.clone() } else { format!("{}/{below}", self.url) }
    }
}

/// What stands between the quotes of a strong ETag (RFC 9110, section 8.8.3), with which some stores leave the quotes
/// out.
pub(crate) fn strong(e_tag: &str) -> Option<&str> {
    let bare = e_tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(e_tag);
    let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
    (!e_tag.starts_with("W/") && (1..=MAX_NAME_BYTES).contains(&bare.len()) && bare.bytes().all(fits))
        .then_some(bare)
}

impl Tree for Arc<Store> {
    fn shown(&self, name: &str) -> String {
        self.url_of(name)
    }

    fn file(&self, own: &str) -> Result<Option<Contents>, SourceError> {
        let key = self.key(own);
        let mut found = None;
        self.pages(&key, PAGE, &mut |page| {
            let object = page.objects.iter().find(|object| object.location.as_ref() == key);
            found = object.map(|object| self.contents(object)).transpose()?;
            Ok(found.is_some())
        })?;
        Ok(found)
    }

    fn is_folder(&self, own: &str) -> Result<bool, SourceError> {
        // S3 has no folders, only names that begin alike. A WebDAV server has: what is not there cannot be listed.
        let mut found = false;
        match self.client {
            Client::S3(_) => self.pages(&format!("{}/", self.key(own)), 1, &mut |page| {
                found = !page.objects.is_empty() || !page.common_prefixes.is_empty();
                Ok(found)
            })?,
            Client::WebDav(_) => self.pages(&self.key(own), PAGE, &mut |page| {
                found = page.common_prefixes.iter().any(|path| path.as_ref() == self.key(own));
                Ok(found)
            })?,
        }
        Ok(found)
    }

    fn each(
        &self,
        folder: &str,
        take: &mut dyn FnMut(Entry) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        self.pages(&format!("{}/", self.key(folder)), PAGE, &mut |page| {
            for path in &page.common_prefixes {
                if let Some(own) = self.own(folder, path)? {
                    take(Entry { own: own.to_owned(), kind: folder::Kind::Folder })?;
                }
            }
            for object in &page.objects {
                if let Some(own) = self.own(folder, &object.location)? {
                    let kind = folder::Kind::File(self.contents(object)?);
                    take(Entry { own: own.to_owned(), kind })?;
                }
            }
            Ok(false)
        })
    }
}

/// What a reader gets that waits for a block.
pub(crate) fn failed(failure: &Failure) -> io::Error {
    io::Error::other(failure.problem.clone())
}

#[cfg(test)]
mod tests {
    use super::strong;

    #[test]
    fn only_strong_tags_name_a_state() {
        for (tag, found) in [
            ("\"abc-2\"", Some("abc-2")),
            ("abc", Some("abc")),
            ("W/\"abc\"", None),
            ("\"\"", None),
            ("", None),
            ("\"a\"b\"", None),
            ("\"a\r\nb\"", None),
        ] {
            assert_eq!(strong(tag), found, "{tag}");
        }
        assert_eq!(strong(&"a".repeat(1_025)), None);
    }
}
