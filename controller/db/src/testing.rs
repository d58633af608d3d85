//! Fresh databases for store tests: always a SQLite file, and a PostgreSQL database where `TEST_POSTGRES_URL` names a server.
//!
//! PostgreSQL is asked over one connection: tasks get it in turn, and whoever has it and wants another fails with
//! [`DbError::Busy`] after [`PATIENCE`]. In service, where the connections are more, all would wait for each other now and then.
//!
//! ```no_run
//! # async fn test() {
//! for db in controller_db::testing::databases().await {
//!     db.migrate("demo", &[]).await.unwrap();
//! }
//! # }
//! ```

use crate::{Db, DbError};
use sqlx::{AssertSqlSafe, Connection};
use std::{
    ops::Deref,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Less than in service, so that a test soon fails; more than tasks in turn need on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// A database that is gone when this is dropped.
#[derive(Debug)]
pub struct TestDb {
    db: Db,
    _directory: Option<tempfile::TempDir>,
    postgres: Option<(String, String)>,
}

impl Deref for TestDb {
    type Target = Db;
    fn deref(&self) -> &Db {
        &self.db
    }
}

/// One fresh database of each kind that is at hand.
///
/// # Panics
/// When one cannot be made: the test cannot run.
pub async fn databases() -> Vec<TestDb> {
    let mut all = vec![sqlite().await];
    if let Ok(server) = std::env::var("TEST_POSTGRES_URL") {
        all.push(postgres(&server).await.expect("TEST_POSTGRES_URL names a server where databases can be made"));
    }
    all
}

/// A fresh SQLite file.
///
/// # Panics
/// When it cannot be made.
pub async fn sqlite() -> TestDb {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let url = format!("sqlite:{}?mode=rwc", directory.path().join("test.db").display());
    let db = Db::open(&url).await.expect("a new SQLite file can be opened");
    TestDb { db, _directory: Some(directory), postgres: None }
}

async fn postgres(server: &str) -> Result<TestDb, DbError> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    administer(server, format!("DROP DATABASE IF EXISTS {name}")).await?;
    administer(server, format!("CREATE DATABASE {name}")).await?;
    let (base, _) = server.rsplit_once('/').unwrap_or((server, ""));
    let db = Db::open_with(&format!("{base}/{name}"), 1, PATIENCE).await?;
    Ok(TestDb { db, _directory: None, postgres: Some((server.to_owned(), name)) })
}

async fn administer(server: &str, statement: String) -> Result<(), DbError> {
    sqlx::any::install_default_drivers();
    let mut connection = sqlx::AnyConnection::connect(server).await?;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let Some((server, name)) = self.postgres.take() else {
            return;
        };
        // A thread of its own, because the test's runtime is busy dropping this.
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                let _ = runtime.block_on(administer(&server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
            }
        });
        let _ = cleaner.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;

    #[tokio::test]
    async fn on_postgresql_nobody_gets_a_second_connection() {
        for db in databases().await.into_iter().filter(|db| db.dialect() == Dialect::Postgres) {
            let held = db.read().await.unwrap();
            let nested = db.begin().await.unwrap_err();
            assert!(nested.is_busy() && !nested.is_crossing(), "{nested:?}");
            drop(held);
            db.begin().await.unwrap();
        }
    }
}
