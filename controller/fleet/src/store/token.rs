//! `fleet_join_token`.

use super::maybe;
use crate::join::JoinToken;
use controller_base::Timestamp;
use controller_db::{Conn, Connection, DbError, Tx};
use sqlx::{Row as _, any::AnyRow};

const COLUMNS: &str = "digest, created_at, expires_at, uses, most_uses, approve, note, used_at, revoked_at";

pub(crate) async fn insert_token(tx: &mut Tx, token: &JoinToken) -> Result<(), DbError> {
    let sql = "INSERT INTO fleet_join_token (digest, created_at, expires_at, uses, most_uses, approve, note) \
        VALUES ($1, $2, $3, 0, $4, $5, $6)";
    sqlx::query(sql)
        .bind(token.digest.clone())
        .bind(token.created_at.0)
        .bind(token.expires_at.0)
        .bind(i64::from(token.most_uses))
        .bind(i64::from(token.approve))
        .bind(token.note.clone())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Counts a use of a token that can still be used; false when somebody was faster.
pub(crate) async fn use_token(tx: &mut Tx, digest: &str, now: Timestamp) -> Result<bool, DbError> {
    let sql = "UPDATE fleet_join_token SET used_at = $1, uses = uses + 1 \
        WHERE digest = $2 AND uses < most_uses AND revoked_at IS NULL AND expires_at > $3";
    let done = sqlx::query(sql).bind(now.0).bind(digest.to_owned()).bind(now.0).execute(&mut **tx).await?;
    Ok(done.rows_affected() == 1)
}

/// True if it was not revoked before.
pub(crate) async fn revoke_token(tx: &mut Tx, digest: &str, now: Timestamp) -> Result<bool, DbError> {
    let sql = "UPDATE fleet_join_token SET revoked_at = $1 WHERE digest = $2 AND revoked_at IS NULL";
    let done = sqlx::query(sql).bind(now.0).bind(digest.to_owned()).execute(&mut **tx).await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets tokens that ended before.
pub(crate) async fn delete_tokens(tx: &mut Tx, before: Timestamp) -> Result<(), DbError> {
    sqlx::query("DELETE FROM fleet_join_token WHERE expires_at < $1").bind(before.0).execute(&mut **tx).await?;
    Ok(())
}

pub(crate) async fn get_token(conn: &mut Connection, digest: &str) -> Result<Option<JoinToken>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM fleet_join_token WHERE digest = $1"));
    sqlx::query(sql).bind(digest.to_owned()).fetch_optional(conn).await?.as_ref().map(token).transpose()
}

pub(crate) async fn list_tokens(conn: &mut Conn) -> Result<Vec<JoinToken>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM fleet_join_token ORDER BY created_at, digest"));
    sqlx::query(sql).fetch_all(&mut **conn).await?.iter().map(token).collect()
}

fn token(row: &AnyRow) -> Result<JoinToken, DbError> {
    let count = |column: &str| -> Result<u32, DbError> {
        u32::try_from(row.try_get::<i64, _>(column)?).map_err(|error| DbError::corrupt(column, error))
    };
    Ok(JoinToken {
        digest: row.try_get("digest")?,
        created_at: Timestamp(row.try_get("created_at")?),
        expires_at: Timestamp(row.try_get("expires_at")?),
        uses: count("uses")?,
        most_uses: count("most_uses")?,
        approve: row.try_get::<i64, _>("approve")? != 0,
        note: row.try_get("note")?,
        used_at: maybe(row, "used_at")?,
        revoked_at: maybe(row, "revoked_at")?,
    })
}
