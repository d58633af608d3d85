//! Who waits for which image, who uses it, and what goes when there is too much.

use crate::{
    Digest, Image, ImageError, ImageSource,
    fetch::{fetch, part_path},
    kernel::{self, kernel_path},
};
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::SystemTime,
};
use tokio::sync::OnceCell;

/// The cache; clones share it.
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    source: Arc<dyn ImageSource>,
    bound: u64,
    state: Mutex<State>,
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
        Self { shared: Arc::new(Shared { dir: dir.into(), source, bound, state: Mutex::default() }) }
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
        let path = lease.path.clone();
        let source = self.shared.source.clone();
        let fetching = async {
            match fs::metadata(&path) {
                // A converted image is as long as the disk in it; its name was given only when it was whole.
                Ok(found) if image.qcow2 || found.len() == image.size => Ok(()),
                // The digest is right and the size is not: the controller contradicts itself.
                Ok(_) => Err(ImageError::Corrupt { id: image.id.clone(), what: "size" }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => fetch(&*source, image, &path).await,
                Err(error) => Err(ImageError::io(image, error)),
            }
        };
        lease.slot.ready.get_or_try_init(|| fetching).await?;
        Ok(lease)
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
        let files = self.shared.files();
        (files.iter().map(|file| file.bytes).sum(), files.len())
    }

    /// Names of files in the cache that are no images, and of parts that nobody fetches.
    #[must_use]
    pub fn strangers(&self) -> Vec<PathBuf> {
        let state = self.shared.state();
        let being_made = [".raw.part", ".kernel.part", ".part"];
        let wanted = |name: &str| match being_made.iter().find_map(|suffix| name.strip_suffix(suffix)) {
            Some(stem) => stem.parse().is_ok_and(|digest: Digest| state.slots.contains_key(&digest)),
            None => name.strip_suffix(".kernel").unwrap_or(name).parse::<Digest>().is_ok(),
        };
        let entries = fs::read_dir(&self.shared.dir).into_iter().flatten().flatten();
        entries.filter(|entry| !entry.file_name().to_str().is_some_and(wanted)).map(|entry| entry.path()).collect()
    }
}

struct CachedFile {
    path: PathBuf,
    digest: Digest,
    bytes: u64,
    used: SystemTime,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.dir.join(digest.to_string())
    }

    fn files(&self) -> Vec<CachedFile> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries.filter_map(|entry| cached_file(&entry)).collect()
    }

    /// Removes unused images over the bound, those first whose last use is longest ago.
    fn evict(&self) {
        // The lock is held so that nobody takes a lease on a file that is going.
        let mut state = self.state();
        state.slots.retain(|_, slot| slot.strong_count() > 0);
        if !state.evicting {
            return;
        }
        let mut unused = self.files();
        unused.retain(|file| !state.slots.contains_key(&file.digest));
        unused.sort_by_key(|file| file.used);
        let mut total: u64 = unused.iter().map(|file| file.bytes).sum();
        for file in unused {
            if total <= self.bound {
                break;
            }
            match fs::remove_file(&file.path) {
                Ok(()) => tracing::info!(image = %file.digest, "evicted an image that is not used"),
                Err(error) => tracing::warn!(image = %file.digest, %error, "cannot evict an image"),
            }
            // Nobody fetches it: a slot would stand for it.
            let _ = fs::remove_file(part_path(&file.path));
            let _ = fs::remove_file(kernel_path(&file.path));
            total -= file.bytes;
        }
    }
}

fn cached_file(entry: &fs::DirEntry) -> Option<CachedFile> {
    use std::os::unix::fs::MetadataExt;
    let digest = entry.file_name().to_str()?.parse().ok()?;
    let (path, found) = (entry.path(), entry.metadata().ok()?);
    let kernel = fs::metadata(kernel_path(&path)).map_or(0, |kernel| kernel.blocks());
    Some(CachedFile { path, digest, bytes: (found.blocks() + kernel) * 512, used: found.modified().ok()? })
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
