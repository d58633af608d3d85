//! One image's way into the cache.

use crate::{Image, ImageSource, SourceError};
use hostd_kit::fault::{self, Point};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// How often a fetch that gets nothing new is tried again.
const ATTEMPTS: u32 = 20;
/// Waits between attempts grow up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The largest disk that an image may hold.
const LARGEST_DISK: u64 = 64 << 40;

/// Why an image is not in the cache.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImageError {
    /// The disk is full.
    #[error("no space left for image {id} ({size} bytes)")]
    NoSpace {
        /// The image.
        id: String,
        /// Its size.
        size: u64,
    },
    /// The bytes are not those that the controller named.
    #[error("image {id} does not have the expected {what}")]
    Corrupt {
        /// The image.
        id: String,
        /// What differs.
        what: &'static str,
    },
    /// The source gave up.
    #[error("image {id} cannot be fetched")]
    Source {
        /// The image.
        id: String,
        /// Why.
        #[source]
        source: Arc<SourceError>,
    },
    /// The cache's files cannot be used.
    #[error("image {id} cannot be stored")]
    Store {
        /// The image.
        id: String,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
}

impl ImageError {
    pub(crate) fn io(image: &Image, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NoSpace { id: image.id.clone(), size: image.size }
            }
            _ => Self::Store { id: image.id.clone(), source: Arc::new(source) },
        }
    }

    fn corrupt(image: &Image, what: &'static str) -> Self {
        Self::Corrupt { id: image.id.clone(), what }
    }
}

/// A part of an image on disk and the digest of what is there.
struct Part {
    file: File,
    length: u64,
    hash: Sha256,
}

impl Part {
    /// Opens what an earlier fetch left, if anything.
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        // A waiter that gave up may have left a write behind: it ends before this one begins.
        file.lock()?;
        let mut hash = Sha256::new();
        let length = hash_rest(&mut file, &mut hash)?;
        Ok(Self { file, length, hash })
    }

    /// Adds bytes; zeroes become a hole.
    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        if bytes.iter().all(|byte| *byte == 0) {
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
        } else {
            self.file.write_all(bytes)?;
        }
        fault::reach(Point::ImagePart);
        Ok(())
    }
}

fn hash_rest(file: &mut File, hash: &mut Sha256) -> io::Result<u64> {
    let mut buffer = vec![0; 256 * 1024];
    let mut length = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(length);
        }
        hash.update(&buffer[..read]);
        length += read as u64;
    }
}

/// Fetches `image` to `path`. What was fetched stays as a part when the source fails, and goes when it is wrong or the
/// disk is full.
pub async fn fetch(source: &dyn ImageSource, image: &Image, path: &Path) -> Result<(), ImageError> {
    let part_path = part_path(path);
    let outcome = fetch_part(source, image, &part_path).await;
    if matches!(outcome, Err(ImageError::NoSpace { .. } | ImageError::Corrupt { .. })) {
        // Gone at the next start at the latest.
        let _ = fs::remove_file(&part_path);
    }
    outcome?;
    fault::reach(Point::ImageFetched);
    let ready = if image.qcow2 { raw(image, &part_path).await? } else { part_path };
    fs::rename(&ready, path).map_err(|error| ImageError::io(image, error))
}

/// Writes the disk of a fetched qcow2 image beside it, raw and sparse; the image goes.
async fn raw(image: &Image, part: &Path) -> Result<PathBuf, ImageError> {
    let (from, to) = (part.to_owned(), part.with_extension("raw.part"));
    let target = to.clone();
    let converted = blocking(move || {
        let made = convert(&from, &target);
        // Both are gone at the next start at the latest.
        let _ = fs::remove_file(&from);
        if made.is_err() {
            let _ = fs::remove_file(&target);
        }
        made
    });
    converted.await.map_err(|error| ImageError::io(image, error))?;
    Ok(to)
}

fn convert(from: &Path, to: &Path) -> io::Result<()> {
    let target = File::create(to)?;
    let done = vmm_disk::convert::convert_to_raw(File::open(from)?, &target, LARGEST_DISK, |_| {});
    done.map(drop).map_err(|error| match error {
        vmm_disk::ImageError::NoSpace => io::ErrorKind::StorageFull.into(),
        vmm_disk::ImageError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    })
}

/// The name of a part of the image at `path`.
pub fn part_path(path: &Path) -> PathBuf {
    path.with_extension("part")
}

async fn fetch_part(source: &dyn ImageSource, image: &Image, path: &Path) -> Result<(), ImageError> {
    let part_path = path.to_owned();
    let opened = blocking(move || Part::open(&part_path)).await;
    let mut part = opened.map_err(|error| ImageError::io(image, error))?;
    let mut fruitless = 0;
    while part.length < image.size {
        let before = part.length;
        let (back, ended) = receive(source, image, part).await;
        part = back?;
        fruitless = if part.length > before { 0 } else { fruitless + 1 };
        if let Some(error) = ended {
            if fruitless >= ATTEMPTS || matches!(error, SourceError::NotFound) {
                return Err(ImageError::Source { id: image.id.clone(), source: Arc::new(error) });
            }
            tokio::time::sleep(LONGEST_WAIT.min(Duration::from_millis(50 << fruitless.min(7)))).await;
        }
    }
    verify(image, part).await
}

/// Receives until the source ends; gives the part back, and why the source ended early.
async fn receive(
    source: &dyn ImageSource,
    image: &Image,
    mut part: Part,
) -> (Result<Part, ImageError>, Option<SourceError>) {
    let mut parts = source.open(image, part.length);
    while part.length < image.size {
        let bytes = match parts.recv().await {
            None => return (Ok(part), Some(SourceError::Interrupted("it ended early".into()))),
            Some(Err(error)) => return (Ok(part), Some(error)),
            Some(Ok(bytes)) => bytes,
        };
        if part.length + bytes.len() as u64 > image.size {
            return (Err(ImageError::corrupt(image, "size")), None);
        }
        let pushed = blocking(move || part.push(&bytes).map(|()| part)).await;
        part = match pushed {
            Ok(part) => part,
            Err(error) => return (Err(ImageError::io(image, error)), None),
        };
    }
    (Ok(part), None)
}

async fn verify(image: &Image, part: Part) -> Result<(), ImageError> {
    if part.length != image.size {
        return Err(ImageError::corrupt(image, "size"));
    }
    if part.hash.finalize()[..] != image.digest.0 {
        return Err(ImageError::corrupt(image, "digest"));
    }
    // Guests' overlays refer to it: it must survive the loss of power before they are made.
    let file = part.file;
    blocking(move || file.sync_all()).await.map_err(|error| ImageError::io(image, error))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(io::Error::other(error)),
    }
}
