//! The pools: one writing and a few reading connections to SQLite, one pool to PostgreSQL and another for its locks.
//!
//! Who has a connection to PostgreSQL does not ask for a second one: where all do so, all wait for each other. Tests have a pool
//! of one.

use crate::{DbError, Dialect, Tx, log::Log};
use sqlx::{
    Any, AnyConnection, ConnectOptions, Connection as _,
    any::{AnyConnectOptions, AnyPoolOptions},
    pool::PoolConnection,
    sqlite::SqliteConnectOptions,
};
use std::{
    ops::{Deref, DerefMut},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

const SQLITE_READERS: u32 = 4;
/// Connections to PostgreSQL for each processor of the controller's: each is a process there that must first learn all tables and
/// statements, and no more than a few of them ever work.
const POSTGRES_CONNECTIONS: usize = 4;
const POSTGRES_LEAST: usize = 8;
const POSTGRES_MOST: usize = 32;
/// Locks that one controller holds at once. Their connections are their own: a lock is held for as long as some work takes, and
/// that work asks the pool.
const POSTGRES_LOCKS: u32 = 16;
/// So long a lock's connection stays open for the next one.
const LOCK_IDLE: Duration = Duration::from_secs(60);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);
/// A connection to PostgreSQL that was idle for so long is asked whether it still is one. All were when they were given back.
const STALE: Duration = Duration::from_millis(100);

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    writer: sqlx::AnyPool,
    reader: sqlx::AnyPool,
    // SQLite has no locks.
    locks: Option<sqlx::AnyPool>,
    dialect: Dialect,
    // PostgreSQL syncs its own.
    log: Option<Arc<Log>>,
}

impl Db {
    /// Opens `sqlite:/path/file.db?mode=rwc` or `postgres://user@host/name`.
    ///
    /// An in-memory SQLite is not offered: readers and the writer are connections of their own.
    ///
    /// # Errors
    /// The URL is unknown or the database cannot be reached.
    pub async fn open(url: &str) -> Result<Self, DbError> {
        Self::open_with(url, postgres_connections(), ACQUIRE_TIMEOUT).await
    }

    /// The same with so many connections to PostgreSQL, and so much time to wait for one.
    pub(crate) async fn open_with(url: &str, postgres: u32, patience: Duration) -> Result<Self, DbError> {
        sqlx::any::install_default_drivers();
        let dialect = Dialect::of(url)?;
        let options = AnyConnectOptions::from_str(url)?.disable_statement_logging();
        let pool = |writes, connections| pool(dialect, writes, connections).acquire_timeout(patience);
        Ok(match dialect {
            Dialect::Sqlite => Self {
                writer: pool(true, 1).connect_with(options.clone()).await?,
                reader: pool(false, SQLITE_READERS).connect_with(options).await?,
                locks: None,
                dialect,
                log: Some(Arc::new(Log::of(SqliteConnectOptions::from_str(url)?.get_filename().to_owned()))),
            },
            Dialect::Postgres => {
                let shared = pool(true, postgres).connect_with(options.clone()).await?;
                let locks = pool(true, POSTGRES_LOCKS).idle_timeout(LOCK_IDLE).connect_lazy_with(options);
                Self { writer: shared.clone(), reader: shared, locks: Some(locks), dialect, log: None }
            }
        })
    }

    /// A connection for reading. On SQLite it refuses to write.
    ///
    /// # Errors
    /// The database cannot be reached, or no connection came free in time.
    pub async fn read(&self) -> Result<Conn, DbError> {
        Ok(Conn(self.reader.acquire().await?))
    }

    /// Starts a write transaction. Dropped without [`Tx::commit`], it is rolled back.
    ///
    /// On SQLite there is one at a time: keep it short, and ask nobody else in between who may need one.
    ///
    /// # Errors
    /// The database cannot be reached, or no connection came free in time.
    pub async fn begin(&self) -> Result<Tx, DbError> {
        Ok(Tx::new(self.writer.begin_with(self.dialect.begin()).await?, self.log.clone()))
    }

    /// Starts a transaction that only holds a lock; `None` where there are no locks.
    pub(crate) async fn begin_lock(&self) -> Result<Option<Tx>, DbError> {
        let Some(locks) = &self.locks else { return Ok(None) };
        Ok(Some(Tx::new(locks.begin_with(self.dialect.begin()).await?, None)))
    }

    /// Which database it is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Closes all connections, after those in use were given back.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
        if let Some(locks) = &self.locks {
            locks.close().await;
        }
    }
}

fn postgres_connections() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = processors.saturating_mul(POSTGRES_CONNECTIONS).clamp(POSTGRES_LEAST, POSTGRES_MOST);
    u32::try_from(wanted).unwrap_or(1)
}

fn pool(dialect: Dialect, writes: bool, connections: u32) -> AnyPoolOptions {
    let setup = dialect.setup(writes);
    AnyPoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .before_acquire(move |connection, idle| {
            Box::pin(async move {
                if dialect == Dialect::Postgres && idle.idle_for >= STALE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(move |connection, _| {
            Box::pin(async move { sqlx::raw_sql(setup).execute(connection).await.map(|_| ()) })
        })
}

/// A connection for reading; `&mut *conn` is what a query executes on.
#[derive(Debug)]
pub struct Conn(PoolConnection<Any>);

impl Deref for Conn {
    type Target = AnyConnection;
    fn deref(&self) -> &AnyConnection {
        &self.0
    }
}

impl DerefMut for Conn {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.0
    }
}
