//! The database: one writing and a few reading connections to SQLite; those to PostgreSQL, and others for its locks.
//!
//! Who has a connection to PostgreSQL does not ask for a second one: where all do so, all wait for each other. Tests have one.

use crate::{
    Connection, DbError, Dialect, Tx,
    connection::Target,
    connections::{Connections, Lent, Plan},
    log::Log,
};
use sqlx::{ConnectOptions, any::AnyConnectOptions};
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
/// that work asks for connections.
const POSTGRES_LOCKS: u32 = 16;
/// So long a lock's connection stays open for the next one.
const LOCK_IDLE: Duration = Duration::from_secs(60);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    writer: Connections,
    reader: Connections,
    // SQLite has no locks.
    locks: Option<Connections>,
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
        match Dialect::of(url)? {
            Dialect::Sqlite => Self::open_sqlite(url, patience).await,
            Dialect::Postgres => Self::open_postgres(url, postgres, patience).await,
        }
    }

    async fn open_sqlite(url: &str, patience: Duration) -> Result<Self, DbError> {
        let dialect = Dialect::Sqlite;
        let connections = |writes, most| {
            let (target, setup) = (Target::Sqlite(url.to_owned()), dialect.setup(writes));
            Connections::new(Plan { target, setup, most, patience, idle: None })
        };
        let (writer, reader) = (connections(true, 1), connections(false, SQLITE_READERS));
        let log = writer.lend().await?.file()?.map(Log::of).map(Arc::new);
        Ok(Self { writer, reader, locks: None, dialect, log })
    }

    async fn open_postgres(url: &str, most: u32, patience: Duration) -> Result<Self, DbError> {
        sqlx::any::install_default_drivers();
        let dialect = Dialect::Postgres;
        let options = AnyConnectOptions::from_str(url)?.disable_statement_logging();
        let connections = |most, idle| {
            let (target, setup) = (Target::Postgres(options.clone()), dialect.setup(true));
            Connections::new(Plan { target, setup, most, patience, idle })
        };
        let shared = connections(most, None);
        let locks = Some(connections(POSTGRES_LOCKS, Some(LOCK_IDLE)));
        // What cannot be reached is found here.
        drop(shared.lend().await?);
        Ok(Self { writer: shared.clone(), reader: shared, locks, dialect, log: None })
    }

    /// A connection for reading. On SQLite it refuses to write.
    ///
    /// # Errors
    /// The database cannot be reached, or no connection came free in time.
    pub async fn read(&self) -> Result<Conn, DbError> {
        Ok(Conn(self.reader.lend().await?))
    }

    /// Starts a write transaction. Dropped without [`Tx::commit`], it is rolled back.
    ///
    /// On SQLite there is one at a time: keep it short, and ask nobody else in between who may need one.
    ///
    /// # Errors
    /// The database cannot be reached, or no connection came free in time.
    pub async fn begin(&self) -> Result<Tx, DbError> {
        Tx::begin(self.writer.lend().await?, self.dialect, self.log.clone()).await
    }

    /// Starts a transaction that only holds a lock; `None` where there are no locks.
    pub(crate) async fn begin_lock(&self) -> Result<Option<Tx>, DbError> {
        let Some(locks) = &self.locks else { return Ok(None) };
        Ok(Some(Tx::begin(locks.lend().await?, self.dialect, None).await?))
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

/// A connection for reading; `&mut *conn` is what a query executes on.
#[derive(Debug)]
pub struct Conn(Lent);

impl Deref for Conn {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Conn {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}
