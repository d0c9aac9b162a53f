//! The key that all agencies share, and nobody else, for counting distinct units that several of them hold.

use std::path::Path;

use almoner_federation::Digest;
use ring::rand::SecureRandom;
use zeroize::Zeroizing;

use crate::keys::KeysError;
use crate::keys::files::write_secret_bytes;

/// Its name in an agency's key folder.
const FILE: &str = "sketch.key";

/// Puts units into buckets. Privacy does not rest on it: it only keeps outsiders from telling buckets.
pub struct SketchKey(Zeroizing<[u8; 32]>);

impl SketchKey {
    /// A new one.
    ///
    /// # Errors
    /// [`KeysError::Random`].
    pub fn generate(random: &dyn SecureRandom) -> Result<SketchKey, KeysError> {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(bytes.as_mut_slice()).map_err(|_| KeysError::Random)?;
        Ok(SketchKey(bytes))
    }

    /// Writes `sketch.key` into a folder.
    ///
    /// # Errors
    /// [`KeysError::Exists`] when there is one.
    pub fn write(&self, folder: &Path) -> Result<(), KeysError> {
        write_secret_bytes(folder, FILE, &self.0)
    }

    /// What the manifest says of it, as a line of `[unit]`.
    pub fn line(&self) -> String {
        format!("sketch_key_sha256 = \"{}\"\n", Digest::of(self.0.as_slice()))
    }
}
