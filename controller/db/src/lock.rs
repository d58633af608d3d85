//! Named locks, so that periodic work is done by one controller at a time.

use crate::{Db, DbError, Tx};
use sqlx::Row;

/// A named lock; given back when dropped, also when the process or its connection dies. It takes no connection from those who read
/// and write.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, never read")] Option<Tx>);

impl Db {
    /// Takes the named lock if nobody has it. On SQLite there is one controller, which always gets it.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn try_lock(&self, name: &str) -> Result<Option<Lock>, DbError> {
        let Some(mut tx) = self.begin_lock().await? else {
            return Ok(Some(Lock(None)));
        };
        let take = "SELECT CASE WHEN pg_try_advisory_xact_lock(hashtextextended($1, 0)) THEN 1 ELSE 0 END";
        let row = sqlx::query(take).bind(name).fetch_one(&mut *tx).await?;
        let taken: i32 = row.try_get(0)?;
        Ok((taken == 1).then_some(Lock(Some(tx))))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Dialect, testing::databases};

    #[tokio::test]
    async fn one_at_a_time_has_a_lock() {
        for db in databases().await {
            let first = db.try_lock("a").await.unwrap();
            assert!(first.is_some());
            assert!(db.try_lock("b").await.unwrap().is_some());
            if db.dialect() == Dialect::Postgres {
                assert!(db.try_lock("a").await.unwrap().is_none());
            }
            drop(first);
            // PostgreSQL lets it go when it sees that the connection has ended.
            for attempt in 0.. {
                if db.try_lock("a").await.unwrap().is_some() {
                    break;
                }
                assert!(attempt < 100, "the lock is never let go");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
    #[tokio::test]
    async fn whoever_has_a_lock_can_read_and_write() {
        for db in databases().await {
            let first = db.try_lock("a").await.unwrap();
            let second = db.try_lock("b").await.unwrap();
            drop(db.read().await.unwrap());
            db.begin().await.unwrap().commit().await.unwrap();
            assert!(first.is_some() && second.is_some());
        }
    }
}
