//! Where hostd's files lie.
//!
//! ```text
//! <state>/identity/            key, certificate, CA, host id
//!        /ledger/journal       desired state
//!        /images/<sha256>      cached images; <sha256>.part while one is fetched
//!        /guests/<id>/         all that one guest leaves on this host but its taps and its cgroup
//! ```

use crate::ids::GuestId;
use std::path::{Path, PathBuf};

/// The state directory's layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    state: PathBuf,
}

impl Layout {
    /// The layout under `state`, for example `/var/lib/humilis/hostd`.
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self { state: state.into() }
    }

    /// The state directory itself.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The host's key and certificates.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.state.join("identity")
    }

    /// Desired state.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.state.join("ledger")
    }

    /// The image cache.
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.state.join("images")
    }

    /// All guests' directories.
    #[must_use]
    pub fn guests(&self) -> PathBuf {
        self.state.join("guests")
    }

    /// One guest's directory.
    #[must_use]
    pub fn guest(&self, id: &GuestId) -> GuestDir {
        GuestDir { dir: self.guests().join(id.as_str()) }
    }

    /// Makes the directories that are missing, readable by root alone.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(&self) -> std::io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        for dir in [self.identity(), self.ledger(), self.images(), self.guests()] {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        Ok(())
    }
}

/// One guest's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestDir {
    dir: PathBuf,
}

impl GuestDir {
    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// What hostd remembers of the guest's process.
    #[must_use]
    pub fn record(&self) -> PathBuf {
        self.dir.join("record.json")
    }

    /// What the guest wrote to its serial port.
    #[must_use]
    pub fn console(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    /// What the guest's process logged.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.dir.join("vmm.log")
    }

    /// The control socket.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.dir.join("control.sock")
    }

    /// The config drive.
    #[must_use]
    pub fn config_drive(&self) -> PathBuf {
        self.dir.join("config-drive.iso")
    }
}
