//! Where things lie.

use std::path::{Path, PathBuf};

/// The checkout.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Cargo's target directory: `CARGO_TARGET_DIR`, else `target` in the checkout.
#[must_use]
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}

/// What is slow to make and can be made again: packages, virtual environments, images. `HUMILIS_CACHE`, else beside the target.
#[must_use]
pub fn cache() -> PathBuf {
    std::env::var_os("HUMILIS_CACHE").map_or_else(|| target().join("humilis-cache"), PathBuf::from)
}
