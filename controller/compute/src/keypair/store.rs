//! The SQL of key pairs.

use super::model::{KeyKind, KeyPair};
use crate::row::Reader;
use controller_base::Timestamp;
use controller_base::id::UserId;
use controller_db::{AnyRow, Connection, DbError, Filter, SortKey, Value};

const SELECT: &str = "SELECT user_id, name, kind, fingerprint, public_key, created_at FROM compute_keypair";

/// A user's pairs by name, behind `marker`.
pub(crate) async fn list(
    connection: &mut Connection,
    user: &UserId,
    marker: Option<&str>,
    limit: Option<u32>,
) -> Result<Vec<KeyPair>, DbError> {
    let after = marker.map(|name| [Value::from(name)]);
    let rows = Filter::new(SELECT)
        .and_eq("user_id", Some(Value::text(user)))
        .page(&[SortKey::ascending("name")], after.as_ref().map(<[_; 1]>::as_slice), limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

pub(crate) async fn get(connection: &mut Connection, user: &UserId, name: &str) -> Result<Option<KeyPair>, DbError> {
    let row = Filter::new(SELECT)
        .and_eq("user_id", Some(Value::text(user)))
        .and_eq("name", Some(name))
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

pub(crate) async fn count(connection: &mut Connection, user: &UserId) -> Result<i64, DbError> {
    let row = sqlx::query("SELECT COUNT(*) FROM compute_keypair WHERE user_id = $1")
        .bind(user.to_string())
        .fetch_one(connection)
        .await?;
    Reader::new(&row).int()
}

pub(crate) async fn insert(connection: &mut Connection, pair: &KeyPair) -> Result<(), DbError> {
    let insert = "INSERT INTO compute_keypair (user_id, name, kind, fingerprint, public_key, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    sqlx::query(insert)
        .bind(pair.user_id.to_string())
        .bind(pair.name.clone())
        .bind(pair.kind.as_str())
        .bind(pair.fingerprint.clone())
        .bind(pair.public_key.clone())
        .bind(pair.created_at.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// False: there was none.
pub(crate) async fn delete(connection: &mut Connection, user: &UserId, name: &str) -> Result<bool, DbError> {
    let done = sqlx::query("DELETE FROM compute_keypair WHERE user_id = $1 AND name = $2")
        .bind(user.to_string())
        .bind(name.to_owned())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

fn read(row: &AnyRow) -> Result<KeyPair, DbError> {
    let mut row = Reader::new(row);
    Ok(KeyPair {
        user_id: row.parsed()?,
        name: row.text()?,
        kind: KeyKind::of(&row.text()?),
        fingerprint: row.text()?,
        public_key: row.text()?,
        created_at: Timestamp(row.int()?),
    })
}
