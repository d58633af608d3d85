//! SQL of regions, services and endpoints.

use super::{Endpoint, Region, Service};
use crate::{IdentityError, project::store::changed};
use controller_base::id::{EndpointId, RegionId, ServiceId};
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value, flag, from_json, is_set, json};
use controller_web::Params;
use std::str::FromStr;

const REGIONS: &str = "SELECT id, parent_id, description, extra, generation FROM identity_region";
const SERVICES: &str = "SELECT id, type, name, description, enabled, extra, generation FROM identity_service";
const ENDPOINTS: &str =
    "SELECT id, service_id, region_id, interface, url, enabled, extra, generation FROM identity_endpoint";

fn id<T: FromStr<Err = controller_base::id::InvalidId>>(row: &AnyRow, column: &str) -> Result<T, DbError> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|error| DbError::corrupt(column, error))
}

fn maybe_id<T: FromStr<Err = controller_base::id::InvalidId>>(
    row: &AnyRow,
    column: &str,
) -> Result<Option<T>, DbError> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| text.parse().map_err(|error| DbError::corrupt(column, error))).transpose()
}

fn region(row: &AnyRow) -> Result<Region, DbError> {
    Ok(Region {
        id: id(row, "id")?,
        parent_id: maybe_id(row, "parent_id")?,
        description: row.try_get("description")?,
        extra: from_json("extra", row.try_get("extra")?)?,
        generation: row.try_get("generation")?,
    })
}

fn service(row: &AnyRow) -> Result<Service, DbError> {
    Ok(Service {
        id: id(row, "id")?,
        kind: row.try_get("type")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        enabled: is_set(row.try_get("enabled")?),
        extra: from_json("extra", row.try_get("extra")?)?,
        generation: row.try_get("generation")?,
    })
}

fn endpoint(row: &AnyRow) -> Result<Endpoint, DbError> {
    Ok(Endpoint {
        id: id(row, "id")?,
        service_id: id(row, "service_id")?,
        region_id: maybe_id(row, "region_id")?,
        interface: row.try_get("interface")?,
        url: row.try_get("url")?,
        enabled: is_set(row.try_get("enabled")?),
        extra: from_json("extra", row.try_get("extra")?)?,
        generation: row.try_get("generation")?,
    })
}

async fn all<T>(
    conn: &mut Connection,
    filter: Filter,
    read: fn(&AnyRow) -> Result<T, DbError>,
) -> Result<Vec<T>, DbError> {
    filter.page(&[SortKey::ascending("id")], None, None).fetch_all(conn).await?.iter().map(read).collect()
}

/// A region by id.
pub(crate) async fn get_region(conn: &mut Connection, id: &RegionId) -> Result<Option<Region>, DbError> {
    let found = Filter::new(REGIONS).and("id = ?", [Value::text(id)]).fetch_optional(conn).await?;
    found.as_ref().map(region).transpose()
}

/// Regions, all or those below one.
pub(crate) async fn list_regions(conn: &mut Connection, params: &Params) -> Result<Vec<Region>, DbError> {
    all(conn, Filter::new(REGIONS).and_eq("parent_id", params.get("parent_region_id")), region).await
}

/// Stores a new region.
pub(crate) async fn insert_region(conn: &mut Connection, region: &Region) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_region (id, parent_id, description, extra, generation) VALUES ($1, $2, $3, $4, 1)",
    )
    .bind(region.id.as_str())
    .bind(region.parent_id.as_ref().map(ToString::to_string))
    .bind(&region.description)
    .bind(json(&region.extra))
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a changed region, if nobody else changed it.
pub(crate) async fn update_region(conn: &mut Connection, region: &Region) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_region SET parent_id = $1, description = $2, extra = $3, generation = generation + 1 \
         WHERE id = $4 AND generation = $5",
    )
    .bind(region.parent_id.as_ref().map(ToString::to_string))
    .bind(&region.description)
    .bind(json(&region.extra))
    .bind(region.id.as_str())
    .bind(region.generation)
    .execute(conn)
    .await?;
    changed(done.rows_affected(), "region", region.id.as_str())
}

/// Deletes a region; refused while endpoints or regions refer to it.
pub(crate) async fn delete_region(conn: &mut Connection, id: &RegionId) -> Result<(), DbError> {
    for sql in [
        "DELETE FROM identity_region WHERE id = $1",
        "DELETE FROM identity_policy_association WHERE region_id = $1",
        "DELETE FROM identity_registered_limit WHERE region_id = $1",
    ] {
        sqlx::query(sql).bind(id.as_str()).execute(&mut *conn).await?;
    }
    Ok(())
}

/// A service by id.
pub(crate) async fn get_service(conn: &mut Connection, id: &ServiceId) -> Result<Option<Service>, DbError> {
    let found = Filter::new(SERVICES).and("id = ?", [Value::text(id)]).fetch_optional(conn).await?;
    found.as_ref().map(service).transpose()
}

/// Services by type and name.
pub(crate) async fn list_services(conn: &mut Connection, params: &Params) -> Result<Vec<Service>, DbError> {
    let filter = Filter::new(SERVICES).and_eq("type", params.get("type"));
    all(conn, crate::listing::by_text(filter, params, &[("name", "name")]), service).await
}

/// Stores a new service.
pub(crate) async fn insert_service(conn: &mut Connection, service: &Service) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_service (id, type, name, description, enabled, extra, generation) \
         VALUES ($1, $2, $3, $4, $5, $6, 1)",
    )
    .bind(service.id.as_str())
    .bind(&service.kind)
    .bind(&service.name)
    .bind(service.description.clone())
    .bind(flag(service.enabled))
    .bind(json(&service.extra))
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a changed service, if nobody else changed it.
pub(crate) async fn update_service(conn: &mut Connection, service: &Service) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_service SET type = $1, name = $2, description = $3, enabled = $4, extra = $5, \
         generation = generation + 1 WHERE id = $6 AND generation = $7",
    )
    .bind(&service.kind)
    .bind(&service.name)
    .bind(service.description.clone())
    .bind(flag(service.enabled))
    .bind(json(&service.extra))
    .bind(service.id.as_str())
    .bind(service.generation)
    .execute(conn)
    .await?;
    changed(done.rows_affected(), "service", service.id.as_str())
}

/// Deletes a service with its endpoints.
pub(crate) async fn delete_service(conn: &mut Connection, id: &ServiceId) -> Result<(), DbError> {
    for sql in [
        "DELETE FROM identity_policy_association WHERE service_id = $1 OR endpoint_id IN \
         (SELECT id FROM identity_endpoint WHERE service_id = $1)",
        "DELETE FROM identity_endpoint WHERE service_id = $1",
        "DELETE FROM identity_service WHERE id = $1",
    ] {
        sqlx::query(sql).bind(id.as_str()).execute(&mut *conn).await?;
    }
    Ok(())
}

/// An endpoint by id.
pub(crate) async fn get_endpoint(conn: &mut Connection, id: &EndpointId) -> Result<Option<Endpoint>, DbError> {
    let found = Filter::new(ENDPOINTS).and("id = ?", [Value::text(id)]).fetch_optional(conn).await?;
    found.as_ref().map(endpoint).transpose()
}

/// Endpoints by service, region and interface.
pub(crate) async fn list_endpoints(conn: &mut Connection, params: &Params) -> Result<Vec<Endpoint>, DbError> {
    let filter = ["service_id", "region_id", "interface"]
        .into_iter()
        .fold(Filter::new(ENDPOINTS), |filter, column| filter.and_eq(column, params.get(column)));
    all(conn, filter, endpoint).await
}

/// Stores a new endpoint.
pub(crate) async fn insert_endpoint(conn: &mut Connection, endpoint: &Endpoint) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_endpoint (id, service_id, region_id, interface, url, enabled, extra, generation) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 1)",
    )
    .bind(endpoint.id.as_str())
    .bind(endpoint.service_id.as_str())
    .bind(endpoint.region_id.as_ref().map(ToString::to_string))
    .bind(&endpoint.interface)
    .bind(&endpoint.url)
    .bind(flag(endpoint.enabled))
    .bind(json(&endpoint.extra))
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a changed endpoint, if nobody else changed it.
pub(crate) async fn update_endpoint(conn: &mut Connection, endpoint: &Endpoint) -> Result<(), IdentityError> {
    let done = sqlx::query(
        "UPDATE identity_endpoint SET service_id = $1, region_id = $2, interface = $3, url = $4, enabled = $5, extra = $6, \
         generation = generation + 1 WHERE id = $7 AND generation = $8",
    )
    .bind(endpoint.service_id.as_str())
    .bind(endpoint.region_id.as_ref().map(ToString::to_string))
    .bind(&endpoint.interface)
    .bind(&endpoint.url)
    .bind(flag(endpoint.enabled))
    .bind(json(&endpoint.extra))
    .bind(endpoint.id.as_str())
    .bind(endpoint.generation)
    .execute(conn)
    .await?;
    changed(done.rows_affected(), "endpoint", endpoint.id.as_str())
}

/// Deletes an endpoint.
pub(crate) async fn delete_endpoint(conn: &mut Connection, id: &EndpointId) -> Result<(), DbError> {
    for sql in [
        "DELETE FROM identity_policy_association WHERE endpoint_id = $1",
        "DELETE FROM identity_endpoint WHERE id = $1",
    ] {
        sqlx::query(sql).bind(id.as_str()).execute(&mut *conn).await?;
    }
    Ok(())
}
