//! Servers' ports as compute tells of them.

use crate::{
    error::Result,
    floating_ip::{self, model::FloatingIp},
    port::{self, model::Port},
    service::NetworkService,
    sql::{self, Cells},
};
use controller_base::id::{NetworkId, PortId, SecurityGroupId, ServerId};
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

/// The ports of servers, each server's in the order of its interfaces.
pub async fn ports_of(service: &NetworkService, servers: &[ServerId]) -> Result<HashMap<ServerId, Vec<AttachedPort>>> {
    let mut conn = service.read().await?;
    let ports = port::store::of_servers(&mut conn, servers).await?;
    let names = network_names(&mut conn, &ports).await?;
    let groups = group_names(&mut conn, &ports).await?;
    let mut floating = floating_ips(&mut conn, &ports).await?;
    let mut found: HashMap<ServerId, Vec<AttachedPort>> = HashMap::new();
    for port in ports {
        let Some(server) = port.server_id() else { continue };
        let attached = AttachedPort {
            id: port.id,
            network_id: port.network_id,
            network_name: names.get(&port.network_id).cloned().unwrap_or_default(),
            mac: port.mac,
            fixed_ips: port.fixed_ips.iter().map(|fixed| fixed.address).collect(),
            floating_ips: floating.remove(&port.id).unwrap_or_default(),
            status: port.status.name().to_owned(),
            security_groups: port.groups.iter().filter_map(|id| Some((*id, groups.get(id)?.clone()))).collect(),
            subnet_ids: port.fixed_ips.iter().map(|fixed| fixed.subnet_id).collect(),
        };
        found.entry(server).or_default().push(attached);
    }
    Ok(found)
}

async fn network_names(conn: &mut Connection, ports: &[Port]) -> Result<HashMap<NetworkId, String>> {
    let ids: BTreeSet<NetworkId> = ports.iter().map(|port| port.network_id).collect();
    let ids: Vec<_> = ids.into_iter().collect();
    let mut names = HashMap::new();
    for chunk in ids.chunks(CHUNK) {
        let filter = Filter::new("SELECT id, name FROM network_network").and_in("id", chunk.iter().map(Value::text));
        for row in filter.fetch_all(conn).await? {
            names.insert(row.parsed("id")?, row.text("name")?);
        }
    }
    Ok(names)
}

async fn group_names(conn: &mut Connection, ports: &[Port]) -> Result<HashMap<SecurityGroupId, String>> {
    let ids: BTreeSet<SecurityGroupId> = ports.iter().flat_map(|port| port.groups.iter().copied()).collect();
    let ids: Vec<_> = ids.into_iter().collect();
    let mut names = HashMap::new();
    for chunk in ids.chunks(CHUNK) {
        let filter =
            Filter::new("SELECT id, name FROM network_security_group").and_in("id", chunk.iter().map(Value::text));
        for row in filter.fetch_all(conn).await? {
            names.insert(row.parsed("id")?, row.text("name")?);
        }
    }
    Ok(names)
}

async fn floating_ips(conn: &mut Connection, ports: &[Port]) -> Result<HashMap<PortId, Vec<(IpAddr, IpAddr)>>> {
    let mut found: HashMap<PortId, Vec<(IpAddr, IpAddr)>> = HashMap::new();
    for chunk in ports.chunks(CHUNK) {
        let filter = Filter::new(floating_ip::store::SELECT)
            .and_in("port_id", chunk.iter().map(|port| Value::text(port.id)))
            .then("ORDER BY address");
        for FloatingIp { address, association, .. } in floating_ip::store::list(conn, filter).await? {
            if let Some(association) = association {
                found.entry(association.port_id).or_default().push((address, association.fixed_address));
            }
        }
    }
    Ok(found)
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
