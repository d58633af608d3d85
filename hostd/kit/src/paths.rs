//! Where hostd's files lie.
//!
//! ```text
//! <state>/identity/            key, certificate, CA, host id
//!        /ledger/journal       desired state
//! <data>/images/<sha256>       cached images; <sha256>.part while one is fetched
//!       /guests/<id>/          all that one guest leaves on this host but its taps and its cgroup
//! ```
//!
//! Both are one directory where guests have no disk of their own.

use crate::ids::GuestId;
use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    state: PathBuf,
    data: PathBuf,
}

impl Layout {
    /// The layout under `state`, for example `/var/lib/humilis/hostd`.
    pub fn new(state: impl Into<PathBuf>) -> Self {
        let state = state.into();
        Self { data: state.clone(), state }
    }

    /// The same with images and guests under `data`.
    #[must_use]
    pub fn with_data(self, data: impl Into<PathBuf>) -> Self {
        Self { data: data.into(), ..self }
    }

    /// The state directory itself.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Where images and guests are.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
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
        self.data.join("images")
    }

    /// All guests' directories.
    #[must_use]
    pub fn guests(&self) -> PathBuf {
        self.data.join("guests")
    }

    /// One guest's directory.
    #[must_use]
    pub fn guest(&self, id: &GuestId) -> GuestDir {
        GuestDir { dir: self.guests().join(id.as_str()) }
    }

    /// Makes the directories of state that are missing, readable by root alone.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(&self) -> io::Result<()> {
        for dir in [self.identity(), self.ledger()] {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        Ok(())
    }

    /// Makes the directories of images and guests that are missing, below one that must be there: it may be another disk's.
    ///
    /// # Errors
    /// Those of the file system; `NotFound` where that disk is not there.
    pub fn create_data(&self) -> io::Result<()> {
        for dir in [self.images(), self.guests()] {
            match DirBuilder::new().mode(0o700).create(dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
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
