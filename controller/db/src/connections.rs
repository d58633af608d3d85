//! Open connections, each lent to one user at a time.
//!
//! sqlx has a pool of its own, which asks a connection after every use whether it still is one. Most uses are one statement, so that
//! this was nearly half of all round trips. Here a connection is asked before it is lent, if it was not for a while.

use crate::{
    connection::{Connection, Target},
    error, log,
};
use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
    time::{Instant, sleep, timeout},
};

/// A connection that was not asked for so long is asked before it is lent: one that broke fails nobody later than that.
const STALE: Duration = Duration::from_millis(100);
/// The first wait for a server that starts; each further one is twice as long.
const STARTING: Duration = Duration::from_millis(10);
/// How often a pool that closes looks whether all have come back.
const CLOSING: Duration = Duration::from_millis(5);

/// What connections there may be, and how they are made.
pub struct Plan {
    /// To where.
    pub target: Target,
    /// What each is told first.
    pub setup: &'static str,
    /// How many at most.
    pub most: u32,
    /// How long to wait for one.
    pub patience: Duration,
    /// One that nobody wanted for so long is closed when another comes back.
    pub idle: Option<Duration>,
}

/// Connections of one kind. Cheap to clone.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

struct Shared {
    plan: Plan,
    /// Who has a permit has a connection, or makes one.
    permits: Arc<Semaphore>,
    /// Newest last: that one is lent next, so that few are kept busy.
    idle: Mutex<Vec<Open>>,
}

struct Open {
    connection: Connection,
    asked: Instant,
    returned: Instant,
}

impl Connections {
    /// None is opened before it is wanted.
    pub fn new(plan: Plan) -> Self {
        let permits = Arc::new(Semaphore::new(plan.most as usize));
        Self(Arc::new(Shared { plan, permits, idle: Mutex::default() }))
    }

    /// Lends one, in the order of asking.
    ///
    /// # Errors
    /// None came free in time or could be opened, or they are closed.
    pub async fn lend(&self) -> sqlx::Result<Lent> {
        timeout(self.0.plan.patience, self.lend_patiently()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn lend_patiently(&self) -> sqlx::Result<Lent> {
        let permit = self.0.permits.clone().acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let lent = |open| Lent { open: Some(open), permit: Some(permit), home: self.0.clone(), unsettled: false };
        while let Some(mut open) = self.0.next() {
            if open.asked.elapsed() < STALE {
                return Ok(lent(open));
            }
            if open.connection.ping().await.is_ok() {
                open.asked = Instant::now();
                return Ok(lent(open));
            }
        }
        let (connection, now) = (self.0.open().await?, Instant::now());
        Ok(lent(Open { connection, asked: now, returned: now }))
    }

    /// Lends no more, and closes all as soon as those that are lent are back.
    pub async fn close(&self) {
        self.0.permits.close();
        while self.0.permits.available_permits() < self.0.plan.most as usize {
            sleep(CLOSING).await;
        }
        while let Some(open) = self.0.next() {
            if let Err(error) = open.connection.close().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection to the database ended badly");
            }
        }
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Open>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Open> {
        self.idle().pop()
    }

    fn give_back(&self, mut open: Open) {
        open.returned = Instant::now();
        let mut idle = self.idle();
        if let Some(limit) = self.plan.idle {
            idle.retain(|open| open.returned.elapsed() < limit);
        }
        idle.push(open);
    }

    async fn open(&self) -> sqlx::Result<Connection> {
        let mut pause = STARTING;
        loop {
            match Connection::open(&self.plan.target, self.plan.setup).await {
                Err(error) if error::is_starting(&error) => sleep(pause).await,
                other => return other,
            }
            pause *= 2;
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("most", &self.0.plan.most).finish_non_exhaustive()
    }
}

/// A connection that comes back when it is dropped: a transaction that is open then is rolled back before anybody else gets it.
pub struct Lent {
    /// There until it is dropped.
    open: Option<Open>,
    permit: Option<OwnedSemaphorePermit>,
    home: Arc<Shared>,
    /// Whether there may be a transaction.
    unsettled: bool,
}

impl Lent {
    /// Starts a transaction.
    pub async fn begin(&mut self, statement: &'static str) -> sqlx::Result<()> {
        self.unsettled = true;
        sqlx::raw_sql(statement).execute(&mut **self).await.map(drop)
    }

    /// Ends it for good. A checkpoint that is due is made before the connection is lent again; nobody waits for it here.
    pub async fn commit(mut self) -> sqlx::Result<()> {
        (*self).commit().await?;
        self.unsettled = false;
        if self.is_checkpoint_due() {
            task::spawn_blocking(move || {
                if let Err(error) = (*self).checkpoint() {
                    log::give_up(&error);
                }
            });
        }
        Ok(())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        if !self.unsettled {
            self.home.give_back(open);
            return;
        }
        // Without a runtime nobody waits for it any more: its end rolls back, too.
        let Ok(runtime) = Handle::try_current() else { return };
        let (home, permit) = (self.home.clone(), self.permit.take());
        runtime.spawn(async move {
            if open.connection.rollback().await.is_ok() {
                home.give_back(open);
            }
            drop(permit);
        });
    }
}

impl Deref for Lent {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.open.as_ref().expect("it is there until it is dropped").connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.open.as_mut().expect("it is there until it is dropped").connection
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").field("unsettled", &self.unsettled).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::STALE;
    use crate::{Db, Dialect, Migration, testing::databases};
    use futures::FutureExt as _;
    use sqlx::Row as _;
    use std::time::Duration;
    use tokio::time::sleep;

    const TABLE: Migration = Migration { name: "0001", sql: "CREATE TABLE demo (id TEXT PRIMARY KEY)" };

    async fn count(db: &Db) -> i64 {
        let mut conn = db.read().await.unwrap();
        sqlx::query("SELECT COUNT(*) FROM demo").fetch_one(&mut *conn).await.unwrap().get(0)
    }

    #[tokio::test]
    async fn whoever_gives_up_while_a_transaction_begins_leaves_none() {
        for db in databases().await {
            db.migrate("demo", &[TABLE]).await.unwrap();
            // A database may answer at once: then a transaction is dropped that had begun.
            for _ in 0..10 {
                drop(db.begin().now_or_never());
            }
            let mut tx = db.begin().await.unwrap();
            sqlx::query("INSERT INTO demo (id) VALUES ('a')").execute(&mut *tx).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(count(&db).await, 1);
        }
    }

    #[tokio::test]
    async fn a_transaction_that_failed_is_rolled_back_before_the_next() {
        for db in databases().await {
            db.migrate("demo", &[TABLE]).await.unwrap();
            for _ in 0..3 {
                let mut tx = db.begin().await.unwrap();
                sqlx::query("INSERT INTO demo (id) VALUES ('a')").execute(&mut *tx).await.unwrap();
                sqlx::query("INSERT INTO demo (id) VALUES ('a')").execute(&mut *tx).await.unwrap_err();
            }
            assert_eq!(count(&db).await, 0);
        }
    }

    #[tokio::test]
    async fn a_connection_that_broke_is_replaced() {
        for db in databases().await.into_iter().filter(|db| db.dialect() == Dialect::Postgres) {
            let mut conn = db.read().await.unwrap();
            sqlx::raw_sql("SELECT pg_terminate_backend(pg_backend_pid())").execute(&mut *conn).await.unwrap_err();
            drop(conn);
            sleep(STALE).await;
            let mut conn = db.read().await.unwrap();
            sqlx::raw_sql("SELECT 1").execute(&mut *conn).await.unwrap();
        }
    }

    #[tokio::test]
    async fn closing_waits_for_those_in_use_and_lends_no_more() {
        for db in databases().await {
            let held = db.read().await.unwrap();
            let closing = tokio::spawn({
                let db = (*db).clone();
                async move { db.close().await }
            });
            while db.read().await.is_ok() {
                tokio::task::yield_now().await;
            }
            sleep(Duration::from_millis(20)).await;
            assert!(!closing.is_finished());
            drop(held);
            closing.await.unwrap();
            assert!(matches!(db.begin().await, Err(crate::DbError::Sqlx(sqlx::Error::PoolClosed))));
        }
    }
}
