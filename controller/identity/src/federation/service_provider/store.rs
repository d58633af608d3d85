//! SQL of service providers.

use super::ServiceProvider;
use crate::{IdentityError, project::store::changed};
use controller_base::id::ServiceProviderId;
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value, flag, is_set};
use controller_web::Params;

const SELECT: &str = "SELECT id, auth_url, sp_url, description, enabled, relay_state_prefix, generation \
     FROM identity_service_provider";

fn read(row: &AnyRow) -> Result<ServiceProvider, DbError> {
    let id: String = row.try_get("id")?;
    Ok(ServiceProvider {
        id: id.parse().map_err(|error| DbError::corrupt("id", error))?,
        auth_url: row.try_get("auth_url")?,
        sp_url: row.try_get("sp_url")?,
        description: row.try_get("description")?,
        enabled: is_set(row.try_get("enabled")?),
        relay_state_prefix: row.try_get("relay_state_prefix")?,
        generation: row.try_get("generation")?,
    })
}

/// A service provider by its id.
pub(crate) async fn get(conn: &mut Connection, id: &ServiceProviderId) -> Result<Option<ServiceProvider>, DbError> {
    let filter = Filter::new(SELECT).and("id = ?", [Value::text(id)]);
    filter.fetch_optional(conn).await?.as_ref().map(read).transpose()
}

/// Service providers by what a request asks for.
pub(crate) async fn list(conn: &mut Connection, params: &Params) -> Result<Vec<ServiceProvider>, DbError> {
    let filter = crate::listing::by_text(Filter::new(SELECT), params, &[("id", "id")]);
    rows(conn, crate::listing::by_enabled(filter, params, "enabled")).await
}

/// Those that tokens list.
pub(crate) async fn enabled(conn: &mut Connection) -> Result<Vec<ServiceProvider>, DbError> {
    rows(conn, Filter::new(SELECT).and("enabled = 1", [])).await
}

async fn rows(conn: &mut Connection, filter: Filter) -> Result<Vec<ServiceProvider>, DbError> {
    filter.page(&[SortKey::ascending("id")], None, None).fetch_all(conn).await?.iter().map(read).collect()
}

/// Stores a new one.
pub(crate) async fn insert(conn: &mut Connection, provider: &ServiceProvider) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_service_provider (id, auth_url, sp_url, description, enabled, relay_state_prefix, generation) \
         VALUES ($1, $2, $3, $4, $5, $6, 1)",
    )
    .bind(provider.id.as_str())
    .bind(&provider.auth_url)
    .bind(&provider.sp_url)
    .bind(provider.description.clone())
    .bind(flag(provider.enabled))
    .bind(provider.relay_state_prefix.clone())
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a changed one, if nobody else changed it.
pub(crate) async fn update(conn: &mut Connection, provider: &ServiceProvider) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_service_provider SET auth_url = $1, sp_url = $2, description = $3, enabled = $4, \
         relay_state_prefix = $5, generation = generation + 1 WHERE id = $6 AND generation = $7",
    )
    .bind(&provider.auth_url)
    .bind(&provider.sp_url)
    .bind(provider.description.clone())
    .bind(flag(provider.enabled))
    .bind(provider.relay_state_prefix.clone())
    .bind(provider.id.as_str())
    .bind(provider.generation)
    .execute(conn)
    .await?;
    changed(done.rows_affected(), "service_provider", provider.id.as_str())
}

/// Deletes one; false when there was none.
pub(crate) async fn delete(conn: &mut Connection, id: &ServiceProviderId) -> Result<bool, DbError> {
    let query = sqlx::query("DELETE FROM identity_service_provider WHERE id = $1");
    Ok(query.bind(id.as_str()).execute(conn).await?.rows_affected() == 1)
}
