//! Servers' ports as compute tells of them.

use crate::{
    error::Result,
    service::NetworkService,
    sql::{self, Cells},
};
use controller_base::id::{PortId, ServerId};
use controller_db::Connection;
use controller_db::{Filter, Value};
use controller_ports::network::AttachedPort;
use regex::Regex;
use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

/// How many ids a query takes at most.
const CHUNK: usize = 500;

/// A row for each address of each port; one for a port without. Only what attaching bound counts: a tenant may name any device.
const PORTS: &str = "SELECT p.id, p.device_id, p.network_id, n.name AS network_name, p.mac, p.status, a.subnet_id, a.address \
                     FROM network_port p JOIN network_network n ON n.id = p.network_id \
                     LEFT JOIN network_address a ON a.port_id = p.id";
/// What hangs on ports: security groups (id and name) and floating addresses (each with the fixed one that it is for).
const PARTS: &str = "SELECT * FROM (SELECT 'group' AS kind, g.port_id, s.id AS own, s.name AS other FROM network_port_group g \
                     JOIN network_security_group s ON s.id = g.group_id UNION ALL \
                     SELECT 'floating' AS kind, f.port_id, f.address AS own, f.fixed_address AS other \
                     FROM network_floating_ip f) AS parts";

/// The ports of servers, each server's in the order of its interfaces.
pub async fn ports_of(service: &NetworkService, servers: &[ServerId]) -> Result<HashMap<ServerId, Vec<AttachedPort>>> {
    let mut conn = service.read().await?;
    let mut found: HashMap<ServerId, Vec<AttachedPort>> = HashMap::new();
    for chunk in servers.chunks(CHUNK) {
        read_ports(&mut conn, chunk, &mut found).await?;
    }
    let mut ports: HashMap<PortId, &mut AttachedPort> =
        found.values_mut().flatten().map(|port| (port.id, port)).collect();
    let ids: Vec<PortId> = ports.keys().copied().collect();
    for chunk in ids.chunks(CHUNK) {
        read_parts(&mut conn, chunk, &mut ports).await?;
    }
    Ok(found)
}

async fn read_ports(
    conn: &mut Connection,
    servers: &[ServerId],
    found: &mut HashMap<ServerId, Vec<AttachedPort>>,
) -> Result<()> {
    let filter = Filter::new(PORTS)
        .and_in("p.device_id", servers.iter().map(Value::text))
        .and("p.device_owner LIKE 'compute:%' AND p.host_id IS NOT NULL", [])
        .then("ORDER BY p.position, p.created_at, p.id, a.position, a.address");
    for row in filter.fetch_all(conn).await? {
        let ports = found.entry(row.parsed("device_id")?).or_default();
        let id: PortId = row.parsed("id")?;
        if ports.last().is_none_or(|port| port.id != id) {
            ports.push(AttachedPort {
                id,
                network_id: row.parsed("network_id")?,
                network_name: row.text("network_name")?,
                mac: row.text("mac")?,
                fixed_ips: Vec::new(),
                floating_ips: Vec::new(),
                status: row.text("status")?,
                security_groups: Vec::new(),
                subnet_ids: Vec::new(),
            });
        }
        if let (Some(port), Some(address)) = (ports.last_mut(), row.maybe_parsed("address")?) {
            port.fixed_ips.push(address);
            port.subnet_ids.push(row.parsed("subnet_id")?);
        }
    }
    Ok(())
}

async fn read_parts(
    conn: &mut Connection,
    ids: &[PortId],
    ports: &mut HashMap<PortId, &mut AttachedPort>,
) -> Result<()> {
    let filter = Filter::new(PARTS).and_in("port_id", ids.iter().map(Value::text)).then("ORDER BY own");
    for row in filter.fetch_all(conn).await? {
        let Some(port) = ports.get_mut(&row.parsed("port_id")?) else { continue };
        match row.text("kind")?.as_str() {
            "group" => port.security_groups.push((row.parsed("own")?, row.text("other")?)),
            _ => port.floating_ips.push((row.parsed("own")?, row.parsed("other")?)),
        }
    }
    Ok(())
}

/// Those servers that have a port with an address matching the pattern; none when it is no pattern.
pub async fn servers_with_address(service: &NetworkService, pattern: &str, ipv6: bool) -> Result<Vec<ServerId>> {
    let Ok(pattern) = Regex::new(pattern) else { return Ok(Vec::new()) };
    let sql = "SELECT p.device_id, a.address FROM network_address a JOIN network_port p ON p.id = a.port_id \
               WHERE p.device_owner LIKE 'compute:%' AND p.host_id IS NOT NULL";
    let mut conn = service.read().await?;
    let mut found = BTreeSet::new();
    for row in sql::all(&mut conn, sql, []).await? {
        let address: IpAddr = row.parsed("address")?;
        if address.is_ipv6() == ipv6 && pattern.is_match(&address.to_string()) {
            found.extend(row.text("device_id")?.parse::<ServerId>().ok());
        }
    }
    Ok(found.into_iter().collect())
}
