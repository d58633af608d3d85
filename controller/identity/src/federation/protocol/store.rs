//! SQL of protocols.

use super::Protocol;
use crate::{IdentityError, project::store::changed};
use controller_base::id::{FederationProtocolId, IdentityProviderId};
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value};

const SELECT: &str =
    "SELECT provider_id, id, mapping_id, remote_id_attribute, generation FROM identity_federation_protocol";

fn read(row: &AnyRow) -> Result<Protocol, DbError> {
    let text = |name: &str| -> Result<String, DbError> { Ok(row.try_get(name)?) };
    let corrupt = |error| DbError::corrupt("identity_federation_protocol", error);
    Ok(Protocol {
        provider_id: text("provider_id")?.parse().map_err(corrupt)?,
        id: text("id")?.parse().map_err(corrupt)?,
        mapping_id: text("mapping_id")?.parse().map_err(corrupt)?,
        remote_id_attribute: row.try_get("remote_id_attribute")?,
        generation: row.try_get("generation")?,
    })
}

/// A protocol by its id.
pub(crate) async fn get(
    conn: &mut Connection,
    provider: &IdentityProviderId,
    id: &FederationProtocolId,
) -> Result<Option<Protocol>, DbError> {
    let filter = Filter::new(SELECT).and("provider_id = ? AND id = ?", [Value::text(provider), Value::text(id)]);
    filter.fetch_optional(conn).await?.as_ref().map(read).transpose()
}

/// A provider's.
pub(crate) async fn list(conn: &mut Connection, provider: &IdentityProviderId) -> Result<Vec<Protocol>, DbError> {
    let filter = Filter::new(SELECT).and("provider_id = ?", [Value::text(provider)]);
    filter.page(&[SortKey::ascending("id")], None, None).fetch_all(conn).await?.iter().map(read).collect()
}

/// Stores a new one.
pub(crate) async fn insert(conn: &mut Connection, protocol: &Protocol) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_federation_protocol (provider_id, id, mapping_id, remote_id_attribute, generation) \
         VALUES ($1, $2, $3, $4, 1)",
    )
    .bind(protocol.provider_id.as_str())
    .bind(protocol.id.as_str())
    .bind(protocol.mapping_id.as_str())
    .bind(protocol.remote_id_attribute.clone())
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a changed one, if nobody else changed it.
pub(crate) async fn update(conn: &mut Connection, protocol: &Protocol) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_federation_protocol SET mapping_id = $1, remote_id_attribute = $2, \
         generation = generation + 1 WHERE provider_id = $3 AND id = $4 AND generation = $5",
    )
    .bind(protocol.mapping_id.as_str())
    .bind(protocol.remote_id_attribute.clone())
    .bind(protocol.provider_id.as_str())
    .bind(protocol.id.as_str())
    .bind(protocol.generation)
    .execute(conn)
    .await?;
    changed(done.rows_affected(), "federation_protocol", protocol.id.as_str())
}

/// Deletes one; false when there was none.
pub(crate) async fn delete(
    conn: &mut Connection,
    provider: &IdentityProviderId,
    id: &FederationProtocolId,
) -> Result<bool, DbError> {
    let query = sqlx::query("DELETE FROM identity_federation_protocol WHERE provider_id = $1 AND id = $2");
    Ok(query.bind(provider.as_str()).bind(id.as_str()).execute(conn).await?.rows_affected() == 1)
}
