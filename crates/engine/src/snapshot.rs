//! The name of the data a node serves: it changes whenever a file does.
//!
//! A plain digest of the files would let anyone who knows all records but one test guesses about the
//! last, and the snapshot travels in every READY. So it is keyed: to those without the key it says
//! only whether the files are the same as at an earlier round.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use almoner_federation::{Digest, lp};
use ring::{digest, hmac};

const LABEL: &[u8] = b"almoner/1/snapshot";

/// One file as it was read: name in the agency's folder, size in bytes, SHA-256 of the contents.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileDigest {
    pub name: String,
    pub size_bytes: u64,
    pub contents: Digest,
}

/// HMAC-SHA256 over the label and, in the order of their names, every file's name, size and digest.
pub(crate) fn snapshot(key: &hmac::Key, mut files: Vec<FileDigest>) -> Digest {
    files.sort();
    let mut context = hmac::Context::with_key(key);
    context.update(&lp(&[LABEL]));
    for file in &files {
        context.update(&lp(&[
            file.name.as_bytes(),
            &file.size_bytes.to_be_bytes(),
            file.contents.as_bytes(),
        ]));
    }
    Digest(context.sign().as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes"))
}

/// Hashes what passes through, so that what was parsed is what was hashed.
pub(crate) struct HashingReader<R> {
    inner: R,
    context: digest::Context,
    size_bytes: u64,
}

impl<R: Read> HashingReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        HashingReader { inner, context: digest::Context::new(&digest::SHA256), size_bytes: 0 }
    }

    /// How many bytes passed, and their SHA-256.
    pub(crate) fn finish(self) -> (u64, Digest) {
        let bytes = self.context.finish();
        (self.size_bytes, Digest(bytes.as_ref().try_into().expect("SHA-256 gives 32 bytes")))
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.context.update(&buffer[..count]);
        self.size_bytes += count as u64;
        Ok(count)
    }
}

/// Size and SHA-256 of a whole file, from its beginning.
pub(crate) fn digest_of(file: &mut File) -> io::Result<(u64, Digest)> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = HashingReader::new(file);
    let mut buffer = vec![0; 1 << 16];
    while reader.read(&mut buffer)? > 0 {}
    Ok(reader.finish())
}
