//! The store of bytes: a directory with a file per content, named by its SHA-256.
//!
//! ```text
//! tmp/<random>  --upload ends, format holds, rename-->  blobs/<sha256>  --no image refers to it-->  removed
//! ```
//! A crash leaves at most a file in `tmp/`, which the next start removes, or a blob that no image names, which
//! [`ContentStore::sweep`] removes.

mod format;
mod upload;

pub use format::FormatError;
pub use upload::{Upload, UploadError};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use std::{
    collections::HashSet,
    io::{self, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    fs::{self, File},
    io::{AsyncReadExt as _, AsyncSeekExt as _},
};
use tokio_util::io::ReaderStream;

/// The unit in which bytes are read for hosts and tenants.
const CHUNK: usize = 256 * 1024;

/// The store; cheap to clone.
#[derive(Clone, Debug)]
pub struct ContentStore {
    root: Arc<PathBuf>,
}

impl ContentStore {
    /// Opens the store, making its directories and removing uploads that a crash cut off.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub async fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root.join("blobs")).await?;
        let aside = root.join("tmp");
        if fs::try_exists(&aside).await? {
            fs::remove_dir_all(&aside).await?;
        }
        fs::create_dir_all(&aside).await?;
        Ok(Self { root: Arc::new(root.to_owned()) })
    }

    /// Starts an upload.
    ///
    /// # Errors
    /// When no file can be made.
    pub async fn upload(&self) -> io::Result<Upload> {
        let name = controller_base::id::OperationId::random().to_string();
        Upload::create(self.clone(), self.root.join("tmp").join(name)).await
    }

    /// The bytes from `offset` on, at most `length`; `None` when the store has no such content.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn read(
        &self,
        sha256: &str,
        offset: u64,
        length: u64,
    ) -> io::Result<Option<BoxStream<'static, io::Result<Bytes>>>> {
        let mut file = match File::open(self.blob(sha256)).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(offset)).await?;
        let bytes = ReaderStream::with_capacity(file.take(length), CHUNK);
        Ok(Some(bytes.boxed()))
    }

    /// Removes a content. Without it nothing happens.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub async fn remove(&self, sha256: &str) -> io::Result<()> {
        match fs::remove_file(self.blob(sha256)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Names of all contents, for the sweep and the audit.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn list(&self) -> io::Result<HashSet<String>> {
        let mut entries = fs::read_dir(self.root.join("blobs")).await?;
        let mut names = HashSet::new();
        while let Some(entry) = entries.next_entry().await? {
            names.extend(entry.file_name().into_string().ok());
        }
        Ok(names)
    }

    /// Removes the contents that no image names. Runs at the start, when no upload is under way.
    ///
    /// # Errors
    /// When the directory cannot be read or a file not be removed.
    pub async fn sweep(&self, named: &HashSet<String>) -> io::Result<()> {
        for stray in self.list().await?.difference(named) {
            self.remove(stray).await?;
        }
        Ok(())
    }

    fn blob(&self, sha256: &str) -> PathBuf {
        // Names come from digests only; anything else must not leave the directory.
        let name: String = sha256.chars().filter(char::is_ascii_hexdigit).collect();
        self.root.join("blobs").join(name)
    }
}

/// An empty stream of bytes.
pub(crate) fn nothing() -> BoxStream<'static, io::Result<Bytes>> {
    stream::empty().boxed()
}
