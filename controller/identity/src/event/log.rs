//! The log itself: where events go in and come out.

use super::{Event, EventQuery, cadf, describe::is_authentication, store};
use crate::{Identity, IdentityError};
use async_trait::async_trait;
use controller_db::Db;
use controller_web::audit::{Act, Auditor};
use http::Method;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

/// Events that wait to be stored together.
const QUEUE: usize = 4096;
/// Most events of one transaction.
const BATCH: usize = 256;
/// How long events may wait for others, so that a storm of logins costs few transactions.
const GATHER: Duration = Duration::from_millis(250);
/// How many events go in between two looks at the bound.
const TRIM_EVERY: u32 = 256;

/// What goes through the queue.
enum Entry {
    Event(Event),
    /// Somebody waits until all before this is stored.
    Flush(oneshot::Sender<()>),
}

/// The log of events. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EventLog {
    db: Db,
    /// How many events are kept.
    kept: i64,
    inserted: Arc<AtomicU32>,
    queue: mpsc::Sender<Entry>,
    /// Told after events were stored.
    stored: watch::Sender<()>,
}

/// What storing takes.
struct Table {
    db: Db,
    kept: i64,
    inserted: Arc<AtomicU32>,
    stored: watch::Sender<()>,
}

impl EventLog {
    /// Opens the log; the newest `kept` events stay.
    pub(crate) fn open(db: Db, kept: i64) -> Self {
        let (queue, entries) = mpsc::channel(QUEUE);
        let log = Self { db, kept, inserted: Arc::default(), queue, stored: watch::Sender::new(()) };
        tokio::spawn(write(log.table(), entries));
        log
    }

    /// Changes after events were stored by this process.
    pub(super) fn stored(&self) -> watch::Receiver<()> {
        self.stored.subscribe()
    }

    fn table(&self) -> Table {
        let (db, inserted, stored) = (self.db.clone(), self.inserted.clone(), self.stored.clone());
        Table { db, kept: self.kept, inserted, stored }
    }

    /// Waits until every event that came before is stored.
    pub async fn flush(&self) {
        let (done, stored) = oneshot::channel();
        if self.queue.send(Entry::Flush(done)).await.is_ok() {
            // Fails when the writer is gone, and with it what it held.
            let _ = stored.await;
        }
    }

    async fn record(&self, event: Event, later: bool) {
        let event = if later {
            match self.queue.try_send(Entry::Event(event)) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Full(entry) | mpsc::error::TrySendError::Closed(entry)) => match entry {
                    Entry::Event(event) => event,
                    Entry::Flush(_) => return,
                },
            }
        } else {
            event
        };
        self.table().store_all(&[event]).await;
    }
}

/// Stores what comes through the queue until nobody can send any more.
async fn write(table: Table, mut entries: mpsc::Receiver<Entry>) {
    let mut batch = Vec::new();
    while entries.recv_many(&mut batch, BATCH).await > 0 {
        gather(&mut batch, &mut entries).await;
        let mut events = Vec::new();
        let mut waiting = Vec::new();
        for entry in batch.drain(..) {
            match entry {
                Entry::Event(event) => events.push(event),
                Entry::Flush(done) => waiting.push(done),
            }
        }
        table.store_all(&events).await;
        for done in waiting {
            // Whoever waited may be gone.
            let _ = done.send(());
        }
    }
}

/// Takes what else comes soon, unless somebody waits for what is there.
async fn gather(batch: &mut Vec<Entry>, entries: &mut mpsc::Receiver<Entry>) {
    let end = Instant::now() + GATHER;
    while batch.len() < BATCH && !batch.iter().any(|entry| matches!(entry, Entry::Flush(_))) {
        match tokio::time::timeout_at(end, entries.recv()).await {
            Ok(Some(entry)) => batch.push(entry),
            Ok(None) | Err(_) => return,
        }
    }
}

impl Table {
    /// An event that cannot be stored goes to the log of the program instead: it must not be lost in silence, nor undo what happened.
    async fn store_all(&self, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        match self.try_store(events).await {
            Ok(()) => self.stored.send_replace(()),
            Err(error) => {
                for event in events {
                    tracing::error!(%error, event = %event.body, "an event could not be stored");
                }
            }
        }
    }

    async fn try_store(&self, events: &[Event]) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        for event in events {
            store::insert(&mut tx, event).await?;
        }
        let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
        if self.inserted.fetch_add(count, Ordering::Relaxed) % TRIM_EVERY + count >= TRIM_EVERY {
            store::trim(&mut tx, self.kept).await?;
        }
        Ok(tx.commit().await?)
    }
}

#[async_trait]
impl Auditor for EventLog {
    fn wants_body(&self, method: &Method, route: &str) -> bool {
        is_authentication(method, route)
    }

    async fn acted(&self, act: Act) {
        let later = is_authentication(&act.method, &act.route);
        self.record(cadf::event(&act), later).await;
    }
}

impl Identity {
    /// Events, the oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn list_events(&self, query: &EventQuery) -> Result<Vec<Event>, IdentityError> {
        self.events.flush().await;
        Ok(store::list(&mut *self.db.read().await?, query).await?)
    }

    /// Stores what still waits to be stored.
    pub async fn flush_events(&self) {
        self.events.flush().await;
    }
}
