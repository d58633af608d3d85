//! The table of operations: all of its SQL.

use controller_base::{
    Timestamp,
    id::{OperationId, RequestId},
};
use controller_db::{AnyRow, DbError, Migration, Row as _, Tx};

/// The table's schema, applied by [`crate::Runner::open`].
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_operation",
        sql: "CREATE TABLE work_operation (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    step BIGINT NOT NULL,
    undoing BIGINT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    error TEXT,
    created_at BIGINT NOT NULL,
    step_since BIGINT NOT NULL,
    claimed_by TEXT NOT NULL,
    claimed_until BIGINT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE INDEX work_operation_subject ON work_operation (subject, created_at);
CREATE INDEX work_operation_claim ON work_operation (claimed_until);",
    },
    Migration { name: "0002_request", sql: "ALTER TABLE work_operation ADD COLUMN request_id TEXT;" },
];

const COLUMNS: &str = "id, kind, subject, step, undoing, state, attempts, error, created_at, step_since, generation, \
    request_id";

/// An operation as it is stored. While `undoing`, `step` is the next to be undone; -1 is the failed hook.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub id: OperationId,
    pub kind: String,
    pub subject: String,
    pub step: i64,
    pub undoing: bool,
    pub state: String,
    pub attempts: i64,
    pub error: Option<String>,
    pub created_at: Timestamp,
    pub step_since: Timestamp,
    pub generation: i64,
    /// On whose behalf it runs; `None`: nobody's, or an older controller's.
    pub request: Option<RequestId>,
    /// It is known that no other operation on its subject goes before it.
    pub first: bool,
    /// Not in the database: a test drives it by hand.
    pub detached: bool,
}

/// Where an operation goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Forward(i64),
    Undo(i64),
    Stay,
    Over,
}

impl Row {
    fn read(row: &AnyRow) -> Result<Self, DbError> {
        let id: String = row.try_get("id")?;
        Ok(Self {
            id: id.parse().map_err(|error| DbError::corrupt("id", error))?,
            kind: row.try_get("kind")?,
            subject: row.try_get("subject")?,
            step: row.try_get("step")?,
            undoing: controller_db::is_set(row.try_get("undoing")?),
            state: row.try_get("state")?,
            attempts: row.try_get("attempts")?,
            error: row.try_get("error")?,
            created_at: Timestamp(row.try_get("created_at")?),
            step_since: Timestamp(row.try_get("step_since")?),
            generation: row.try_get("generation")?,
            request: row.try_get::<Option<String>, _>("request_id")?.and_then(|id| id.parse().ok()),
            first: false,
            detached: false,
        })
    }

    /// Stores a new operation, claimed by its maker, and sees whether it is the first on its subject.
    pub(crate) async fn insert(&mut self, tx: &mut Tx, owner: &str, until: Timestamp) -> Result<(), DbError> {
        let stored = sqlx::query(
            "INSERT INTO work_operation (id, kind, subject, step, undoing, state, attempts, error, created_at, step_since, \
             claimed_by, claimed_until, generation, request_id) VALUES ($1, $2, $3, 0, 0, $4, 0, NULL, $5, $5, $6, $7, 1, $8) \
             RETURNING CASE WHEN EXISTS (SELECT 1 FROM work_operation AS earlier WHERE earlier.subject = $3 AND \
             earlier.created_at < $5) THEN 0 ELSE 1 END",
        )
        .bind(self.id.to_string())
        .bind(&self.kind)
        .bind(&self.subject)
        .bind(&self.state)
        .bind(self.created_at.0)
        .bind(owner)
        .bind(until.0)
        .bind(self.request.as_ref().map(RequestId::as_str))
        .fetch_one(&mut **tx)
        .await?;
        self.first = controller_db::is_set(stored.try_get(0)?);
        Ok(())
    }

    /// Stores progress; fails if somebody else wrote in between.
    pub(crate) async fn write(&mut self, tx: &mut Tx, progress: Progress, now: Timestamp) -> Result<(), DbError> {
        if self.detached {
            return Ok(());
        }
        let mut next = self.clone();
        match progress {
            Progress::Over => return self.delete(tx).await,
            Progress::Stay => {}
            Progress::Forward(step) => (next.step, next.attempts, next.step_since) = (step, 0, now),
            Progress::Undo(step) => (next.step, next.undoing, next.attempts, next.step_since) = (step, true, 0, now),
        }
        next.generation += 1;
        let done = sqlx::query(
            "UPDATE work_operation SET step = $1, undoing = $2, state = $3, attempts = $4, error = $5, step_since = $6, \
             generation = $7 WHERE id = $8 AND generation = $9",
        )
        .bind(next.step)
        .bind(controller_db::flag(next.undoing))
        .bind(&next.state)
        .bind(next.attempts)
        .bind(&next.error)
        .bind(next.step_since.0)
        .bind(next.generation)
        .bind(self.id.to_string())
        .bind(self.generation)
        .execute(&mut **tx)
        .await?;
        taken_over(done.rows_affected())?;
        *self = next;
        Ok(())
    }

    async fn delete(&self, tx: &mut Tx) -> Result<(), DbError> {
        let done = sqlx::query("DELETE FROM work_operation WHERE id = $1 AND generation = $2")
            .bind(self.id.to_string())
            .bind(self.generation)
            .execute(&mut **tx)
            .await?;
        taken_over(done.rows_affected())
    }
}

fn taken_over(rows: u64) -> Result<(), DbError> {
    if rows == 1 { Ok(()) } else { Err(DbError::Busy(sqlx::Error::RowNotFound)) }
}

/// Claims all operations whose claim has run out (with `all`, every one: there is no other controller).
pub(crate) async fn claim(
    tx: &mut Tx,
    owner: &str,
    now: Timestamp,
    until: Timestamp,
    all: bool,
) -> Result<Vec<Row>, DbError> {
    let before = if all { i64::MAX } else { now.0 };
    let sql = format!(
        "UPDATE work_operation SET claimed_by = $1, claimed_until = $2, generation = generation + 1 \
         WHERE claimed_until < $3 AND claimed_by <> $1 RETURNING {COLUMNS}"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(owner).bind(until.0).bind(before);
    let rows = rows.fetch_all(&mut **tx).await?;
    let mut rows = rows.iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;
    rows.sort_by_key(|row| (row.created_at, row.id));
    Ok(rows)
}

/// Prolongs the claims of a living controller.
pub(crate) async fn renew(tx: &mut Tx, owner: &str, until: Timestamp) -> Result<(), DbError> {
    let query = sqlx::query("UPDATE work_operation SET claimed_until = $1 WHERE claimed_by = $2");
    query.bind(until.0).bind(owner).execute(&mut **tx).await?;
    Ok(())
}

/// Whether an earlier operation on the same subject is unfinished, wherever it runs.
pub(crate) async fn has_earlier(db: &controller_db::Db, row: &Row) -> Result<bool, DbError> {
    let mut conn = db.read().await?;
    let query = sqlx::query("SELECT id FROM work_operation WHERE subject = $1 AND created_at < $2 LIMIT 1");
    Ok(query.bind(&row.subject).bind(row.created_at.0).fetch_optional(&mut *conn).await?.is_some())
}

/// All operations, in their order.
pub(crate) async fn list(db: &controller_db::Db) -> Result<Vec<Row>, DbError> {
    let mut conn = db.read().await?;
    let sql = format!("SELECT {COLUMNS} FROM work_operation ORDER BY created_at, id");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *conn).await?;
    rows.iter().map(Row::read).collect()
}

/// The row as it is stored. `None`: another controller has it; `Some(None)`: it is gone.
pub(crate) async fn find_claimed(tx: &mut Tx, id: OperationId, owner: &str) -> Result<Option<Option<Row>>, DbError> {
    let sql = format!("SELECT {COLUMNS}, claimed_by FROM work_operation WHERE id = $1");
    let found = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id.to_string()).fetch_optional(&mut **tx).await?;
    let Some(found) = found else { return Ok(Some(None)) };
    let claimed_by: String = found.try_get("claimed_by")?;
    if claimed_by != owner {
        return Ok(None);
    }
    Row::read(&found).map(|row| Some(Some(row)))
}

/// Gives all claims back, so that another controller need not wait for them to run out.
pub(crate) async fn release(tx: &mut Tx, owner: &str) -> Result<(), DbError> {
    let query = sqlx::query("UPDATE work_operation SET claimed_until = 0 WHERE claimed_by = $1");
    query.bind(owner).execute(&mut **tx).await?;
    Ok(())
}
