//! The ports' rows with their addresses and groups.

use super::model::{Port, Status};
use crate::{
    error::{Error, Result},
    network,
    sql::{self, Cells, Columns, Param},
    standard::Standard,
    subnet,
};
use controller_base::{
    Timestamp,
    id::{HostId, NetworkId, PortId, SecurityGroupId, ServerId},
};
use controller_db::{Connection, DbError, Filter, Value};
use controller_ports::fleet::net::FixedIp;
use sqlx::any::AnyRow;
use std::{net::IpAddr, str::FromStr};

/// The start of a list.
pub const SELECT: &str = "SELECT * FROM (SELECT own.*, n.project_id AS network_project_id, n.shared AS network_shared, \
    n.external AS network_external, n.dns_domain AS network_dns_domain, \
    (SELECT string_agg(a.position || ' ' || a.address || ' ' || a.subnet_id, ',') FROM network_address a \
    WHERE a.port_id = own.id) AS addresses, \
    (SELECT string_agg(g.group_id, ',') FROM network_port_group g WHERE g.port_id = own.id) AS group_ids \
    FROM network_port own JOIN network_network n ON n.id = own.network_id) AS joined";

fn from_row(row: &AnyRow) -> Result<Port> {
    let mut groups: Vec<SecurityGroupId> = row.parsed_members("group_ids")?;
    groups.sort();
    Ok(Port {
        id: row.parsed("id")?,
        standard: Standard::from_row(row)?,
        network_id: row.parsed("network_id")?,
        network: network::store::surroundings(row)?,
        mac: row.text("mac")?,
        admin_up: row.flag("admin_up")?,
        status: Status::named(&row.text("status")?),
        device_id: row.text("device_id")?,
        device_owner: row.text("device_owner")?,
        hostname: row.text("hostname")?,
        host_id: row.maybe_parsed("host_id")?,
        vnic_type: row.text("vnic_type")?,
        profile: row.json("profile")?,
        port_security: row.flag("port_security")?,
        address_pairs: row.json("address_pairs")?,
        dhcp_options: row.json("dhcp_options")?,
        dns_name: row.text("dns_name")?,
        position: row.int("position")?,
        made_for_server: row.flag("made_for_server")?,
        fixed_ips: fixed_ips(&row.members("addresses")?)?,
        groups,
    })
}

/// Positions, addresses and subnets, as [`SELECT`] joins them, in the order of positions.
fn fixed_ips(members: &[String]) -> Result<Vec<FixedIp>> {
    let mut placed = Vec::with_capacity(members.len());
    for member in members {
        let mut words = member.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        let position: i64 = parse(word())?;
        let address: &str = word();
        placed.push((position, address, FixedIp { address: parse(address)?, subnet_id: parse(word())? }));
    }
    placed.sort_by_key(|(position, address, _)| (*position, *address));
    Ok(placed.into_iter().map(|(_, _, fixed)| fixed).collect())
}

fn parse<T: FromStr>(word: &str) -> Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    word.parse().map_err(|error| DbError::corrupt("addresses", error).into())
}

fn columns(port: &Port) -> Columns {
    let mut columns = port.standard.columns();
    columns.extend([
        ("network_id", Param::text(port.network_id)),
        ("mac", (&port.mac).into()),
        ("admin_up", port.admin_up.into()),
        ("status", port.status.name().into()),
        ("device_id", (&port.device_id).into()),
        ("device_owner", (&port.device_owner).into()),
        ("hostname", (&port.hostname).into()),
        ("host_id", Param::maybe_text(port.host_id)),
        ("vnic_type", (&port.vnic_type).into()),
        ("profile", controller_db::json(&port.profile).into()),
        ("port_security", port.port_security.into()),
        ("address_pairs", controller_db::json(&port.address_pairs).into()),
        ("dhcp_options", controller_db::json(&port.dhcp_options).into()),
        ("dns_name", (&port.dns_name).into()),
        ("position", port.position.into()),
        ("made_for_server", port.made_for_server.into()),
    ]);
    columns
}

/// All that the filter lets through, with their addresses and groups.
pub async fn list(conn: &mut Connection, filter: Filter) -> Result<Vec<Port>> {
    filter.fetch_all(conn).await?.iter().map(from_row).collect()
}

/// One port.
pub async fn get(conn: &mut Connection, id: PortId) -> Result<Option<Port>> {
    Ok(list(conn, Filter::new(SELECT).and_eq("id", Some(id.to_string()))).await?.pop())
}

/// One that must be there.
pub async fn require(conn: &mut Connection, id: PortId) -> Result<Port> {
    get(conn, id).await?.ok_or_else(|| Error::PortNotFound(id.to_string()))
}

/// A network's ports.
pub async fn of_network(conn: &mut Connection, network: NetworkId) -> Result<Vec<Port>> {
    list(conn, Filter::new(SELECT).and_eq("network_id", Some(network.to_string()))).await
}

/// The ports of a device with this owner; oldest first.
pub async fn of_device(conn: &mut Connection, device: &str, owner: &str) -> Result<Vec<Port>> {
    let filter = Filter::new(SELECT)
        .and_eq("device_id", Some(device))
        .and_eq("device_owner", Some(owner))
        .then("ORDER BY created_at, id");
    list(conn, filter).await
}

/// A port on a host, as other hosts of its network must know it.
pub struct Remote {
    /// Where it is.
    pub host: HostId,
    /// Its hardware address.
    pub mac: String,
    /// In their order.
    pub addresses: Vec<IpAddr>,
}

/// A network's ports on hosts; oldest first. There are many, and every change of one is one for all of the network's hosts.
pub async fn on_hosts(conn: &mut Connection, network: NetworkId) -> Result<Vec<Remote>> {
    let sql = "SELECT p.host_id, p.mac, (SELECT string_agg(a.address, ',' ORDER BY a.position) FROM network_address a \
               WHERE a.port_id = p.id) AS addresses FROM network_port p \
               WHERE p.network_id = $1 AND p.host_id IS NOT NULL ORDER BY p.created_at, p.id";
    let remote = |row: &AnyRow| {
        Ok(Remote { host: row.parsed("host_id")?, mac: row.text("mac")?, addresses: row.parsed_members("addresses")? })
    };
    sql::all(conn, sql, [Param::text(network)]).await?.iter().map(remote).collect()
}

/// The ports of servers, in the order of their interfaces. Only what attaching bound counts: a tenant may name any device.
pub async fn of_servers(conn: &mut Connection, servers: &[ServerId]) -> Result<Vec<Port>> {
    let mut found = Vec::new();
    for chunk in servers.chunks(500) {
        let filter = Filter::new(SELECT)
            .and_in("device_id", chunk.iter().map(Value::text))
            .and("device_owner LIKE 'compute:%' AND host_id IS NOT NULL", [])
            .then("ORDER BY position, created_at, id");
        found.extend(list(conn, filter).await?);
    }
    Ok(found)
}

/// A new port with its addresses and groups.
pub async fn insert(conn: &mut Connection, port: &Port) -> Result<()> {
    let mut columns = columns(port);
    columns.push(("id", Param::text(port.id)));
    match sql::insert(conn, "network_port", columns).await {
        Err(Error::Database(error)) if violates_mac(&error) => {
            return Err(Error::MacAddressInUse(port.network_id.to_string(), port.mac.clone()));
        }
        other => other?,
    }
    insert_addresses(conn, port).await?;
    insert_groups(conn, port).await
}

fn violates_mac(error: &DbError) -> bool {
    error.violates("network_port", "mac")
}

/// Writes it back without its addresses and groups; false when another request changed it since generation `seen`.
pub async fn update(conn: &mut Connection, port: &Port, seen: i64) -> Result<bool> {
    match sql::update(conn, "network_port", Param::text(port.id), seen, columns(port)).await {
        Err(Error::Database(error)) if violates_mac(&error) => {
            Err(Error::MacAddressInUse(port.network_id.to_string(), port.mac.clone()))
        }
        other => other,
    }
}

/// Sets the state of a server's ports; tells how many had another one.
pub async fn set_status(conn: &mut Connection, server: ServerId, status: Status, now: Timestamp) -> Result<u64> {
    let sql = "UPDATE network_port SET status = $1, updated_at = $2, generation = generation + 1 \
               WHERE device_id = $3 AND device_owner LIKE 'compute:%' AND host_id IS NOT NULL AND status <> $1";
    sql::run(conn, sql, [status.name().into(), now.0.into(), Param::text(server)]).await
}

/// Makes its addresses those of the model.
pub async fn write_addresses(conn: &mut Connection, port: &Port) -> Result<()> {
    subnet::store::release_port(conn, port.id).await?;
    insert_addresses(conn, port).await
}

async fn insert_addresses(conn: &mut Connection, port: &Port) -> Result<()> {
    for (position, fixed) in (0_i64..).zip(&port.fixed_ips) {
        subnet::store::take(conn, fixed.subnet_id, fixed.address, port.id, position).await?;
    }
    Ok(())
}

/// Makes its groups those of the model.
pub async fn write_groups(conn: &mut Connection, port: &Port) -> Result<()> {
    sql::run(conn, "DELETE FROM network_port_group WHERE port_id = $1", [Param::text(port.id)]).await?;
    insert_groups(conn, port).await
}

async fn insert_groups(conn: &mut Connection, port: &Port) -> Result<()> {
    for group in &port.groups {
        let columns = vec![("port_id", Param::text(port.id)), ("group_id", Param::text(group))];
        sql::insert(conn, "network_port_group", columns).await?;
    }
    Ok(())
}

/// Removes it with its addresses and groups.
pub async fn delete(conn: &mut Connection, id: PortId) -> Result<()> {
    subnet::store::release_port(conn, id).await?;
    sql::run(conn, "DELETE FROM network_port_group WHERE port_id = $1", [Param::text(id)]).await?;
    sql::run(conn, "DELETE FROM network_port WHERE id = $1", [Param::text(id)]).await.map(drop)
}

/// Whether the hardware address is taken on the network.
pub async fn mac_taken(conn: &mut Connection, network: NetworkId, mac: &str) -> Result<bool> {
    let sql = "SELECT id FROM network_port WHERE network_id = $1 AND mac = $2";
    sql::exists(conn, sql, [Param::text(network), Param::from(mac)]).await
}
