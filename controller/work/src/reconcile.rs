//! Periodic work: compares what is with what shall be. Takes no input, may run at any time, is harmless when repeated.

use async_trait::async_trait;
use controller_db::Db;
use std::{fmt, sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A piece of periodic work.
#[async_trait]
pub trait Reconciler: Send + Sync + 'static {
    /// Its name, for logs and for the lock that lets one controller at a time do it.
    fn name(&self) -> &'static str;
    /// The pause between two runs.
    fn period(&self) -> Duration;
    /// Compares and mends.
    async fn run(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// The running reconcilers.
pub struct Reconcilers {
    db: Db,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl fmt::Debug for Reconcilers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconcilers").field("running", &self.tasks.len()).finish_non_exhaustive()
    }
}

impl Reconcilers {
    /// None yet.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db, stop: CancellationToken::new(), tasks: TaskTracker::new() }
    }

    /// Runs one from now on, at once for the first time.
    pub fn start(&self, reconciler: Arc<dyn Reconciler>) {
        let (db, stop) = (self.db.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            loop {
                once(&db, reconciler.as_ref()).await;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(reconciler.period()) => {}
                }
            }
        });
    }

    /// Starts no further run and returns when the running ones have ended.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn once(db: &Db, reconciler: &dyn Reconciler) {
    let name = reconciler.name();
    match db.try_lock(&format!("reconciler.{name}")).await {
        Ok(Some(_lock)) => {
            if let Err(error) = reconciler.run().await {
                tracing::warn!(name, error, "reconciler failed; it runs again");
            }
        }
        Ok(None) => tracing::debug!(name, "another controller reconciles"),
        Err(error) => tracing::warn!(name, %error, "the database is away"),
    }
}
