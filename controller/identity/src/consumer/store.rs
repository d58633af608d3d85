//! SQL of consumers.

use super::Consumer;
use crate::{IdentityError, project::store::changed};
use controller_base::Secret;
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value, from_json, json};

const SELECT: &str = "SELECT id, secret, description, extra, generation FROM identity_consumer";

fn read(row: &AnyRow) -> Result<Consumer, DbError> {
    Ok(Consumer {
        id: row.try_get("id")?,
        secret: Secret::new(row.try_get::<String, _>("secret")?),
        description: row.try_get("description")?,
        extra: from_json("extra", row.try_get("extra")?)?,
        generation: row.try_get("generation")?,
    })
}

/// A consumer by id.
pub(super) async fn get(conn: &mut Connection, id: &str) -> Result<Option<Consumer>, DbError> {
    Filter::new(SELECT).and("id = ?", [Value::from(id)]).fetch_optional(conn).await?.as_ref().map(read).transpose()
}

/// All consumers.
pub(super) async fn list(conn: &mut Connection) -> Result<Vec<Consumer>, DbError> {
    let rows = Filter::new(SELECT).page(&[SortKey::ascending("id")], None, None).fetch_all(conn).await?;
    rows.iter().map(read).collect()
}

/// Stores a new one.
pub(super) async fn insert(conn: &mut Connection, consumer: &Consumer) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_consumer (id, secret, description, extra, generation) VALUES ($1, $2, $3, $4, 1)",
    )
    .bind(&consumer.id)
    .bind(consumer.secret.reveal())
    .bind(consumer.description.clone())
    .bind(json(&consumer.extra))
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a changed one, if nobody else changed it.
pub(super) async fn update(conn: &mut Connection, consumer: &Consumer) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_consumer SET description = $1, extra = $2, generation = generation + 1 \
         WHERE id = $3 AND generation = $4",
    )
    .bind(consumer.description.clone())
    .bind(json(&consumer.extra))
    .bind(&consumer.id)
    .bind(consumer.generation)
    .execute(conn)
    .await?;
    changed(done.rows_affected(), "consumer", &consumer.id)
}

/// Deletes one.
pub(super) async fn delete(conn: &mut Connection, id: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity_consumer WHERE id = $1").bind(id).execute(conn).await?;
    Ok(())
}
