//! What can go wrong, told apart as far as a store can act on it.

use sqlx::error::{DatabaseError, ErrorKind};
use std::io;

/// A database error.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A row with this key is there already.
    #[error("a row with the same key exists in {table} ({constraint})")]
    UniqueViolation {
        /// The table.
        table: String,
        /// The columns (SQLite: `t.a, t.b`) or the constraint's name (PostgreSQL: `t_a_b_key`); ask [`DbError::violates`].
        constraint: String,
    },
    /// The row refers to one that is not there, or is itself referred to.
    #[error("a row refers to one that does not exist, or is still referred to")]
    ForeignKeyViolation,
    /// Somebody else held a lock or all connections for too long, or two transactions crossed: try again.
    #[error("the database is busy")]
    Busy(#[source] sqlx::Error),
    /// The URL names neither SQLite nor PostgreSQL.
    #[error("the database URL must start with sqlite: or postgres:")]
    UnknownScheme,
    /// A newer program changed the database so that this one cannot work with it.
    #[error(
        "a newer program applied migration {name} of {service} to this database, with which older ones cannot work"
    )]
    UnknownMigration {
        /// Whose migration.
        service: String,
        /// Its name.
        name: String,
    },
    /// A stored value does not have the shape that the program expects.
    #[error("column {column} holds what it should not")]
    Corrupt {
        /// The column.
        column: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Anything else.
    #[error("the database failed")]
    Sqlx(#[source] sqlx::Error),
}

impl DbError {
    /// Whether this is a broken uniqueness of `table` in which `column` takes part.
    #[must_use]
    pub fn violates(&self, in_table: &str, column: &str) -> bool {
        matches!(self, Self::UniqueViolation { table, constraint } if table == in_table && constraint.contains(column))
    }

    /// Whether the same may succeed if it is asked again.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy(_))
    }

    /// Whether two crossed and one of them had to yield: the same may succeed at once. Where it was waited in vain, for a lock or
    /// for a connection, asking again only adds to what is too much already.
    #[must_use]
    pub fn is_crossing(&self) -> bool {
        match self {
            Self::Busy(source) => source.as_database_error().is_some_and(is_crossing),
            _ => false,
        }
    }

    /// For a value that a store cannot read back.
    pub fn corrupt(column: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Corrupt { column: column.to_owned(), source: source.into() }
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::Busy(error);
        }
        let Some(known) = error.as_database_error() else {
            return Self::Sqlx(error);
        };
        match known.kind() {
            ErrorKind::UniqueViolation => unique(known),
            ErrorKind::ForeignKeyViolation => Self::ForeignKeyViolation,
            _ if is_busy(known) => Self::Busy(error),
            _ => Self::Sqlx(error),
        }
    }
}

/// PostgreSQL names table and constraint; SQLite says `UNIQUE constraint failed: table.column, table.column`.
fn unique(error: &dyn DatabaseError) -> DbError {
    let columns = error.message().split_once("failed: ").map_or("", |(_, columns)| columns);
    let table = error.table().or_else(|| columns.split('.').next()).unwrap_or_default();
    DbError::UniqueViolation { table: table.to_owned(), constraint: error.constraint().unwrap_or(columns).to_owned() }
}

/// Crossings; and waits in vain: PostgreSQL's lock not available, SQLite's BUSY with its extended codes.
fn is_busy(error: &dyn DatabaseError) -> bool {
    is_crossing(error)
        || error.code().as_deref() == Some("55P03")
        || of_sqlite(error).is_some_and(|code| code & 0xff == 5)
}

/// PostgreSQL: serialization failure, deadlock. SQLite: LOCKED with its extended codes, BUSY_SNAPSHOT.
fn is_crossing(error: &dyn DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("40001" | "40P01"))
        || of_sqlite(error).is_some_and(|code| code & 0xff == 6 || code == 517)
}

/// Whether this is a server that is starting, or has no room for another connection: soon it may be there.
pub(crate) fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("53300" | "57P03")),
        _ => false,
    }
}

fn of_sqlite(error: &dyn DatabaseError) -> Option<u32> {
    error.code()?.parse().ok().filter(|code| *code < 4096)
}

#[cfg(test)]
mod tests {
    use crate::{Db, DbError, Dialect, testing::databases};

    async fn fail(db: &Db, state: &str) -> DbError {
        let raise = format!("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$");
        let mut conn = db.read().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(raise)).execute(&mut *conn).await.unwrap_err().into()
    }

    #[tokio::test]
    async fn a_crossing_is_told_from_waiting_in_vain() {
        for db in databases().await.into_iter().filter(|db| db.dialect() == Dialect::Postgres) {
            for (state, busy, crossing) in
                [("40001", true, true), ("40P01", true, true), ("55P03", true, false), ("57014", false, false)]
            {
                let error = fail(&db, state).await;
                assert_eq!((error.is_busy(), error.is_crossing()), (busy, crossing), "{state}: {error:?}");
            }
        }
        let error = DbError::from(sqlx::Error::PoolTimedOut);
        assert!(error.is_busy() && !error.is_crossing());
    }
}
