//! Migrations: each service's own, in order, each once, all of a service's in one transaction.
//!
//! An update that is taken back leaves its migrations behind, and the program before it works on: migrations therefore only add, what
//! older programs may leave out. What one version stops to use, a later one may take away, in a migration whose name ends with
//! [`BREAKING`]: programs that do not have it refuse the database.

use crate::{Db, DbError, Tx};
use sqlx::{AssertSqlSafe, Row};

/// The end of the name of a migration with which older programs cannot work.
const BREAKING: char = '!';

/// One step of a service's schema. Never changed once released: add another.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its name, with a number in front: `0001_servers`, or `0002_no_colours!`.
    pub name: &'static str,
    /// Statements, each ending with `;` at the end of a line. `BLOB` is translated.
    pub sql: &'static str,
}

const RECORD: &str = "CREATE TABLE IF NOT EXISTS db_migration \
     (service TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (service, name))";

impl Db {
    /// Applies those of a service's migrations that this database lacks.
    ///
    /// # Errors
    /// A statement failed (then none of these migrations is applied), or the database has one that is not in the list and breaks.
    pub async fn migrate(&self, service: &str, migrations: &[Migration]) -> Result<(), DbError> {
        let mut tx = self.begin().await?;
        if let Some(lock) = self.dialect().migration_lock() {
            sqlx::raw_sql(lock).execute(&mut *tx).await?;
        }
        sqlx::raw_sql(RECORD).execute(&mut *tx).await?;
        let applied = applied(&mut tx, service).await?;
        for name in applied.iter().filter(|name| !migrations.iter().any(|m| m.name == name.as_str())) {
            if name.ends_with(BREAKING) {
                let (service, name) = (service.to_owned(), name.clone());
                return Err(DbError::UnknownMigration { service, name });
            }
            tracing::info!(service, migration = name, "a newer program has added to the schema");
        }
        for migration in migrations.iter().filter(|m| !applied.iter().any(|name| name == m.name)) {
            debug_assert!(
                migration.adds() || migration.name.ends_with(BREAKING),
                "{} does not only add",
                migration.name
            );
            apply(&mut tx, self, service, migration).await?;
        }
        tx.commit().await
    }
}

impl Migration {
    /// Whether programs that do not know of it can work on.
    fn adds(&self) -> bool {
        statements(self.sql).all(|statement| {
            let statement = statement.to_uppercase();
            let words: Vec<_> = statement.split_whitespace().collect();
            let has = |phrase: &[&str]| words.windows(phrase.len()).any(|part| part == phrase);
            match words.as_slice() {
                ["ALTER", "TABLE", _, "ADD", "COLUMN", ..] => has(&["DEFAULT"]) || !has(&["NOT", "NULL"]),
                ["CREATE", "TABLE" | "INDEX" | "UNIQUE", ..] | ["DROP", "INDEX", ..] | ["INSERT" | "UPDATE", ..] => {
                    true
                }
                _ => false,
            }
        })
    }
}

async fn applied(tx: &mut Tx, service: &str) -> Result<Vec<String>, DbError> {
    let rows =
        sqlx::query("SELECT name FROM db_migration WHERE service = $1").bind(service).fetch_all(&mut **tx).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

async fn apply(tx: &mut Tx, db: &Db, service: &str, migration: &Migration) -> Result<(), DbError> {
    for statement in statements(migration.sql) {
        let statement = db.dialect().translate(statement);
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut **tx).await?;
    }
    sqlx::query("INSERT INTO db_migration (service, name) VALUES ($1, $2)")
        .bind(service)
        .bind(migration.name)
        .execute(&mut **tx)
        .await?;
    tracing::info!(service, migration = migration.name, "schema migrated");
    Ok(())
}

fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(";\n").map(|s| s.trim().trim_end_matches(';')).filter(|s| !s.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::databases;

    const FIRST: Migration = Migration {
        name: "0001",
        sql: "CREATE TABLE demo (id TEXT PRIMARY KEY, data BLOB);\nCREATE INDEX demo_data ON demo (data);\n",
    };
    const BROKEN: Migration =
        Migration { name: "0002", sql: "CREATE TABLE other (id TEXT);\nCREATE TABLE NONSENSE;\n" };
    const SECOND: Migration = Migration { name: "0002", sql: "CREATE TABLE other (id TEXT);" };

    #[tokio::test]
    async fn each_migration_is_applied_once_and_all_or_none() {
        for db in databases().await {
            db.migrate("demo", &[FIRST]).await.unwrap();
            assert!(db.migrate("demo", &[FIRST, BROKEN]).await.is_err());
            db.migrate("demo", &[FIRST, SECOND]).await.unwrap();
            db.migrate("demo", &[FIRST, SECOND]).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_program_works_on_with_what_a_newer_one_has_added() {
        const BREAKING: Migration = Migration { name: "0003_no_others!", sql: "DROP TABLE other;" };
        for db in databases().await {
            db.migrate("demo", &[FIRST, SECOND]).await.unwrap();
            db.migrate("demo", &[FIRST]).await.unwrap();
            db.migrate("demo", &[FIRST, SECOND, BREAKING]).await.unwrap();
            let refused = db.migrate("demo", &[FIRST, SECOND]).await;
            assert!(matches!(refused, Err(DbError::UnknownMigration { name, .. }) if name == BREAKING.name));
        }
    }

    #[test]
    fn what_older_programs_cannot_leave_out_does_not_only_add() {
        let adds = |sql| Migration { name: "0001", sql }.adds();
        assert!(
            FIRST.adds()
                && adds("ALTER TABLE demo ADD COLUMN size BIGINT NOT NULL DEFAULT 0;\nUPDATE demo SET size = 1;")
        );
        assert!(adds("ALTER TABLE demo ADD COLUMN size BIGINT;"));
        assert!(!adds("ALTER TABLE demo ADD COLUMN size BIGINT NOT NULL;"));
        assert!(!adds("ALTER TABLE demo RENAME COLUMN data TO bytes;"));
        assert!(!adds("CREATE TABLE more (id TEXT);\nDROP TABLE demo;"));
    }
}
