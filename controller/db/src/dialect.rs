//! Everything in which SQLite and PostgreSQL differ, but for how their errors look (`error.rs`).

use crate::DbError;

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite: one controller.
    Sqlite,
    /// PostgreSQL: several controllers.
    Postgres,
}

impl Dialect {
    pub(crate) fn of(url: &str) -> Result<Self, DbError> {
        match url.split(':').next() {
            Some("sqlite") => Ok(Self::Sqlite),
            Some("postgres" | "postgresql") => Ok(Self::Postgres),
            _ => Err(DbError::UnknownScheme),
        }
    }

    /// The statement that opens a write transaction.
    pub(crate) fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// What every new connection is told.
    pub(crate) fn setup(self, writes: bool) -> &'static str {
        match (self, writes) {
            (Self::Sqlite, true) => {
                // `log.rs` syncs. What a program that ended left in the log goes into the database, however much of it was synced.
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA foreign_keys = ON; \
                 PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 0"
            }
            (Self::Sqlite, false) => "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA query_only = 1",
            // What is looked for often is in memory: an index is worth its steps also where a table is small or new, and unknown.
            (Self::Postgres, _) => {
                "SET TIME ZONE 'UTC'; SET lock_timeout = '10s'; SET synchronous_commit = 'on'; SET random_page_cost = 1.1"
            }
        }
    }

    /// Keeps two controllers from migrating at once; held until the transaction ends.
    pub(crate) fn migration_lock(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("SELECT pg_advisory_xact_lock(7236518810123)"),
        }
    }

    /// The words of a migration in the database's own form.
    pub(crate) fn translate(self, statement: &str) -> String {
        match self {
            Self::Sqlite => statement.to_owned(),
            Self::Postgres => replace_word(statement, "BLOB", "BYTEA"),
        }
    }
}

fn replace_word(text: &str, from: &str, to: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        let whole = !before.ends_with(word_char) && !after.starts_with(word_char);
        out.push_str(before);
        out.push_str(if whole { to } else { from });
        rest = after;
    }
    out + rest
}

fn word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_are_translated() {
        assert_eq!(
            Dialect::Postgres.translate("a BLOB NOT NULL, BLOBS TEXT, MY_BLOB TEXT, b BLOB"),
            "a BYTEA NOT NULL, BLOBS TEXT, MY_BLOB TEXT, b BYTEA"
        );
    }

    #[test]
    fn another_database_is_refused() {
        assert!(matches!(Dialect::of("mysql://x"), Err(DbError::UnknownScheme)));
    }
}
