//! SQL of identity providers.

use super::IdentityProvider;
use crate::{IdentityError, project::store::changed};
use controller_base::id::{DomainId, IdentityProviderId};
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value, flag, is_set};
use controller_web::Params;
use std::collections::BTreeMap;

const SELECT: &str = "SELECT id, domain_id, enabled, description, authorization_ttl, generation FROM identity_provider";

fn read(row: &AnyRow) -> Result<IdentityProvider, DbError> {
    let id: String = row.try_get("id")?;
    let domain: String = row.try_get("domain_id")?;
    Ok(IdentityProvider {
        id: id.parse().map_err(|error| DbError::corrupt("id", error))?,
        domain_id: domain.parse().map_err(|error| DbError::corrupt("domain_id", error))?,
        enabled: is_set(row.try_get("enabled")?),
        description: row.try_get("description")?,
        authorization_ttl: row.try_get("authorization_ttl")?,
        remote_ids: Vec::new(),
        generation: row.try_get("generation")?,
    })
}

async fn with_remotes(conn: &mut Connection, filter: Filter) -> Result<Vec<IdentityProvider>, DbError> {
    let rows = filter.page(&[SortKey::ascending("id")], None, None).fetch_all(&mut *conn).await?;
    let mut found = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let ids = found.iter().map(|provider| Value::text(&provider.id));
    let remotes = Filter::new("SELECT provider_id, remote_id FROM identity_provider_remote").and_in("provider_id", ids);
    let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in remotes.page(&[SortKey::ascending("remote_id")], None, None).fetch_all(conn).await? {
        of.entry(row.try_get(0)?).or_default().push(row.try_get(1)?);
    }
    for provider in &mut found {
        provider.remote_ids = of.remove(provider.id.as_str()).unwrap_or_default();
    }
    Ok(found)
}

/// A provider by its id.
pub(crate) async fn get(conn: &mut Connection, id: &IdentityProviderId) -> Result<Option<IdentityProvider>, DbError> {
    let filter = Filter::new(SELECT).and("id = ?", [Value::text(id)]);
    Ok(with_remotes(conn, filter).await?.pop())
}

/// Providers by what a request asks for.
pub(crate) async fn list(conn: &mut Connection, params: &Params) -> Result<Vec<IdentityProvider>, DbError> {
    let filter = crate::listing::by_text(Filter::new(SELECT), params, &[("id", "id")]);
    with_remotes(conn, crate::listing::by_enabled(filter, params, "enabled")).await
}

/// Stores a new one.
pub(crate) async fn insert(conn: &mut Connection, provider: &IdentityProvider) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_provider (id, domain_id, enabled, description, authorization_ttl, generation) \
         VALUES ($1, $2, $3, $4, $5, 1)",
    )
    .bind(provider.id.as_str())
    .bind(provider.domain_id.as_str())
    .bind(flag(provider.enabled))
    .bind(provider.description.clone())
    .bind(provider.authorization_ttl)
    .execute(&mut *conn)
    .await?;
    insert_remotes(conn, provider).await
}

/// Stores a changed one, if nobody else changed it.
pub(crate) async fn update(conn: &mut Connection, provider: &IdentityProvider) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_provider SET enabled = $1, description = $2, authorization_ttl = $3, \
         generation = generation + 1 WHERE id = $4 AND generation = $5",
    )
    .bind(flag(provider.enabled))
    .bind(provider.description.clone())
    .bind(provider.authorization_ttl)
    .bind(provider.id.as_str())
    .bind(provider.generation)
    .execute(&mut *conn)
    .await?;
    changed(done.rows_affected(), "identity_provider", provider.id.as_str())?;
    sqlx::query("DELETE FROM identity_provider_remote WHERE provider_id = $1")
        .bind(provider.id.as_str())
        .execute(&mut *conn)
        .await?;
    Ok(insert_remotes(conn, provider).await?)
}

async fn insert_remotes(conn: &mut Connection, provider: &IdentityProvider) -> Result<(), DbError> {
    for remote in &provider.remote_ids {
        sqlx::query("INSERT INTO identity_provider_remote (remote_id, provider_id) VALUES ($1, $2)")
            .bind(remote)
            .bind(provider.id.as_str())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Deletes one with its remote ids, its protocols and the memberships that it brought. Its users are deleted by their service.
pub(crate) async fn delete(conn: &mut Connection, id: &IdentityProviderId) -> Result<(), DbError> {
    for sql in [
        "DELETE FROM identity_membership WHERE provider_id = $1",
        "DELETE FROM identity_federated_user WHERE provider_id = $1",
        "DELETE FROM identity_federation_protocol WHERE provider_id = $1",
        "DELETE FROM identity_provider_remote WHERE provider_id = $1",
        "DELETE FROM identity_provider WHERE id = $1",
    ] {
        sqlx::query(sql).bind(id.as_str()).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Deletes all that have their users in a domain.
pub(crate) async fn delete_of_domain(conn: &mut Connection, domain: &DomainId) -> Result<(), DbError> {
    let filter = Filter::new(SELECT).and("domain_id = ?", [Value::text(domain)]);
    for provider in with_remotes(conn, filter).await? {
        delete(conn, &provider.id).await?;
    }
    Ok(())
}
