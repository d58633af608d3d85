//! Who waits for which image, who uses it, and what goes when there is too much.

pub(crate) mod files;

use crate::{
    Digest, Image, ImageError, ImageSource, Pace,
    fetch::{Received, blocking, fetch},
    kernel, make,
};
use files::{Files, original_path, part_path};
use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, SystemTime},
};
use tokio::sync::{OnceCell, watch};

/// How long a part is kept that nobody waits for.
const PART_KEPT: Duration = Duration::from_secs(86_400);

/// The cache; clones share it.
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    source: Arc<dyn ImageSource>,
    bound: u64,
    pace: Pace,
    state: Mutex<State>,
    /// Changes when an image came or went.
    changes: watch::Sender<()>,
    received: Received,
}

#[derive(Default)]
struct State {
    slots: HashMap<Digest, Weak<Slot>>,
    evicting: bool,
}

/// One image in use or on its way.
struct Slot {
    digest: Digest,
    ready: OnceCell<()>,
    /// The file that a direct start takes, once it is known.
    kernel: OnceCell<PathBuf>,
    cache: Weak<Shared>,
}

/// Keeps an image in the cache. Drop it when nothing refers to the file any more.
#[derive(Clone)]
pub struct Lease {
    slot: Arc<Slot>,
    path: PathBuf,
}

impl Lease {
    /// The image's file. It is there when the lease came from [`Cache::get`].
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The image's digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.slot.digest
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Lease").field(&self.slot.digest).finish()
    }
}

impl Cache {
    /// The cache in `dir`. Images without a lease may take up to `bound` bytes; nothing is evicted before [`Cache::allow_eviction`].
    pub fn new(dir: impl Into<PathBuf>, source: Arc<dyn ImageSource>, bound: u64) -> Self {
        Self::paced(dir, source, bound, Pace::default())
    }

    /// The same with a pace of its own.
    pub fn paced(dir: impl Into<PathBuf>, source: Arc<dyn ImageSource>, bound: u64, pace: Pace) -> Self {
        let (state, changes, received) = (Mutex::default(), watch::Sender::new(()), Received::default());
        Self { shared: Arc::new(Shared { dir: dir.into(), source, bound, pace, state, changes, received }) }
    }

    /// From now on unused images may go. Called when every guest that has a disk on this host holds its lease.
    pub fn allow_eviction(&self) {
        self.shared.state().evicting = true;
        self.shared.evict();
    }

    /// Keeps an image in the cache without fetching it.
    #[must_use]
    pub fn hold(&self, digest: Digest) -> Lease {
        let mut state = self.shared.state();
        let known = state.slots.get(&digest).and_then(Weak::upgrade);
        let slot = known.unwrap_or_else(|| {
            let cache = Arc::downgrade(&self.shared);
            let slot = Arc::new(Slot { digest, ready: OnceCell::new(), kernel: OnceCell::new(), cache });
            state.slots.insert(digest, Arc::downgrade(&slot));
            slot
        });
        Lease { slot, path: self.shared.path(digest) }
    }

    /// The image's file, fetched if it is not there. Any number may wait for the same image.
    ///
    /// # Errors
    /// See [`ImageError`]; a later call tries again.
    pub async fn get(&self, image: &Image) -> Result<Lease, ImageError> {
        let lease = self.hold(image.digest);
        let fetching = self.bring(image, &lease.path);
        lease.slot.ready.get_or_try_init(|| fetching).await?;
        Ok(lease)
    }

    async fn bring(&self, image: &Image, path: &Path) -> Result<(), ImageError> {
        // A converted image is as long as the disk in it; its name was given only when it was whole.
        if is_there(image, path, image.qcow2)? {
            return Ok(());
        }
        let original = original_path(path);
        if !is_there(image, &original, false)? {
            let part = part_path(path);
            let Shared { source, pace, received, .. } = &*self.shared;
            fetch(source, image, &part, *pace, received).await?;
            fs::rename(&part, &original).map_err(|error| ImageError::io(image, error))?;
        }
        if let Err(error) = make::make(image, path).await {
            // It takes room, or is not what it was any more: fetched anew by the next attempt.
            let _ = fs::remove_file(&original);
            return Err(error);
        }
        self.shared.changes.send_replace(());
        Ok(())
    }

    /// The images that other hosts may get from here.
    #[must_use]
    pub fn shareable(&self) -> Vec<Digest> {
        let least = self.shared.pace.least_shared;
        let large = |files: &Files| files.image && files.original.as_ref().is_some_and(|(_, bytes)| *bytes >= least);
        files::list(&self.shared.dir)
            .0
            .into_iter()
            .filter(|(_, files)| large(files))
            .map(|(digest, _)| digest)
            .collect()
    }

    /// Tells when that may have changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.shared.changes.subscribe()
    }

    /// The bytes of an image as uploaded, for another host.
    ///
    /// # Errors
    /// Those of the file system; `NotFound` when they are not kept.
    pub async fn original(&self, digest: Digest) -> io::Result<File> {
        let path = original_path(&self.shared.path(digest));
        blocking(move || File::open(path)).await
    }

    /// A kernel's file for a direct start: prepared once where its packing allows it, else the image itself.
    ///
    /// # Errors
    /// As [`Cache::get`]; a kernel that cannot be prepared is no error.
    pub async fn get_kernel(&self, image: &Image) -> Result<(Lease, PathBuf), ImageError> {
        let lease = self.get(image).await?;
        let path = lease.slot.kernel.get_or_init(|| kernel::prepared(image.digest, lease.path())).await.clone();
        Ok((lease, path))
    }

    /// Bytes that the cache takes on the disk, and the number of images.
    #[must_use]
    pub fn usage(&self) -> (u64, usize) {
        let (images, _) = files::list(&self.shared.dir);
        (images.values().map(|files| files.bytes).sum(), images.values().filter(|files| files.image).count())
    }

    /// Bytes of images that came from the controller, and from other hosts.
    #[must_use]
    pub fn received(&self) -> (u64, u64) {
        self.shared.received.both()
    }

    /// Names of files in the cache that are of no image.
    #[must_use]
    pub fn strangers(&self) -> Vec<PathBuf> {
        files::list(&self.shared.dir).1
    }
}

/// Whether an image's file is there, of whatever length or of its own.
fn is_there(image: &Image, path: &Path, any_length: bool) -> Result<bool, ImageError> {
    match fs::metadata(path) {
        Ok(found) if any_length || found.len() == image.size => Ok(true),
        // The digest is right and the size is not: the controller contradicts itself.
        Ok(_) => Err(ImageError::Corrupt { id: image.id.clone(), what: "size" }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(ImageError::io(image, error)),
    }
}

/// Files that may go together.
struct Unused {
    digest: Digest,
    paths: Vec<PathBuf>,
    bytes: u64,
    used: Option<SystemTime>,
    /// Nobody will want it.
    stale: bool,
}

impl Unused {
    fn of(digest: Digest, files: Files) -> Self {
        let old = files.used.and_then(|used| used.elapsed().ok()).is_some_and(|age| age > PART_KEPT);
        let stale = old && !files.image && files.original.is_none();
        Self { digest, paths: files.paths, bytes: files.bytes, used: files.used, stale }
    }

    /// Guests need the disk, and nobody but other hosts what it was made of.
    fn spare(digest: Digest, files: Files) -> Option<Self> {
        let (path, _) = files.original.filter(|_| files.image && files.spare > 0)?;
        Some(Self { digest, paths: vec![path], bytes: files.spare, used: files.used, stale: false })
    }

    fn remove(&self) {
        for path in &self.paths {
            match fs::remove_file(path) {
                Ok(()) => tracing::info!(image = %self.digest, path = %path.display(), "evicted what is not used"),
                Err(error) => tracing::warn!(path = %path.display(), %error, "cannot evict what is not used"),
            }
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.dir.join(digest.to_string())
    }

    /// Removes what is not used over the bound, that first whose last use is longest ago.
    fn evict(&self) {
        // The lock is held so that nobody takes a lease on a file that is going.
        let mut state = self.state();
        state.slots.retain(|_, slot| slot.strong_count() > 0);
        if !state.evicting {
            return;
        }
        let unused = |(digest, files)| match state.slots.contains_key(&digest) {
            true => Unused::spare(digest, files),
            false => Some(Unused::of(digest, files)),
        };
        let mut unused: Vec<_> = files::list(&self.dir).0.into_iter().filter_map(unused).collect();
        unused.sort_by_key(|unused| unused.used);
        let mut total: u64 = unused.iter().map(|unused| unused.bytes).sum();
        let mut changed = false;
        for unused in unused {
            if total > self.bound || unused.stale {
                unused.remove();
                total -= unused.bytes;
                changed = true;
            }
        }
        if changed {
            self.changes.send_replace(());
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(cache) = self.cache.upgrade() {
            // The time of the last use, for the order of eviction.
            if let Ok(file) = fs::File::open(cache.path(self.digest)) {
                let _ = file.set_modified(SystemTime::now());
            }
            cache.evict();
        }
    }
}

#[cfg(test)]
mod tests;
