//! The runner: takes operations in, keeps a queue per subject, drives them, claims those of dead controllers.

use crate::{
    Operation,
    drive::{Ended, drive},
    erased::{Erased, Typed},
    store::{self, MIGRATIONS, Progress, Row},
};
use controller_base::{Clock, Timestamp, id::OperationId, request};
use controller_db::{Db, DbError, Dialect, Tx};
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const STEPS_AT_ONCE: usize = 64;
const CLAIM_SECONDS: i64 = 60;
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// Runs durable operations. Cheap to clone.
#[derive(Clone)]
pub struct Runner(Arc<Inner>);

pub(crate) struct Inner {
    db: Db,
    pub(crate) clock: Clock,
    /// Who claims: this process, this time.
    owner: String,
    kinds: RwLock<HashMap<&'static str, Arc<dyn Erased>>>,
    subjects: Mutex<HashMap<String, Subject>>,
    pub(crate) running: Semaphore,
    pub(crate) stop: CancellationToken,
    tasks: TaskTracker,
    last_created: AtomicI64,
}

/// A subject with unfinished operations; there is a task for each.
struct Subject {
    queue: VecDeque<Row>,
    wake: Arc<Notify>,
}

/// An unfinished operation, for the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The operation.
    pub id: OperationId,
    /// Its kind.
    pub kind: String,
    /// On what it works.
    pub subject: String,
    /// The step at which it stands, by name where this program knows the kind.
    pub step: String,
    /// Whether it is being undone.
    pub undoing: bool,
    /// How often the step was tried.
    pub attempts: i64,
    /// The last reason to try again or to undo.
    pub error: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("owner", &self.0.owner).finish_non_exhaustive()
    }
}

impl Runner {
    /// A runner that drives nothing before [`Runner::start`].
    ///
    /// # Errors
    /// The table cannot be made.
    pub async fn open(db: Db, clock: Clock) -> Result<Self, DbError> {
        db.migrate("work", MIGRATIONS).await?;
        Ok(Self(Arc::new(Inner {
            db,
            clock,
            owner: OperationId::random().to_string(),
            kinds: RwLock::default(),
            subjects: Mutex::default(),
            running: Semaphore::new(STEPS_AT_ONCE),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            last_created: AtomicI64::new(0),
        })))
    }

    /// Makes a kind known; before [`Runner::start`].
    pub fn register<O: Operation>(&self, operation: O) {
        let mut kinds = self.0.kinds.write().unwrap_or_else(PoisonError::into_inner);
        kinds.insert(O::KIND, Arc::new(Typed::new(operation)));
    }

    /// Every kind that was registered.
    pub fn kinds(&self) -> impl Iterator<Item = String> {
        let kinds = self.0.kinds.read().unwrap_or_else(PoisonError::into_inner);
        let kinds: Vec<_> = kinds.keys().map(|kind| (*kind).to_owned()).collect();
        kinds.into_iter()
    }

    /// Takes up what was left unfinished and keeps claiming. Called once, after all kinds were registered.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn start(&self) -> Result<(), DbError> {
        self.0.claim(self.0.db.dialect() == Dialect::Sqlite).await?;
        // On SQLite there is no other controller whose claims could run out.
        if self.0.db.dialect() == Dialect::Postgres {
            let inner = self.0.clone();
            self.0.tasks.spawn(async move { keep_claiming(&inner).await });
        }
        Ok(())
    }

    /// Enqueues an operation on a subject, in the caller's transaction; it starts when that commits.
    ///
    /// # Errors
    /// The database's.
    pub async fn enqueue<O: Operation>(
        &self,
        tx: &mut Tx,
        subject: &str,
        state: &O::State,
    ) -> Result<OperationId, DbError> {
        let now = self.0.clock.now();
        let created_at = self.0.next_created(now);
        let mut row = Row {
            id: OperationId::random(),
            kind: O::KIND.to_owned(),
            subject: subject.to_owned(),
            step: 0,
            undoing: false,
            state: controller_db::json(state),
            attempts: 0,
            error: None,
            created_at,
            step_since: created_at,
            generation: 1,
            request: request::current(),
            first: false,
            detached: false,
        };
        row.insert(tx, &self.0.owner, now.plus_seconds(CLAIM_SECONDS)).await?;
        let (id, inner) = (row.id, self.0.clone());
        tx.on_commit(move || inner.take_in(row));
        Ok(id)
    }

    /// Something for which an operation on this subject waits may have happened: its step runs again now.
    pub fn wake(&self, subject: &str) {
        if let Some(subject) = self.0.subjects().get(subject) {
            subject.wake.notify_one();
        }
    }

    /// All unfinished operations.
    ///
    /// # Errors
    /// The database's.
    pub async fn pending(&self) -> Result<Vec<Pending>, DbError> {
        let rows = store::list(&self.0.db).await?;
        Ok(rows.into_iter().map(|row| self.0.describe(row)).collect())
    }

    /// Whether an operation on this subject is unfinished here.
    #[must_use]
    pub fn is_busy(&self, subject: &str) -> bool {
        self.0.subjects().contains_key(subject)
    }

    /// Starts no further step and returns when the running ones have ended.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        if let Err(error) = self.0.release().await {
            tracing::warn!(%error, "claims were not given back; they run out by themselves");
        }
    }
}

impl Inner {
    pub(crate) fn kind(&self, kind: &str) -> Option<Arc<dyn Erased>> {
        self.kinds.read().unwrap_or_else(PoisonError::into_inner).get(kind).cloned()
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub(crate) async fn write(&self, row: &mut Row, progress: Progress) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        row.write(&mut tx, progress, self.clock.now()).await?;
        tx.commit().await
    }

    /// The row as it is stored, if this controller still has its claim; `Some(None)`: it is over.
    pub(crate) async fn find_own(&self, row: &Row) -> Result<Option<Option<Row>>, DbError> {
        let mut tx = self.db.begin().await?;
        store::find_claimed(&mut tx, row.id, &self.owner).await
    }

    fn subjects(&self) -> MutexGuard<'_, HashMap<String, Subject>> {
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a stored operation into its subject's queue and sees to it that the subject has a task.
    fn take_in(self: Arc<Self>, row: Row) {
        let name = row.subject.clone();
        let wake = {
            let mut subjects = self.subjects();
            if let Some(subject) = subjects.get_mut(&name) {
                subject.queue.push_back(row);
                // The operation before may wait for something that this one makes pointless.
                subject.wake.notify_one();
                return;
            }
            let wake = Arc::new(Notify::new());
            subjects.insert(name.clone(), Subject { queue: VecDeque::from([row]), wake: wake.clone() });
            wake
        };
        let inner = self.clone();
        self.tasks.spawn(async move { inner.work_off(&name, &wake).await });
    }

    /// A subject's task: one operation after another until there is none.
    async fn work_off(self: Arc<Self>, name: &str, wake: &Notify) {
        while let Some(row) = self.front(name) {
            self.wait_for_turn(&row).await;
            let ended = drive(&self, row, wake).await;
            if ended == Ended::Left && self.stopping() {
                return;
            }
        }
    }

    fn front(&self, name: &str) -> Option<Row> {
        let mut subjects = self.subjects();
        let row = subjects.get_mut(name)?.queue.pop_front();
        if row.is_none() {
            subjects.remove(name);
        }
        row
    }

    /// Another controller may be working on the same subject.
    async fn wait_for_turn(&self, row: &Row) {
        if self.db.dialect() == Dialect::Sqlite || row.first {
            return;
        }
        while !self.stopping() && !matches!(store::has_earlier(&self.db, row).await, Ok(false)) {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    async fn claim(self: &Arc<Self>, all: bool) -> Result<(), DbError> {
        let now = self.clock.now();
        let until = now.plus_seconds(CLAIM_SECONDS);
        let mut tx = self.db.begin().await?;
        store::renew(&mut tx, &self.owner, until).await?;
        let rows = store::claim(&mut tx, &self.owner, now, until, all).await?;
        tx.commit().await?;
        for row in rows {
            tracing::info!(kind = row.kind, subject = row.subject, operation = %row.id, "taking up an operation");
            self.clone().take_in(row);
        }
        Ok(())
    }

    async fn release(&self) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        store::release(&mut tx, &self.owner).await?;
        tx.commit().await
    }

    /// Moments that only grow, so that one subject's operations have an order.
    fn next_created(&self, now: Timestamp) -> Timestamp {
        let step = |last: i64| Some(now.0.max(last + 1));
        let last = self.last_created.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).unwrap_or_default();
        Timestamp(now.0.max(last + 1))
    }

    fn describe(&self, row: Row) -> Pending {
        let names = self.kind(&row.kind).map(|kind| kind.names()).unwrap_or_default();
        let name = usize::try_from(row.step).ok().and_then(|index| names.get(index).copied());
        Pending {
            id: row.id,
            step: name.map_or_else(|| row.step.to_string(), str::to_owned),
            kind: row.kind,
            subject: row.subject,
            undoing: row.undoing,
            attempts: row.attempts,
            error: row.error,
            created_at: row.created_at,
        }
    }
}

async fn keep_claiming(inner: &Arc<Inner>) {
    loop {
        tokio::select! {
            () = inner.stop.cancelled() => return,
            () = tokio::time::sleep(RENEW_EVERY) => {}
        }
        if let Err(error) = inner.claim(false).await {
            tracing::warn!(%error, "operations cannot be claimed");
        }
    }
}
