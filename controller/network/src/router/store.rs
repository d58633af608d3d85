//! The routers' rows.

use super::model::{Gateway, Router};
use crate::{
    error::{Error, Result},
    port::{self, model::ROUTER_GATEWAY},
    sql::{self, Cells, Columns, Param},
    standard::Standard,
    subnet::store::{routes_from_row, routes_to_column},
};
use controller_base::id::RouterId;
use controller_db::{Connection, Filter, Value};
use sqlx::any::AnyRow;
use std::collections::HashMap;

/// The start of a list.
pub const SELECT: &str = "SELECT * FROM network_router";

fn from_row(row: &AnyRow) -> Result<Router> {
    Ok(Router {
        id: row.parsed("id")?,
        standard: Standard::from_row(row)?,
        admin_up: row.flag("admin_up")?,
        enable_snat: row.flag("enable_snat")?,
        routes: routes_from_row(row, "routes")?,
        gateway: None,
    })
}

fn columns(router: &Router) -> Columns {
    let mut columns = router.standard.columns();
    columns.extend([
        ("admin_up", router.admin_up.into()),
        ("enable_snat", router.enable_snat.into()),
        ("routes", routes_to_column(&router.routes).into()),
    ]);
    columns
}

/// All that the filter lets through, with their gateways.
pub async fn list(conn: &mut Connection, filter: Filter) -> Result<Vec<Router>> {
    let rows = filter.fetch_all(conn).await?;
    let mut routers = rows.iter().map(from_row).collect::<Result<Vec<_>>>()?;
    for chunk in routers.chunks_mut(500) {
        let filter = Filter::new(port::store::SELECT)
            .and_in("device_id", chunk.iter().map(|router| Value::text(router.id)))
            .and_eq("device_owner", Some(ROUTER_GATEWAY));
        let legs = port::store::list(conn, filter).await?;
        let mut legs: HashMap<String, _> = legs.into_iter().map(|leg| (leg.device_id.clone(), leg)).collect();
        for router in chunk {
            router.gateway = legs.remove(&router.id.to_string()).map(|leg| Gateway {
                port_id: leg.id,
                network_id: leg.network_id,
                fixed_ips: leg.fixed_ips,
            });
        }
    }
    Ok(routers)
}

/// One router.
pub async fn get(conn: &mut Connection, id: RouterId) -> Result<Option<Router>> {
    Ok(list(conn, Filter::new(SELECT).and_eq("id", Some(id.to_string()))).await?.pop())
}

/// One that must be there.
pub async fn require(conn: &mut Connection, id: RouterId) -> Result<Router> {
    get(conn, id).await?.ok_or_else(|| Error::RouterNotFound(id.to_string()))
}

/// A new router.
pub async fn insert(conn: &mut Connection, router: &Router) -> Result<()> {
    let mut columns = columns(router);
    columns.push(("id", Param::text(router.id)));
    sql::insert(conn, "network_router", columns).await
}

/// Writes it back; false when another request changed it since generation `seen`.
pub async fn update(conn: &mut Connection, router: &Router, seen: i64) -> Result<bool> {
    sql::update(conn, "network_router", Param::text(router.id), seen, columns(router)).await
}

/// Removes it.
pub async fn delete(conn: &mut Connection, id: RouterId) -> Result<()> {
    sql::run(conn, "DELETE FROM network_router WHERE id = $1", [Param::text(id)]).await.map(drop)
}
