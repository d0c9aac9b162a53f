//! Files on disk that only this process can read: they have no name, and their contents are encrypted with a key that
//! is nowhere but in memory. Whoever keeps, copies or changes the disk learns and feigns nothing.
//!
//! A file is a row of blocks, each sealed by AES-256-GCM under the file's own random key with its number as the nonce.
//! A block that was changed or moved cannot be read.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use datafusion::parquet::errors::Result;
use datafusion::parquet::file::reader::{ChunkReader, Length};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use crate::shared_file::read_at;

/// Bytes of a block before it is sealed; the last may be shorter.
const BLOCK_BYTES: usize = 1 << 14;
const SEALED_BYTES: usize = BLOCK_BYTES + 16;

/// A file while it is written, once from beginning to end.
pub(crate) struct SealedWriter {
    file: File,
    key: Arc<LessSafeKey>,
    block: Vec<u8>,
    blocks: u64,
}

impl SealedWriter {
    /// Writes into an empty file.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let mut key = [0; 32];
        SystemRandom::new().fill(&mut key).map_err(|_| io::Error::other("the system gives no random key"))?;
        let key = UnboundKey::new(&AES_256_GCM, &key).expect("AES-256 has keys of 32 bytes");
        let block = Vec::with_capacity(SEALED_BYTES);
        Ok(SealedWriter { file, key: Arc::new(LessSafeKey::new(key)), block, blocks: 0 })
    }

    /// The file to be read.
    pub(crate) fn finish(mut self) -> io::Result<Sealed> {
        let size_bytes = self.blocks * BLOCK_BYTES as u64 + self.block.len() as u64;
        if !self.block.is_empty() {
            self.seal()?;
        }
        Ok(Sealed { file: Arc::new(self.file), key: self.key, size_bytes })
    }

    fn seal(&mut self) -> io::Result<()> {
        self.key
            .seal_in_place_append_tag(nonce(self.blocks), Aad::empty(), &mut self.block)
            .map_err(|_| io::Error::other("a block is too long"))?;
        self.file.write_all(&self.block)?;
        self.block.clear();
        self.blocks += 1;
        Ok(())
    }
}

impl Write for SealedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&bytes[..count]);
        if self.block.len() == BLOCK_BYTES {
            self.seal()?;
        }
        Ok(count)
    }

    /// A block is written when it is full, and the last at the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A finished file, which several threads may read at once.
#[derive(Clone)]
pub(crate) struct Sealed {
    file: Arc<File>,
    key: Arc<LessSafeKey>,
    size_bytes: u64,
}

impl Sealed {
    /// Exactly these bytes.
    pub(crate) fn bytes(&self, start: u64, length: usize) -> io::Result<Bytes> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.size_bytes);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut bytes = Vec::with_capacity(length);
        let mut at = start;
        while at < end {
            let (block, skipped) = (at / BLOCK_BYTES as u64, (at % BLOCK_BYTES as u64) as usize);
            // Many blocks at once, that the disk need not be asked for each.
            let blocks = (end.div_ceil(BLOCK_BYTES as u64) - block).min(64) as usize;
            let mut sealed = vec![0; blocks * SEALED_BYTES];
            let sealed_length = self.fill(&mut sealed, block * SEALED_BYTES as u64)?;
            let mut rest = skipped;
            for (number, block) in (block..).zip(sealed[..sealed_length].chunks_mut(SEALED_BYTES)) {
                let opened = self.key.open_in_place(nonce(number), Aad::empty(), block).map_err(|_| {
                    io::Error::new(io::ErrorKind::InvalidData, "the scratch file was changed")
                })?;
                let wanted = opened.get(rest..).ok_or(io::ErrorKind::UnexpectedEof)?;
                let wanted = &wanted[..wanted.len().min(length - bytes.len())];
                bytes.extend_from_slice(wanted);
                at += wanted.len() as u64;
                rest = 0;
            }
            if sealed_length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(bytes.into())
    }

    /// Reads until `into` is full or the file ends.
    fn fill(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            match read_at(&self.file, &mut into[filled..], at + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// A reader that begins at `start`.
    pub(crate) fn from(&self, start: u64) -> Reading {
        Reading { file: self.clone(), at: start }
    }
}

impl Length for Sealed {
    fn len(&self) -> u64 {
        self.size_bytes
    }
}

impl ChunkReader for Sealed {
    type T = io::BufReader<Reading>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(io::BufReader::with_capacity(BLOCK_BYTES, self.from(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        Ok(self.bytes(start, length)?)
    }
}

/// Reads on from a place of its own.
pub(crate) struct Reading {
    file: Sealed,
    at: u64,
}

impl Reading {
    /// How far it has read.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }
}

impl Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.file.size_bytes.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let count = into.len().min(left);
        into[..count].copy_from_slice(&self.file.bytes(self.at, count)?);
        self.at += count as u64;
        Ok(count)
    }
}

/// A key seals each number once.
fn nonce(block: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - 8..].copy_from_slice(&block.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
impl Sealed {
    /// Turns one bit of the file on disk.
    pub(crate) fn tamper(&self, at: u64) {
        use std::io::{Seek, SeekFrom};
        let mut byte = [0];
        let mut file = self.file.try_clone().expect("a second handle");
        assert_eq!(self.fill(&mut byte, at).expect("a file that can be read"), 1);
        file.seek(SeekFrom::Start(at)).expect("a place in the file");
        file.write_all(&[byte[0] ^ 1]).expect("a file that can be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(contents: &[u8]) -> Sealed {
        let mut writer = SealedWriter::new(tempfile::tempfile().expect("a new file")).expect("a key");
        // In pieces that do not fit the blocks.
        contents.chunks(1_000).for_each(|piece| writer.write_all(piece).expect("room on disk"));
        writer.finish().expect("room on disk")
    }

    #[test]
    fn any_part_is_read_as_it_was_written_and_the_disk_has_none_of_it() {
        for length in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 70 * BLOCK_BYTES + 9] {
            let contents: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let file = sealed(&contents);
            assert_eq!(file.len(), length as u64);
            let ends = [0, 1, 17, BLOCK_BYTES - 1, BLOCK_BYTES, 65 * BLOCK_BYTES - 3, length];
            for start in ends.into_iter().filter(|start| *start <= length) {
                for end in ends.into_iter().filter(|end| (start..=length).contains(end)) {
                    let found = file.bytes(start as u64, end - start).expect("within the file");
                    assert!(found == contents[start..end], "{start}..{end} of {length}");
                }
            }
            assert!(file.bytes(length as u64, 1).is_err() && file.bytes(u64::MAX, 2).is_err());
            let mut all = Vec::new();
            file.from(0).read_to_end(&mut all).expect("a file that can be read");
            assert!(all == contents);
            let mut on_disk = vec![0; length + 16 * length.div_ceil(BLOCK_BYTES)];
            assert_eq!(file.fill(&mut on_disk, 0).expect("a file that can be read"), on_disk.len());
            assert!(
                length < 300
                    || !on_disk.windows(64).any(|bytes| contents[..300].windows(64).any(|own| own == bytes))
            );
        }
    }

    #[test]
    fn a_changed_block_is_found_and_the_others_are_read() {
        let file = sealed(&vec![7; 3 * BLOCK_BYTES]);
        file.tamper(SEALED_BYTES as u64 + 5);
        assert!(file.bytes(0, BLOCK_BYTES).is_ok() && file.bytes(2 * BLOCK_BYTES as u64, 5).is_ok());
        let error = file.bytes(0, BLOCK_BYTES + 1).expect_err("the second block was changed");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        file.tamper(SEALED_BYTES as u64 + 5);
        assert!(file.bytes(0, 3 * BLOCK_BYTES).is_ok());
    }
}
