//! SQL of limits.

use super::{Limit, Owner, RegisteredLimit};
use crate::{IdentityError, project::store::changed};
use controller_base::id::RegionId;
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value};
use controller_web::Params;

const REGISTERED: &str = "SELECT id, service_id, region_id, resource_name, default_limit, description, generation \
     FROM identity_registered_limit";
const LIMITS: &str = "SELECT l.id, l.registered_id, l.project_id, l.domain_id, l.resource_limit, l.description, l.generation, \
     r.service_id, r.region_id, r.resource_name \
     FROM identity_limit l JOIN identity_registered_limit r ON r.id = l.registered_id";

fn region(row: &AnyRow) -> Result<Option<RegionId>, DbError> {
    match row.try_get::<String, _>("region_id")?.as_str() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|error| DbError::corrupt("region_id", error)),
    }
}

fn read_registered(row: &AnyRow) -> Result<RegisteredLimit, DbError> {
    let service: String = row.try_get("service_id")?;
    Ok(RegisteredLimit {
        id: row.try_get("id")?,
        service_id: service.parse().map_err(|error| DbError::corrupt("service_id", error))?,
        region_id: region(row)?,
        resource_name: row.try_get("resource_name")?,
        default_limit: row.try_get("default_limit")?,
        description: row.try_get("description")?,
        generation: row.try_get("generation")?,
    })
}

fn read(row: &AnyRow) -> Result<Limit, DbError> {
    let service: String = row.try_get("service_id")?;
    let (project, domain): (String, String) = (row.try_get("project_id")?, row.try_get("domain_id")?);
    Ok(Limit {
        id: row.try_get("id")?,
        registered_id: row.try_get("registered_id")?,
        owner: if project.is_empty() { Owner::Domain(domain) } else { Owner::Project(project) },
        resource_limit: row.try_get("resource_limit")?,
        description: row.try_get("description")?,
        service_id: service.parse().map_err(|error| DbError::corrupt("service_id", error))?,
        region_id: region(row)?,
        resource_name: row.try_get("resource_name")?,
        generation: row.try_get("generation")?,
    })
}

/// A registered limit by id.
pub(crate) async fn get_registered(conn: &mut Connection, id: &str) -> Result<Option<RegisteredLimit>, DbError> {
    let found = Filter::new(REGISTERED).and("id = ?", [Value::from(id)]).fetch_optional(conn).await?;
    found.as_ref().map(read_registered).transpose()
}

/// Registered limits by service, region and resource name.
pub(crate) async fn list_registered(conn: &mut Connection, params: &Params) -> Result<Vec<RegisteredLimit>, DbError> {
    let filter = ["service_id", "region_id", "resource_name"]
        .into_iter()
        .fold(Filter::new(REGISTERED), |filter, column| filter.and_eq(column, params.get(column)));
    let rows = filter.page(&[SortKey::ascending("id")], None, None).fetch_all(conn).await?;
    rows.iter().map(read_registered).collect()
}

/// Stores a new registered limit.
pub(crate) async fn insert_registered(conn: &mut Connection, limit: &RegisteredLimit) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_registered_limit (id, service_id, region_id, resource_name, default_limit, description, \
         generation) VALUES ($1, $2, $3, $4, $5, $6, 1)",
    )
    .bind(&limit.id)
    .bind(limit.service_id.as_str())
    .bind(limit.region_id.as_ref().map_or("", RegionId::as_str))
    .bind(&limit.resource_name)
    .bind(limit.default_limit)
    .bind(limit.description.clone())
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a changed registered limit, if nobody else changed it.
pub(crate) async fn update_registered(conn: &mut Connection, limit: &RegisteredLimit) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_registered_limit SET service_id = $1, region_id = $2, resource_name = $3, default_limit = $4, \
         description = $5, generation = generation + 1 WHERE id = $6 AND generation = $7",
    )
    .bind(limit.service_id.as_str())
    .bind(limit.region_id.as_ref().map_or("", RegionId::as_str))
    .bind(&limit.resource_name)
    .bind(limit.default_limit)
    .bind(limit.description.clone())
    .bind(&limit.id)
    .bind(limit.generation)
    .execute(conn)
    .await?;
    changed(done.rows_affected(), "registered_limit", &limit.id)
}

/// Deletes a registered limit.
pub(crate) async fn delete_registered(conn: &mut Connection, id: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity_registered_limit WHERE id = $1").bind(id).execute(conn).await?;
    Ok(())
}

/// A limit by id.
pub(crate) async fn get(conn: &mut Connection, id: &str) -> Result<Option<Limit>, DbError> {
    let found = Filter::new(LIMITS).and("l.id = ?", [Value::from(id)]).fetch_optional(conn).await?;
    found.as_ref().map(read).transpose()
}

/// Limits by service, region, resource name and owner.
pub(crate) async fn list(conn: &mut Connection, params: &Params) -> Result<Vec<Limit>, DbError> {
    let columns = [
        ("service_id", "r.service_id"),
        ("region_id", "r.region_id"),
        ("resource_name", "r.resource_name"),
        ("project_id", "l.project_id"),
        ("domain_id", "l.domain_id"),
    ];
    let filter =
        columns.into_iter().fold(Filter::new(LIMITS), |filter, (name, column)| filter.and_eq(column, params.get(name)));
    let rows = filter.page(&[SortKey::ascending("l.id")], None, None).fetch_all(conn).await?;
    rows.iter().map(read).collect()
}

/// All limits under a registered one.
pub(crate) async fn list_under(conn: &mut Connection, registered: &str) -> Result<Vec<Limit>, DbError> {
    let filter = Filter::new(LIMITS).and("l.registered_id = ?", [Value::from(registered)]);
    let rows = filter.page(&[SortKey::ascending("l.id")], None, None).fetch_all(conn).await?;
    rows.iter().map(read).collect()
}

/// Stores a new limit.
pub(crate) async fn insert(conn: &mut Connection, limit: &Limit) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_limit (id, registered_id, project_id, domain_id, resource_limit, description, generation) \
         VALUES ($1, $2, $3, $4, $5, $6, 1)",
    )
    .bind(&limit.id)
    .bind(&limit.registered_id)
    .bind(limit.owner.project().unwrap_or_default())
    .bind(limit.owner.domain().unwrap_or_default())
    .bind(limit.resource_limit)
    .bind(limit.description.clone())
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a changed limit, if nobody else changed it.
pub(crate) async fn update(conn: &mut Connection, limit: &Limit) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_limit SET resource_limit = $1, description = $2, generation = generation + 1 \
         WHERE id = $3 AND generation = $4",
    )
    .bind(limit.resource_limit)
    .bind(limit.description.clone())
    .bind(&limit.id)
    .bind(limit.generation)
    .execute(conn)
    .await?;
    changed(done.rows_affected(), "limit", &limit.id)
}

/// Deletes a limit.
pub(crate) async fn delete(conn: &mut Connection, id: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity_limit WHERE id = $1").bind(id).execute(conn).await?;
    Ok(())
}
