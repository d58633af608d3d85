//! SQL that belongs to no single resource.

use crate::IdentityError;
use controller_db::{Connection, DbError, Row, Tx};

/// Only stores know of sqlx.
impl From<sqlx::Error> for IdentityError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Moves the epoch of checked tokens on.
pub(crate) async fn next_epoch(tx: &mut Tx) -> Result<(), DbError> {
    sqlx::query("UPDATE identity_epoch SET value = value + 1 WHERE id = 1").execute(&mut **tx).await?;
    Ok(())
}

/// The epoch of checked tokens.
pub(crate) async fn epoch(conn: &mut Connection) -> Result<i64, DbError> {
    let row = sqlx::query("SELECT value FROM identity_epoch WHERE id = 1").fetch_one(conn).await?;
    Ok(row.try_get(0)?)
}

/// Whether there is no user.
pub(crate) async fn is_empty(conn: &mut Connection) -> Result<bool, DbError> {
    Ok(sqlx::query("SELECT id FROM identity_user LIMIT 1").fetch_optional(conn).await?.is_none())
}
