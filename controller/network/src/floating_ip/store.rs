//! The floating IPs' rows.

use super::model::{Association, FloatingIp};
use crate::{
    error::{Error, Result},
    port::{
        self,
        model::{Port, Status},
    },
    sql::{self, Cells, Columns, Param},
    standard::Standard,
};
use controller_base::id::{FloatingIpId, PortId, RouterId};
use controller_db::{Connection, Filter};
use sqlx::any::AnyRow;
use std::collections::HashMap;

/// The start of a list.
pub const SELECT: &str = "SELECT * FROM network_floating_ip";

fn from_row(row: &AnyRow) -> Result<FloatingIp> {
    let port_id = row.maybe_parsed("port_id")?;
    let fixed_address = row.maybe_parsed("fixed_address")?;
    let router_id = row.maybe_parsed("router_id")?;
    let association = match (port_id, fixed_address, router_id) {
        (Some(port_id), Some(fixed_address), Some(router_id)) => {
            Some(Association { port_id, fixed_address, router_id })
        }
        _ => None,
    };
    Ok(FloatingIp {
        id: row.parsed("id")?,
        standard: Standard::from_row(row)?,
        network_id: row.parsed("network_id")?,
        outer_port_id: row.parsed("outer_port_id")?,
        address: row.parsed("address")?,
        association,
        status: Status::named(&row.text("status")?),
        dns_name: row.text("dns_name")?,
        dns_domain: row.text("dns_domain")?,
    })
}

fn columns(floating: &FloatingIp) -> Columns {
    let association = floating.association.as_ref();
    let mut columns = floating.standard.columns();
    columns.extend([
        ("network_id", Param::text(floating.network_id)),
        ("outer_port_id", Param::text(floating.outer_port_id)),
        ("address", Param::text(floating.address)),
        ("port_id", Param::maybe_text(association.map(|association| association.port_id))),
        ("fixed_address", Param::maybe_text(association.map(|association| association.fixed_address))),
        ("router_id", Param::maybe_text(association.map(|association| association.router_id))),
        ("status", floating.status.name().into()),
        ("dns_name", (&floating.dns_name).into()),
        ("dns_domain", (&floating.dns_domain).into()),
    ]);
    columns
}

/// All that the filter lets through.
pub async fn list(conn: &mut Connection, filter: Filter) -> Result<Vec<FloatingIp>> {
    filter.fetch_all(conn).await?.iter().map(from_row).collect()
}

/// One floating IP.
pub async fn get(conn: &mut Connection, id: FloatingIpId) -> Result<Option<FloatingIp>> {
    Ok(list(conn, Filter::new(SELECT).and_eq("id", Some(id.to_string()))).await?.pop())
}

/// Those lent to a port.
pub async fn of_port(conn: &mut Connection, port: PortId) -> Result<Vec<FloatingIp>> {
    list(conn, Filter::new(SELECT).and_eq("port_id", Some(port.to_string()))).await
}

/// Those that go through a router.
pub async fn of_router(conn: &mut Connection, router: RouterId) -> Result<Vec<FloatingIp>> {
    list(conn, Filter::new(SELECT).and_eq("router_id", Some(router.to_string())).then("ORDER BY id")).await
}

/// A new floating IP.
pub async fn insert(conn: &mut Connection, floating: &FloatingIp) -> Result<()> {
    let mut columns = columns(floating);
    columns.push(("id", Param::text(floating.id)));
    sql::insert(conn, "network_floating_ip", columns).await.map_err(|error| taken(error, floating))
}

/// Writes it back; false when another request changed it since generation `seen`.
pub async fn update(conn: &mut Connection, floating: &FloatingIp, seen: i64) -> Result<bool> {
    let written = sql::update(conn, "network_floating_ip", Param::text(floating.id), seen, columns(floating)).await;
    written.map_err(|error| taken(error, floating))
}

fn taken(error: Error, floating: &FloatingIp) -> Error {
    match (error, &floating.association) {
        (Error::Database(error), Some(association)) if error.violates("network_floating_ip", "port_id") => {
            already_associated(floating, association)
        }
        (error, _) => error,
    }
}

/// The refusal to lend a second address of the same network to the same inner address.
#[must_use]
pub fn already_associated(floating: &FloatingIp, association: &Association) -> Error {
    Error::FloatingIPPortAlreadyAssociated(
        floating.address.to_string(),
        floating.id.to_string(),
        association.port_id.to_string(),
        association.fixed_address.to_string(),
        floating.network_id.to_string(),
    )
}

/// Removes it.
pub async fn delete(conn: &mut Connection, id: FloatingIpId) -> Result<()> {
    sql::run(conn, "DELETE FROM network_floating_ip WHERE id = $1", [Param::text(id)]).await.map(drop)
}

/// A floating IP with the port that it is lent to.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The floating IP.
    pub floating: FloatingIp,
    /// Whom it is lent to.
    pub inner: Option<Port>,
}

/// All that the filter lets through, with the ports that they are lent to.
pub async fn list_shown(conn: &mut Connection, filter: Filter) -> Result<Vec<Shown>> {
    let floating = list(conn, filter).await?;
    let lent_to = |floating: &FloatingIp| floating.association.as_ref().map(|association| association.port_id);
    let ids: Vec<PortId> = floating.iter().filter_map(lent_to).collect();
    let mut ports = HashMap::new();
    for chunk in ids.chunks(500) {
        let filter = Filter::new(port::store::SELECT).and_in("id", chunk.iter().map(controller_db::Value::text));
        ports.extend(port::store::list(conn, filter).await?.into_iter().map(|port| (port.id, port)));
    }
    let shown =
        |floating: FloatingIp| Shown { inner: lent_to(&floating).and_then(|id| ports.get(&id).cloned()), floating };
    Ok(floating.into_iter().map(shown).collect())
}
