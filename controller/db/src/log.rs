//! What is committed gets onto the disk: many commits by one sync.
//!
//! Left to itself SQLite syncs its log at each commit, while nobody else can write. Here a commit writes to the log (`synchronous =
//! NORMAL`), lets the next writer in, and returns when the log was synced by anybody after that.

use std::{
    fmt,
    fs::File,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Mutex;

/// What was committed may not be on the disk, and the kernel forgets what it could not write: only a new start tells what is there.
pub fn give_up(error: &(dyn std::error::Error + 'static)) -> ! {
    tracing::error!(error, "the database cannot be written: ending");
    std::process::abort();
}

type Sync = dyn Fn() -> io::Result<()> + Send + std::marker::Sync;

/// SQLite's write-ahead log.
pub struct Log {
    sync: Arc<Sync>,
    commits: AtomicU64,
    /// How many of the commits are on the disk. Who holds it syncs.
    synced: Mutex<u64>,
}

impl Log {
    /// That of a database file.
    pub fn of(database: PathBuf) -> Self {
        let mut path = database.into_os_string();
        path.push("-wal");
        Self::new(Arc::new(move || match File::open(&path) {
            Ok(file) => file.sync_data(),
            // All of it is in the database.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }))
    }

    fn new(sync: Arc<Sync>) -> Self {
        Self { sync, commits: AtomicU64::new(0), synced: Mutex::new(0) }
    }

    /// Returns when all that was committed before is on the disk.
    ///
    /// # Errors
    /// It cannot be known to be there. The kernel reports this once and forgets what it could not write, so that later commits
    /// would lie behind a gap: the program has to end and read its log again.
    pub async fn flush(&self) -> io::Result<()> {
        let own = self.commits.fetch_add(1, Ordering::AcqRel) + 1;
        let mut synced = self.synced.lock().await;
        if *synced >= own {
            return Ok(());
        }
        let commits = self.commits.load(Ordering::Acquire);
        let sync = Arc::clone(&self.sync);
        match tokio::task::spawn_blocking(move || sync()).await {
            Ok(done) => done?,
            // The runtime ends, and with it whoever waits: nobody may be told yes, and the disk did not say no.
            Err(error) if error.is_cancelled() => std::future::pending().await,
            Err(error) => return Err(io::Error::other(error)),
        }
        *synced = commits;
        Ok(())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("commits", &self.commits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Barrier, time::Duration};

    #[tokio::test(flavor = "multi_thread")]
    async fn commits_that_come_during_a_sync_share_the_next() {
        let (count, gate) = (Arc::new(AtomicU64::new(0)), Arc::new(Barrier::new(2)));
        let (counted, held) = (count.clone(), gate.clone());
        let log = Arc::new(Log::new(Arc::new(move || {
            if counted.fetch_add(1, Ordering::Relaxed) == 0 {
                held.wait();
            }
            Ok(())
        })));
        let flush = || {
            let log = log.clone();
            tokio::spawn(async move { log.flush().await })
        };
        let first = flush();
        while count.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let others: Vec<_> = (0..20).map(|_| flush()).collect();
        while log.commits.load(Ordering::Relaxed) < 21 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(!first.is_finished() && others.iter().all(|other| !other.is_finished()));
        tokio::task::spawn_blocking(move || gate.wait()).await.unwrap();
        for flush in others.into_iter().chain([first]) {
            flush.await.unwrap().unwrap();
        }
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_runtime_that_ends_meanwhile_is_no_failure_of_the_disk() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (told, answered) = std::sync::mpsc::channel();
        let (entered, ending) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let (here, end) = (entered.clone(), ending.clone());
        runtime.spawn(async move {
            let log = Log::new(Arc::new(|| Ok(())));
            here.wait();
            end.wait();
            drop(told.send(log.flush().await));
        });
        entered.wait();
        // From here on the runtime takes no blocking work.
        let ender = std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(10)));
        std::thread::sleep(Duration::from_millis(50));
        ending.wait();
        assert!(answered.recv().is_err(), "neither done nor failed: dropped");
        ender.join().unwrap();
    }

    #[tokio::test]
    async fn a_sync_that_fails_is_told() {
        let log = Log::new(Arc::new(|| Err(io::Error::other("no disk"))));
        assert!(log.flush().await.is_err());
    }
}
