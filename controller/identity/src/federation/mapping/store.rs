//! SQL of mappings.

use super::Mapping;
use crate::{IdentityError, project::store::changed};
use controller_base::id::MappingId;
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value, from_json, json};

const SELECT: &str = "SELECT id, schema_version, rules, generation FROM identity_mapping";

fn read(row: &AnyRow) -> Result<Mapping, DbError> {
    let id: String = row.try_get("id")?;
    Ok(Mapping {
        id: id.parse().map_err(|error| DbError::corrupt("id", error))?,
        schema_version: row.try_get("schema_version")?,
        rules: from_json("rules", row.try_get("rules")?)?,
        generation: row.try_get("generation")?,
    })
}

/// A mapping by its id.
pub(crate) async fn get(conn: &mut Connection, id: &MappingId) -> Result<Option<Mapping>, DbError> {
    let filter = Filter::new(SELECT).and("id = ?", [Value::text(id)]);
    filter.fetch_optional(conn).await?.as_ref().map(read).transpose()
}

/// All of them.
pub(crate) async fn list(conn: &mut Connection) -> Result<Vec<Mapping>, DbError> {
    let rows = Filter::new(SELECT).page(&[SortKey::ascending("id")], None, None).fetch_all(conn).await?;
    rows.iter().map(read).collect()
}

/// Stores a new one.
pub(crate) async fn insert(conn: &mut Connection, mapping: &Mapping) -> Result<(), DbError> {
    sqlx::query("INSERT INTO identity_mapping (id, schema_version, rules, generation) VALUES ($1, $2, $3, 1)")
        .bind(mapping.id.as_str())
        .bind(&mapping.schema_version)
        .bind(json(&mapping.rules))
        .execute(conn)
        .await?;
    Ok(())
}

/// Stores a changed one, if nobody else changed it.
pub(crate) async fn update(conn: &mut Connection, mapping: &Mapping) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_mapping SET schema_version = $1, rules = $2, generation = generation + 1 \
         WHERE id = $3 AND generation = $4",
    )
    .bind(&mapping.schema_version)
    .bind(json(&mapping.rules))
    .bind(mapping.id.as_str())
    .bind(mapping.generation)
    .execute(conn)
    .await?;
    changed(done.rows_affected(), "mapping", mapping.id.as_str())
}

/// Deletes one; false when there was none.
pub(crate) async fn delete(conn: &mut Connection, id: &MappingId) -> Result<bool, DbError> {
    let query = sqlx::query("DELETE FROM identity_mapping WHERE id = $1");
    Ok(query.bind(id.as_str()).execute(conn).await?.rows_affected() == 1)
}
