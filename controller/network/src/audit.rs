//! What the audit compares: rows of this service against each other, and servers' ports against compute and hosts.

use crate::{
    error::Result,
    hosts::unavailable,
    service::NetworkService,
    sql::{self, Cells},
};
use controller_base::id::{HostId, PortId, ServerId};
use controller_ports::Unavailable;

/// A port that a server holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPort {
    /// The port.
    pub id: PortId,
    /// The server that it names.
    pub server_id: ServerId,
    /// Where it is bound.
    pub host_id: Option<HostId>,
}

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Query, kind, reason: what each query finds should not be.
const QUERIES: [(&str, &str, &str); 5] = [
    (
        "SELECT p.id FROM network_port p LEFT JOIN network_router r ON r.id = p.device_id \
         WHERE p.device_owner IN ('network:router_interface', 'network:router_gateway') AND r.id IS NULL",
        "port",
        "its router does not exist",
    ),
    (
        "SELECT p.id FROM network_port p LEFT JOIN network_floating_ip f ON f.outer_port_id = p.id \
         WHERE p.device_owner = 'network:floatingip' AND f.id IS NULL",
        "port",
        "its floating IP does not exist",
    ),
    (
        "SELECT id FROM network_port WHERE host_id IS NOT NULL AND device_id = ''",
        "port",
        "it is bound to a host but no server has it",
    ),
    (
        "SELECT f.id FROM network_floating_ip f LEFT JOIN network_address a \
         ON a.port_id = f.port_id AND a.address = f.fixed_address WHERE f.port_id IS NOT NULL AND a.address IS NULL",
        "floatingip",
        "its port has lost the address that it is for",
    ),
    (
        "SELECT f.id FROM network_floating_ip f LEFT JOIN network_port w ON w.device_id = f.router_id \
         AND w.device_owner = 'network:router_gateway' AND w.network_id = f.network_id \
         WHERE f.router_id IS NOT NULL AND w.id IS NULL",
        "floatingip",
        "its router has no gateway in its network",
    ),
];

impl NetworkService {
    /// All ports that servers hold, to be compared with the servers that there are.
    ///
    /// # Errors
    /// The database's.
    pub async fn server_ports(&self) -> std::result::Result<Vec<ServerPort>, Unavailable> {
        server_ports(self).await.map_err(unavailable)
    }

    /// What does not fit within the service's own rows; nothing, unless there is a defect.
    ///
    /// # Errors
    /// The database's.
    pub async fn audit(&self) -> std::result::Result<Vec<Finding>, Unavailable> {
        findings(self).await.map_err(unavailable)
    }
}

async fn server_ports(service: &NetworkService) -> Result<Vec<ServerPort>> {
    let sql = "SELECT id, device_id, host_id FROM network_port WHERE device_owner LIKE 'compute:%' AND host_id IS NOT NULL ORDER BY id";
    let mut conn = service.read().await?;
    let mut found = Vec::new();
    for row in sql::all(&mut conn, sql, []).await? {
        if let Ok(server_id) = row.text("device_id")?.parse() {
            found.push(ServerPort { id: row.parsed("id")?, server_id, host_id: row.maybe_parsed("host_id")? });
        }
    }
    Ok(found)
}

async fn findings(service: &NetworkService) -> Result<Vec<Finding>> {
    let mut conn = service.read().await?;
    let mut found = Vec::new();
    for (sql, kind, reason) in QUERIES {
        for row in sql::all(&mut conn, sql, []).await? {
            found.push(Finding { kind, id: row.text("id")?, reason });
        }
    }
    Ok(found)
}
