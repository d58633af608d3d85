//! Migrations: each service's own, in order, each once, all of a service's in one transaction.

use crate::{Db, DbError, Tx};
use sqlx::{AssertSqlSafe, Row};

/// One step of a service's schema. Never changed once released: add another.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its name, with a number in front: `0001_servers`.
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
    /// A statement failed (then none of these migrations is applied), or the database has one that is not in the list.
    pub async fn migrate(&self, service: &str, migrations: &[Migration]) -> Result<(), DbError> {
        let mut tx = self.begin().await?;
        if let Some(lock) = self.dialect().migration_lock() {
            sqlx::raw_sql(lock).execute(&mut *tx).await?;
        }
        sqlx::raw_sql(RECORD).execute(&mut *tx).await?;
        let applied = applied(&mut tx, service).await?;
        if let Some(name) = applied.iter().find(|name| !migrations.iter().any(|m| m.name == name.as_str())) {
            let (service, name) = (service.to_owned(), name.clone());
            return Err(DbError::UnknownMigration { service, name });
        }
        for migration in migrations.iter().filter(|m| !applied.iter().any(|name| name == m.name)) {
            apply(&mut tx, self, service, migration).await?;
        }
        tx.commit().await
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
    const BROKEN: Migration = Migration { name: "0002", sql: "CREATE TABLE other (id TEXT);\nCREATE NONSENSE;\n" };
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
    async fn a_database_of_a_newer_program_is_refused() {
        for db in databases().await {
            db.migrate("demo", &[FIRST, SECOND]).await.unwrap();
            let refused = db.migrate("demo", &[FIRST]).await;
            assert!(matches!(refused, Err(DbError::UnknownMigration { name, .. }) if name == "0002"));
        }
    }
}
