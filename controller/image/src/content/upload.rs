//! Bytes on their way in: written aside, digested as they pass, given their name at the end.

use super::{ContentStore, FormatError, format};
use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512};
use std::{io, path::PathBuf};
use tokio::{
    fs::{self, File},
    io::AsyncWriteExt as _,
};

/// An upload under way. Dropped, it leaves nothing.
pub struct Upload {
    store: ContentStore,
    path: PathBuf,
    file: File,
    digests: Digests,
    size: u64,
    finished: bool,
}

#[derive(Default)]
struct Digests {
    md5: Md5,
    sha256: Sha256,
    sha512: Sha512,
}

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Number of bytes.
    pub size: u64,
    /// Size of the disk that a guest will see.
    pub virtual_size: u64,
    /// MD5, hex (`checksum`).
    pub md5: String,
    /// SHA-256, hex: its name in the store.
    pub sha256: String,
    /// SHA-512, hex (`os_hash_value`).
    pub sha512: String,
}

/// Why an upload was refused or broke off.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The bytes are not what the image's format says.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The disk is full.
    #[error("there is no space left for images")]
    NoSpace,
    /// The disk failed.
    #[error("image bytes cannot be stored")]
    Io(#[source] io::Error),
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            _ => Self::Io(error),
        }
    }
}

impl Upload {
    pub(super) async fn create(store: ContentStore, path: PathBuf) -> io::Result<Self> {
        let file = File::create_new(&path).await?;
        Ok(Self { store, path, file, digests: Digests::default(), size: 0, finished: false })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.digests.md5.update(bytes);
        self.digests.sha256.update(bytes);
        self.digests.sha512.update(bytes);
        self.size += bytes.len() as u64;
        Ok(self.file.write_all(bytes).await?)
    }

    /// Number of bytes taken.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Checks the bytes against the format and puts them into the store, durably.
    ///
    /// # Errors
    /// When the format does not hold, or the disk is full or fails; nothing is left then.
    pub async fn finish(mut self, disk_format: &str) -> Result<Finished, UploadError> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        let (path, format) = (self.path.clone(), disk_format.to_owned());
        let checked = tokio::task::spawn_blocking(move || format::check(&path, &format)).await;
        let virtual_size = checked.map_err(io::Error::other)??;
        let digests = std::mem::take(&mut self.digests);
        let finished = Finished {
            size: self.size,
            virtual_size,
            md5: hex::encode(digests.md5.finalize()),
            sha256: hex::encode(digests.sha256.finalize()),
            sha512: hex::encode(digests.sha512.finalize()),
        };
        let blob = self.store.blob(&finished.sha256);
        fs::rename(&self.path, &blob).await?;
        self.finished = true;
        if let Some(directory) = blob.parent() {
            File::open(directory).await?.sync_all().await?;
        }
        Ok(finished)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.finished {
            // A file that stays is removed at the next start.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt as _;

    async fn store() -> (tempfile::TempDir, ContentStore) {
        let directory = tempfile::tempdir().unwrap();
        let store = ContentStore::open(directory.path()).await.unwrap();
        (directory, store)
    }

    #[tokio::test]
    async fn bytes_come_back_as_they_went_in() {
        let (_directory, store) = store().await;
        let mut upload = store.upload().await.unwrap();
        upload.write(b"hello ").await.unwrap();
        upload.write(b"world").await.unwrap();
        let done = upload.finish("raw").await.unwrap();
        assert_eq!((done.size, done.virtual_size), (11, 11));
        assert_eq!(done.md5, "5eb63bbbe01eeed093cb22bb8f5acdc3");
        let bytes: Vec<_> = store.read(&done.sha256, 6, 3).await.unwrap().unwrap().try_collect().await.unwrap();
        assert_eq!(bytes.concat(), b"wor");
    }

    #[tokio::test]
    async fn an_upload_that_is_not_finished_leaves_nothing() {
        let (directory, store) = store().await;
        let mut upload = store.upload().await.unwrap();
        upload.write(b"half").await.unwrap();
        drop(upload);
        assert_eq!(std::fs::read_dir(directory.path().join("tmp")).unwrap().count(), 0);
        assert!(store.list().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_qcow2_that_is_none_is_refused_and_leaves_nothing() {
        let (directory, store) = store().await;
        let mut upload = store.upload().await.unwrap();
        upload.write(b"QFI\xfb and then nothing").await.unwrap();
        assert!(matches!(upload.finish("qcow2").await, Err(UploadError::Format(_))));
        assert_eq!(std::fs::read_dir(directory.path().join("tmp")).unwrap().count(), 0);
        assert!(store.list().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_sweep_keeps_what_images_name() {
        let (_directory, store) = store().await;
        let mut names = Vec::new();
        for bytes in [b"a", b"b"] {
            let mut upload = store.upload().await.unwrap();
            upload.write(bytes).await.unwrap();
            names.push(upload.finish("raw").await.unwrap().sha256);
        }
        store.sweep(&HashSet::from([names[0].clone()])).await.unwrap();
        assert_eq!(store.list().await.unwrap(), HashSet::from([names[0].clone()]));
    }

    use std::collections::HashSet;
}
