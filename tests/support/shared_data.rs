//! Where real and published data for tests lie.

use std::path::{Path, PathBuf};

/// A folder of shared data, or a loud skip.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("ALMONER_SHARED_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not there; set ALMONER_SHARED_DATA to run this test", path.display());
    None
}
