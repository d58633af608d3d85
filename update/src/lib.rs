//! Update bundles: the files of a new version of the appliance in one file that its maker has signed.
//!
//! Owns the format, who may vouch for a bundle ([`Keys`]) and how its files get out of it. It must not know where bundles come from
//! nor what is done with the files.
//!
//! ```text
//! humilis-update 1\n
//! {"version":"1.2.0","files":[{"name":"humilis_1.2.0.root","size":73400320,"sha256":"..."}, ...]}\n
//! ed25519 signature of both lines, hex\n
//! the files' bytes, one after the other, and nothing behind them
//! ```
//!
//! Invariants: nothing of a bundle is believed, and none of its bytes is written, before its signature was found right; a file has
//! its name only when all files of the bundle are whole and on the disk.

use std::path::PathBuf;

/// Keys that a machine trusts: those that its image came with, and those that an operator added.
pub const KEYS: [&str; 2] = ["/usr/lib/humilis/update.keys", "/etc/humilis/update.keys"];

/// The files of [`KEYS`].
#[must_use]
pub fn key_files() -> Vec<PathBuf> {
    KEYS.map(PathBuf::from).to_vec()
}

mod header;
mod key;
mod read;
mod write;

pub use header::{Entry, Header, Malformed};
pub use key::{BadKey, BadKeys, Keys, SigningKey};
pub use read::{Bundle, Refused};
pub use write::{NotWritten, write};

#[cfg(test)]
mod tests;
