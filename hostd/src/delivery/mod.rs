//! Updates that the controller brings: fetched, checked by this machine's own keys, installed beside what runs, and tried.
//!
//! It owns the one update that is wanted and what is fetched of it (`.update.part` in the update's folder). It must not know how bundles
//! are made, nor how a machine chooses what to start: that is [`crate::update`]'s and the boot loader's business.
//!
//! ```text
//! Absent --> fetching --> installing --> restarting ==> OnTrial --health check--> Kept (done)
//!              |  ^                                        +--boot loader goes back--> Left (failed)
//!              +--+ broken off: goes on where it ended
//! ```
//! Invariants:
//! - Where an update stands is read from the machine ([`Machine::look`]) each time anew: a crash or a power cut at any moment loses nothing
//!   but time.
//! - The controller says again at each connection what shall be; an update that is on its way is not begun twice.

mod bundle;
mod machine;
mod standing;

pub use machine::{Appliance, Machine};
pub use standing::Standing;

use crate::update::Outcome;
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};

/// The largest bundle.
const LARGEST: u64 = 4 << 30;

/// What the controller wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The version that shall run.
    pub version: String,
    /// Bytes of its bundle.
    pub size: u64,
}

/// How patient it is.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two looks at a version that is on trial, and before the machine starts again: the controller shall hear of it first.
    pub look: Duration,
    /// Before a fetch that broke off goes on.
    pub retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { look: Duration::from_secs(1), retry: Duration::from_secs(2) }
    }
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Its bundle comes.
    Fetching,
    /// It is written beside what runs.
    Installing,
    /// The machine starts again.
    Restarting,
    /// It runs, and was not found healthy yet.
    Trial,
    /// It stays.
    Done,
    /// It does not run and will not, for this reason.
    Failed(String),
}

/// A version and how far it is.
pub type Report = Option<(String, Progress)>;

/// A bundle's bytes in order; closed at the end or after an error.
pub type Bytes = mpsc::Receiver<Result<Vec<u8>, Broken>>;

/// Why bytes do not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The controller does not have it.
    #[error("the controller does not have this update")]
    NotFound,
    /// Another attempt may work.
    #[error("the transfer was interrupted: {0}")]
    Interrupted(String),
}

/// Where bundles come from.
pub trait Source: Send + Sync + 'static {
    /// Begins to read a version's bundle from `offset` on. It returns at once; a failure to begin is the first piece.
    fn open(&self, version: &str, offset: u64) -> Bytes;
}

/// Takes orders, and tells how far the last one is.
#[derive(Clone, Debug)]
pub struct Delivery {
    orders: watch::Sender<Option<Order>>,
    reports: watch::Receiver<Report>,
}

impl Delivery {
    /// Starts the task that carries orders out.
    #[must_use]
    pub fn start(machine: Arc<dyn Machine>, source: Arc<dyn Source>, pace: Pace) -> Self {
        let (orders, wanted) = watch::channel(None);
        let (report, reports) = watch::channel(None);
        tokio::spawn(Worker { machine, source, pace, report }.run(wanted));
        Self { orders, reports }
    }

    /// This version shall run; the same once more changes nothing, unless the one before has failed.
    pub fn order(&self, order: Order) {
        self.orders.send_replace(Some(order));
    }

    /// How far the last order is.
    #[must_use]
    pub fn reports(&self) -> watch::Receiver<Report> {
        self.reports.clone()
    }
}

struct Worker {
    machine: Arc<dyn Machine>,
    source: Arc<dyn Source>,
    pace: Pace,
    report: watch::Sender<Report>,
}

impl Worker {
    async fn run(self, mut wanted: watch::Receiver<Option<Order>>) {
        while wanted.changed().await.is_ok() {
            let Some(order) = wanted.borrow_and_update().clone() else { continue };
            if let Err(error) = self.carry_out(&order, &mut wanted).await {
                tracing::error!(version = order.version, reason = format!("{error:#}"), "the update failed");
                self.tell(&order, Progress::Failed(format!("{error:#}")));
            }
        }
    }

    /// Until it stays, or another order takes its place.
    async fn carry_out(&self, order: &Order, wanted: &mut watch::Receiver<Option<Order>>) -> anyhow::Result<()> {
        anyhow::ensure!(order.size <= LARGEST, "the update is too large");
        let mut trial = false;
        loop {
            match self.machine.look(&order.version)? {
                Standing::Kept => {
                    tracing::info!(version = order.version, "the update stays");
                    self.tell(order, Progress::Done);
                    return Ok(());
                }
                Standing::OnTrial => {
                    if !std::mem::replace(&mut trial, true) {
                        self.tell(order, Progress::Trial);
                    }
                    tokio::time::sleep(self.pace.look).await;
                }
                Standing::Installed => return self.restart(order).await,
                Standing::Left => anyhow::bail!("this machine tried the version, and it did not become healthy"),
                Standing::Absent => {
                    tokio::select! {
                        fetched = self.fetch(order) => fetched?,
                        () = replaced(order, wanted) => return Ok(()),
                    }
                    self.tell(order, Progress::Installing);
                    if let Outcome::NothingNew(version) = self.machine.install(&order.version).await? {
                        anyhow::bail!("version {version} is not newer than what is on this machine");
                    }
                }
            }
        }
    }

    async fn restart(&self, order: &Order) -> anyhow::Result<()> {
        tracing::info!(version = order.version, "the machine starts again, in the new version");
        self.tell(order, Progress::Restarting);
        tokio::time::sleep(self.pace.look).await;
        self.machine.restart().await
    }

    async fn fetch(&self, order: &Order) -> anyhow::Result<()> {
        self.tell(order, Progress::Fetching);
        loop {
            match bundle::fetch(self.source.as_ref(), order, &self.machine.place(&order.version)).await {
                Err(bundle::FetchError::Broken(Broken::Interrupted(reason))) => {
                    tracing::warn!(version = order.version, reason, "fetching the update goes on later");
                    tokio::time::sleep(self.pace.retry).await;
                }
                other => return Ok(other?),
            }
        }
    }

    fn tell(&self, order: &Order, progress: Progress) {
        self.report.send_replace(Some((order.version.clone(), progress)));
    }
}

/// Ends when something else is wanted.
async fn replaced(order: &Order, wanted: &mut watch::Receiver<Option<Order>>) {
    let other = wanted.wait_for(|wanted| wanted.as_ref().is_some_and(|wanted| wanted != order)).await.is_ok();
    if other {
        // It is taken up next.
        wanted.mark_changed();
    } else {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
