//! The SQL of aggregates.

use super::Aggregate;
use crate::row::Reader;
use controller_base::Timestamp;
use controller_db::{AnyRow, Connection, DbError, json};
use sqlx::Row as _;
use std::collections::BTreeMap;

/// All aggregates, the oldest first.
pub(crate) async fn list(connection: &mut Connection) -> Result<Vec<Aggregate>, DbError> {
    let select = "SELECT id, uuid, name, metadata, created_at, updated_at FROM compute_aggregate ORDER BY id";
    let rows = sqlx::query(select).fetch_all(&mut *connection).await?;
    let mut aggregates = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if aggregates.is_empty() {
        return Ok(aggregates);
    }
    let select = "SELECT aggregate_id, hostname FROM compute_aggregate_host ORDER BY added_at, hostname";
    let mut hosts: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for row in sqlx::query(select).fetch_all(connection).await? {
        hosts.entry(row.try_get("aggregate_id")?).or_default().push(row.try_get("hostname")?);
    }
    for aggregate in &mut aggregates {
        aggregate.hosts = hosts.remove(&aggregate.id).unwrap_or_default();
    }
    Ok(aggregates)
}

/// Makes one and says which number it got.
pub(crate) async fn insert(connection: &mut Connection, aggregate: &Aggregate) -> Result<i64, DbError> {
    let insert = "INSERT INTO compute_aggregate (id, uuid, name, metadata, created_at, updated_at) \
        SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3, $4, NULL FROM compute_aggregate RETURNING id";
    let row = sqlx::query(insert)
        .bind(aggregate.uuid.clone())
        .bind(aggregate.name.clone())
        .bind(json(&aggregate.metadata))
        .bind(aggregate.created_at.0)
        .fetch_one(connection)
        .await?;
    Ok(row.try_get("id")?)
}

/// Writes name and metadata.
pub(crate) async fn update(connection: &mut Connection, aggregate: &Aggregate, now: Timestamp) -> Result<(), DbError> {
    sqlx::query("UPDATE compute_aggregate SET name = $1, metadata = $2, updated_at = $3 WHERE id = $4")
        .bind(aggregate.name.clone())
        .bind(json(&aggregate.metadata))
        .bind(now.0)
        .bind(aggregate.id)
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn delete(connection: &mut Connection, id: i64) -> Result<(), DbError> {
    sqlx::query("DELETE FROM compute_aggregate_host WHERE aggregate_id = $1")
        .bind(id)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM compute_aggregate WHERE id = $1").bind(id).execute(connection).await?;
    Ok(())
}

pub(crate) async fn add_host(
    connection: &mut Connection,
    id: i64,
    hostname: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    sqlx::query("INSERT INTO compute_aggregate_host (aggregate_id, hostname, added_at) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(hostname.to_owned())
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn remove_host(connection: &mut Connection, id: i64, hostname: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM compute_aggregate_host WHERE aggregate_id = $1 AND hostname = $2")
        .bind(id)
        .bind(hostname.to_owned())
        .execute(connection)
        .await?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<Aggregate, DbError> {
    let mut row = Reader::new(row);
    Ok(Aggregate {
        id: row.int()?,
        uuid: row.text()?,
        name: row.text()?,
        metadata: row.json()?,
        hosts: Vec::new(),
        created_at: Timestamp(row.int()?),
        updated_at: row.int_or_null()?.map(Timestamp),
    })
}
