//! Named network namespaces: made, entered, removed.
//!
//! A namespace is kept alive by a bind mount at its name, as iproute2 does it. Entering happens on a thread of its own that
//! ends afterwards, so no thread of the runtime ever changes its namespace.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::error::NetError;

/// The directory of named namespaces.
#[derive(Clone, Debug)]
pub(crate) struct Namespaces {
    dir: PathBuf,
}

impl Namespaces {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Names of the namespaces that start with one of the prefixes.
    pub(crate) fn list(&self, prefixes: &[&str]) -> Result<Vec<String>, NetError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(NetError::io("list network namespaces")(e)),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix))).collect())
    }

    /// Makes the namespace unless it is there. True if it was made.
    pub(crate) async fn ensure(&self, name: &str) -> Result<bool, NetError> {
        let path = self.path(name);
        if File::open(&path).is_ok_and(|file| is_namespace(&file)) {
            return Ok(false);
        }
        let action = format!("make network namespace {name}");
        share(&self.dir).map_err(NetError::io(&*action))?;
        on_thread(move || make(&path)).await.map_err(NetError::io(action))?;
        Ok(true)
    }

    /// Removes the namespace's name; it ends when its last socket is closed.
    pub(crate) fn remove(&self, name: &str) -> Result<(), NetError> {
        let path = self.path(name);
        match umount2(&path, MntFlags::MNT_DETACH) {
            Ok(()) | Err(nix::Error::EINVAL | nix::Error::ENOENT) => {}
            Err(e) => return Err(NetError::io(format!("unmount network namespace {name}"))(e)),
        }
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(NetError::io(format!("remove network namespace {name}"))(e))
            }
            _ => Ok(()),
        }
    }

    /// The namespace as a descriptor.
    pub(crate) fn open(&self, name: &str) -> Result<OwnedFd, NetError> {
        let file = File::open(self.path(name)).map_err(NetError::io(format!("open network namespace {name}")))?;
        Ok(file.into())
    }

    /// Runs the work in the namespace, on a thread with the runtime's context.
    pub(crate) async fn enter<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, NetError> {
        let namespace = self.open(name)?;
        let runtime = Handle::current();
        on_thread(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNET)?;
            let _context = runtime.enter();
            work()
        })
        .await
        .map_err(NetError::io(format!("work in network namespace {name}")))
    }
}

/// Makes the directory a shared mount of its own, as iproute2 does before it makes its first namespace. If it came second, it
/// would copy our mounts, and our names could not be removed any more.
fn share(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let make_shared = || mount(None::<&str>, dir, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    match make_shared() {
        Err(nix::Error::EINVAL) => {
            mount(Some(dir), dir, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?;
            Ok(make_shared()?)
        }
        done => Ok(done?),
    }
}

/// A bind-mounted namespace is on nsfs; the empty file of an interrupted start is not.
fn is_namespace(file: &File) -> bool {
    nix::sys::statfs::fstatfs(file).is_ok_and(|fs| fs.filesystem_type() == nix::sys::statfs::NSFS_MAGIC)
}

fn make(path: &Path) -> io::Result<()> {
    File::create(path)?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    let own = Path::new("/proc/thread-self/ns/net");
    let mounted = mount(Some(own), path, None::<&str>, MsFlags::MS_BIND, None::<&str>);
    if mounted.is_err() {
        // The empty file would look like a namespace to people.
        fs::remove_file(path)?;
    }
    Ok(mounted?)
}

async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    thread::Builder::new().name("netns".to_owned()).spawn(move || {
        // The caller may have gone away; there is nobody else to tell.
        let _gone = done.send(work());
    })?;
    result.await.map_err(|_| io::Error::other("the thread in the network namespace panicked"))?
}
