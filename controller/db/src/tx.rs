//! A write transaction and what shall happen after it.

use crate::{
    Connection, DbError, Dialect,
    connections::Lent,
    log::{self, Log},
};
use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

type Hook = Box<dyn FnOnce() + Send>;

/// A write transaction; `&mut *tx` is what a query executes on (`&mut **tx` where `tx` is a `&mut Tx`). Dropped, it is rolled
/// back.
pub struct Tx {
    inner: Lent,
    log: Option<Arc<Log>>,
    hooks: Vec<Hook>,
}

impl Tx {
    pub(crate) async fn begin(mut inner: Lent, dialect: Dialect, log: Option<Arc<Log>>) -> Result<Self, DbError> {
        inner.begin(dialect.begin()).await?;
        Ok(Self { inner, log, hooks: Vec::new() })
    }

    /// Makes the changes durable, then runs the hooks in the order in which they were given.
    ///
    /// # Errors
    /// The database refused; no hook ran.
    pub async fn commit(self) -> Result<(), DbError> {
        self.inner.commit().await?;
        if let Some(log) = self.log
            && let Err(error) = log.flush().await
        {
            log::give_up(&error);
        }
        run(self.hooks);
        Ok(())
    }

    /// The same for what would be found out again after a loss of power: the changes may be lost by one until something else
    /// is committed, and nobody waits for the disk.
    ///
    /// # Errors
    /// As of [`Tx::commit`].
    pub async fn commit_soon(self) -> Result<(), DbError> {
        self.inner.commit().await?;
        run(self.hooks);
        Ok(())
    }

    /// Something quick to do once the changes are durable: wake a worker, drop a cache entry. Lost if the process dies in
    /// between: whoever relies on it must also find out by itself after a restart.
    pub fn on_commit(&mut self, hook: impl FnOnce() + Send + 'static) {
        self.hooks.push(Box::new(hook));
    }
}

fn run(hooks: Vec<Hook>) {
    for hook in hooks {
        hook();
    }
}

impl Deref for Tx {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.inner
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("hooks", &self.hooks.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::{DbError, Migration, testing::databases};
    use sqlx::Row;
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    const TABLE: Migration = Migration {
        name: "0001",
        sql: "CREATE TABLE demo_parent (id TEXT PRIMARY KEY);
CREATE TABLE demo (id TEXT PRIMARY KEY, parent TEXT REFERENCES demo_parent (id), name TEXT, size BIGINT, data BLOB,
    UNIQUE (name, size));",
    };

    #[tokio::test]
    async fn every_kind_of_column_comes_back_also_when_null() {
        for db in databases().await {
            db.migrate("demo", &[TABLE]).await.unwrap();
            let mut tx = db.begin().await.unwrap();
            for (id, name, size, data) in
                [("a", Some("x"), Some(1_i64 << 40), Some(vec![0_u8, 255])), ("b", None, None, None)]
            {
                let insert =
                    sqlx::query("INSERT INTO demo (id, name, size, data) VALUES ($1, $2, $3, $4) RETURNING id");
                let row = insert.bind(id).bind(name).bind(size).bind(data).fetch_one(&mut *tx).await.unwrap();
                assert_eq!(row.get::<String, _>(0), id);
            }
            tx.commit().await.unwrap();
            let mut conn = db.read().await.unwrap();
            let rows = sqlx::query("SELECT name, size, data, CAST(COALESCE(size, 0) AS BIGINT) FROM demo ORDER BY id");
            let rows = rows.fetch_all(&mut *conn).await.unwrap();
            assert_eq!(rows[0].get::<Option<String>, _>(0).as_deref(), Some("x"));
            assert_eq!(rows[0].get::<i64, _>("size"), 1 << 40);
            assert_eq!(rows[0].get::<Vec<u8>, _>("data"), [0, 255]);
            assert_eq!(rows[1].get::<Option<String>, _>(0), None);
            assert_eq!(rows[1].get::<Option<i64>, _>(1), None);
            assert_eq!(rows[1].get::<Option<Vec<u8>>, _>(2), None);
            assert_eq!(rows[1].get::<i64, _>(3), 0);
        }
    }

    #[tokio::test]
    async fn hooks_run_after_commit_and_not_after_rollback() {
        for db in databases().await {
            db.migrate("demo", &[TABLE]).await.unwrap();
            let ran = Arc::new(AtomicU32::new(0));
            for (commit, expected) in [(false, 0), (true, 1)] {
                let mut tx = db.begin().await.unwrap();
                sqlx::query("INSERT INTO demo (id) VALUES ($1)").bind("same").execute(&mut *tx).await.unwrap();
                let count = ran.clone();
                tx.on_commit(move || {
                    count.fetch_add(1, Ordering::Relaxed);
                });
                if commit {
                    tx.commit().await.unwrap();
                } else {
                    drop(tx);
                }
                assert_eq!(ran.load(Ordering::Relaxed), expected);
            }
        }
    }

    #[tokio::test]
    async fn broken_constraints_are_told_apart() {
        for db in databases().await {
            db.migrate("demo", &[TABLE]).await.unwrap();
            let insert = "INSERT INTO demo (id, name, size, parent) VALUES ($1, $2, 1, $3)";
            let try_insert = async |id: &str, name: &str, parent: Option<&str>| -> Result<(), DbError> {
                let mut tx = db.begin().await?;
                sqlx::query(insert)
                    .bind(id.to_owned())
                    .bind(name.to_owned())
                    .bind(parent.map(str::to_owned))
                    .execute(&mut *tx)
                    .await?;
                tx.commit().await
            };
            try_insert("a", "x", None).await.unwrap();
            let same = try_insert("b", "x", None).await.unwrap_err();
            assert!(same.violates("demo", "name"), "{same:?}");
            assert!(!same.violates("demo", "id"), "{same:?}");
            let orphan = try_insert("c", "y", Some("nobody")).await.unwrap_err();
            assert!(matches!(orphan, DbError::UniqueViolation { .. } | DbError::ForeignKeyViolation));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_writers_queue_up_and_none_is_lost() {
        for db in databases().await {
            db.migrate("demo", &[TABLE]).await.unwrap();
            let writers: Vec<_> = (0..40)
                .map(|number: i64| {
                    let db = (*db).clone();
                    tokio::spawn(async move {
                        let mut tx = db.begin().await?;
                        let insert = sqlx::query("INSERT INTO demo (id, size) VALUES ($1, $2)");
                        insert.bind(number.to_string()).bind(number).execute(&mut *tx).await?;
                        tx.commit().await
                    })
                })
                .collect();
            for writer in writers {
                writer.await.unwrap().unwrap();
            }
            let mut conn = db.read().await.unwrap();
            let row = sqlx::query("SELECT COUNT(*), CAST(SUM(size) AS BIGINT) FROM demo")
                .fetch_one(&mut *conn)
                .await
                .unwrap();
            assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1)), (40, 780));
        }
    }

    #[tokio::test]
    async fn a_sqlite_reader_cannot_write() {
        let db = crate::testing::sqlite().await;
        db.migrate("demo", &[TABLE]).await.unwrap();
        let mut conn = db.read().await.unwrap();
        let write = sqlx::query("INSERT INTO demo (id) VALUES ('a')").execute(&mut *conn).await;
        assert!(write.is_err());
    }
}
