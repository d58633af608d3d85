//! The subnets' rows, and the addresses in them.

use super::{
    model::{Subnet, mode_name, mode_named},
    service_address,
};
use crate::{
    address::pool::Pool,
    error::{Error, Result},
    network,
    port::model::SERVICE,
    sql::{self, Cells, Columns, Param},
    standard::Standard,
};
use controller_base::id::{NetworkId, PortId, SubnetId};
use controller_db::{Connection, DbError, Filter, Value};
use controller_ports::fleet::net::Route;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use std::{collections::HashSet, net::IpAddr};

/// The start of a list.
pub const SELECT: &str = "SELECT * FROM (SELECT own.*, n.project_id AS network_project_id, n.shared AS network_shared, \
    n.external AS network_external, n.dns_domain AS network_dns_domain FROM network_subnet own \
    JOIN network_network n ON n.id = own.network_id) AS joined";

#[derive(Serialize, Deserialize)]
struct StoredPool(IpAddr, IpAddr);
/// A route in a JSON column.
#[derive(Serialize, Deserialize)]
struct StoredRoute(IpNet, IpAddr);

/// Routes as a JSON column.
#[must_use]
pub fn routes_to_column(routes: &[Route]) -> String {
    let stored: Vec<_> = routes.iter().map(|route| StoredRoute(route.destination, route.next_hop)).collect();
    controller_db::json(&stored)
}

/// Routes from a JSON column.
pub fn routes_from_row(row: &AnyRow, column: &str) -> Result<Vec<Route>> {
    let stored: Vec<StoredRoute> = row.json(column)?;
    Ok(stored.into_iter().map(|StoredRoute(destination, next_hop)| Route { destination, next_hop }).collect())
}

fn from_row(row: &AnyRow) -> Result<Subnet> {
    let pools: Vec<StoredPool> = row.json("allocation_pools")?;
    Ok(Subnet {
        id: row.parsed("id")?,
        standard: Standard::from_row(row)?,
        network_id: row.parsed("network_id")?,
        network: network::store::surroundings(row)?,
        cidr: row.parsed("cidr")?,
        gateway: row.maybe_parsed("gateway_ip")?,
        enable_dhcp: row.flag("enable_dhcp")?,
        dns_nameservers: row.json("dns_nameservers")?,
        host_routes: routes_from_row(row, "host_routes")?,
        pools: pools.into_iter().map(|StoredPool(first, last)| Pool { first, last }).collect(),
        address_mode: row.maybe_text("ipv6_address_mode")?.as_deref().and_then(mode_named),
        ra_mode: row.maybe_text("ipv6_ra_mode")?.as_deref().and_then(mode_named),
        service_types: row.json("service_types")?,
        dns_publish_fixed_ip: row.flag("dns_publish_fixed_ip")?,
    })
}

fn columns(subnet: &Subnet) -> Columns {
    let pools: Vec<_> = subnet.pools.iter().map(|pool| StoredPool(pool.first, pool.last)).collect();
    let mut columns = subnet.standard.columns();
    columns.extend([
        ("network_id", Param::text(subnet.network_id)),
        ("cidr", Param::text(subnet.cidr)),
        ("gateway_ip", Param::maybe_text(subnet.gateway)),
        ("enable_dhcp", subnet.enable_dhcp.into()),
        ("dns_nameservers", controller_db::json(&subnet.dns_nameservers).into()),
        ("host_routes", routes_to_column(&subnet.host_routes).into()),
        ("allocation_pools", controller_db::json(&pools).into()),
        ("ipv6_address_mode", Param::maybe_text(subnet.address_mode.map(mode_name))),
        ("ipv6_ra_mode", Param::maybe_text(subnet.ra_mode.map(mode_name))),
        ("service_types", controller_db::json(&subnet.service_types).into()),
        ("dns_publish_fixed_ip", subnet.dns_publish_fixed_ip.into()),
    ]);
    columns
}

/// All that the filter lets through.
pub async fn list(conn: &mut Connection, filter: Filter) -> Result<Vec<Subnet>> {
    filter.fetch_all(conn).await?.iter().map(from_row).collect()
}

/// One subnet.
pub async fn get(conn: &mut Connection, id: SubnetId) -> Result<Option<Subnet>> {
    Ok(list(conn, Filter::new(SELECT).and_eq("id", Some(id.to_string()))).await?.pop())
}

/// One that must be there.
pub async fn require(conn: &mut Connection, id: SubnetId) -> Result<Subnet> {
    get(conn, id).await?.ok_or_else(|| Error::SubnetNotFound(id.to_string()))
}

/// A network's subnets, oldest first.
pub async fn of_network(conn: &mut Connection, network: NetworkId) -> Result<Vec<Subnet>> {
    let filter = Filter::new(SELECT).and_eq("network_id", Some(network.to_string())).then("ORDER BY created_at, id");
    list(conn, filter).await
}

/// The same, each with the hosts' own address on it.
pub async fn of_network_with_service(
    conn: &mut Connection,
    network: NetworkId,
) -> Result<Vec<(Subnet, Option<IpAddr>)>> {
    // The port is looked for first: a subnet may have many addresses. Its owner may give it several of one subnet.
    let sql = "SELECT s.*, (SELECT a.address FROM network_port p CROSS JOIN network_address a \
               WHERE p.device_id = $2 AND p.device_owner = $3 AND a.port_id = p.id AND a.subnet_id = s.id \
               ORDER BY a.position LIMIT 1) AS service_address, \
               n.project_id AS network_project_id, n.shared AS network_shared, n.external AS network_external, \
               n.dns_domain AS network_dns_domain FROM network_subnet s JOIN network_network n ON n.id = s.network_id \
               WHERE s.network_id = $1 ORDER BY s.created_at, s.id";
    let params = [Param::text(network), service_address::device_id(network).into(), SERVICE.into()];
    let rows = sql::all(conn, sql, params).await?;
    rows.iter().map(|row| Ok((from_row(row)?, row.maybe_parsed("service_address")?))).collect()
}

/// A new subnet.
pub async fn insert(conn: &mut Connection, subnet: &Subnet) -> Result<()> {
    let mut columns = columns(subnet);
    columns.push(("id", Param::text(subnet.id)));
    sql::insert(conn, "network_subnet", columns).await
}

/// Writes it back; false when another request changed it since generation `seen`.
pub async fn update(conn: &mut Connection, subnet: &Subnet, seen: i64) -> Result<bool> {
    sql::update(conn, "network_subnet", Param::text(subnet.id), seen, columns(subnet)).await
}

/// Removes it.
pub async fn delete(conn: &mut Connection, id: SubnetId) -> Result<()> {
    sql::run(conn, "DELETE FROM network_subnet WHERE id = $1", [Param::text(id)]).await.map(drop)
}

/// Which of these addresses are taken.
pub async fn taken_among(conn: &mut Connection, subnet: SubnetId, addresses: &[IpAddr]) -> Result<HashSet<IpAddr>> {
    let filter = Filter::new("SELECT address FROM network_address")
        .and_eq("subnet_id", Some(subnet.to_string()))
        .and_in("address", addresses.iter().map(Value::text));
    filter.fetch_all(conn).await?.iter().map(|row| row.parsed("address")).collect()
}

/// All taken addresses of a subnet.
pub async fn taken(conn: &mut Connection, subnet: SubnetId) -> Result<HashSet<IpAddr>> {
    let filter = Filter::new("SELECT address FROM network_address").and_eq("subnet_id", Some(subnet.to_string()));
    filter.fetch_all(conn).await?.iter().map(|row| row.parsed("address")).collect()
}

/// The port that has the address.
pub async fn holder(conn: &mut Connection, subnet: SubnetId, address: IpAddr) -> Result<Option<PortId>> {
    let sql = "SELECT port_id FROM network_address WHERE subnet_id = $1 AND address = $2";
    Ok(sql::ids(conn, sql, [Param::text(subnet), Param::text(address)]).await?.pop())
}

/// Gives an address to a port. `IpAddressAlreadyAllocated` when another has it.
pub async fn take(conn: &mut Connection, subnet: SubnetId, address: IpAddr, port: PortId, position: i64) -> Result<()> {
    let columns = vec![
        ("subnet_id", Param::text(subnet)),
        ("address", Param::text(address)),
        ("port_id", Param::text(port)),
        ("position", position.into()),
    ];
    match sql::insert(conn, "network_address", columns).await {
        Err(Error::Database(DbError::UniqueViolation { .. })) => {
            Err(Error::IpAddressAlreadyAllocated(address.to_string(), subnet.to_string()))
        }
        other => other,
    }
}

/// Takes all addresses from a port.
pub async fn release_port(conn: &mut Connection, port: PortId) -> Result<()> {
    sql::run(conn, "DELETE FROM network_address WHERE port_id = $1", [Param::text(port)]).await.map(drop)
}
