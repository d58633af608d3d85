//! Whether a server's interfaces could be had. Changes nothing.

use crate::{
    address::usable,
    error::{Error, Result},
    network::{self, model::Network},
    port::{self, model::Port},
    quota,
    service::{Caller, NetworkService},
    sql::{self, Param},
    subnet,
};
use controller_base::id::{NetworkId, PortId, ProjectId};
use controller_db::Connection;
use controller_ports::network::{AttachError, RequestedNic};
use std::{
    collections::{BTreeSet, HashSet},
    net::IpAddr,
};

/// The project's only network, its own or a shared one, that is not external.
pub async fn default_nics(
    service: &NetworkService,
    project: &ProjectId,
) -> std::result::Result<Vec<RequestedNic>, AttachError> {
    let sql = "SELECT id FROM network_network WHERE (project_id = $1 OR shared = 1) AND external = 0 ORDER BY created_at, id LIMIT 2";
    let mut conn = service.read().await?;
    let found: Vec<NetworkId> = sql::ids(&mut conn, sql, [Param::from(project.as_str())]).await?;
    match found.as_slice() {
        [] => Ok(Vec::new()),
        [id] => Ok(vec![RequestedNic::Network { id: *id, fixed_ip: None }]),
        _ => Err(AttachError::Ambiguous),
    }
}

/// Refuses what attaching would refuse. Gives the physical networks of the interfaces.
pub async fn check(
    service: &NetworkService,
    project: &ProjectId,
    is_admin: bool,
    nics: &[RequestedNic],
) -> Result<BTreeSet<String>> {
    let caller = Caller { project_id: Some(project.clone()), is_admin };
    let mut conn = service.read().await?;
    let mut seen = HashSet::new();
    let mut new_ports = 0;
    let mut physical = BTreeSet::new();
    for nic in nics {
        let network = match nic {
            RequestedNic::Network { id, fixed_ip } => {
                new_ports += 1;
                check_network(&mut conn, &caller, *id, *fixed_ip).await?
            }
            RequestedNic::Port { id } => {
                let port = check_port(&mut conn, &caller, *id).await?;
                if !seen.insert(*id) {
                    return Err(Error::PortInUse(id.to_string(), String::new(), String::new()));
                }
                network::store::require(&mut conn, port.network_id).await?
            }
        };
        physical.extend(network.segment.physical_network().map(str::to_owned));
    }
    if new_ports == 0 {
        return Ok(physical);
    }
    let limit = quota::limits(&mut conn, service.config(), project).await?.get("port").copied().unwrap_or(-1);
    if limit >= 0 && quota::used(&mut conn, project, "port").await? + new_ports > limit {
        return Err(Error::OverQuota("['port']".into()));
    }
    Ok(physical)
}

/// A network that the caller may plug servers into.
pub fn require_pluggable(network: &Network, caller: &Caller) -> Result<()> {
    let id = network.id.to_string();
    if !network::visible(network, caller) {
        return Err(Error::NetworkNotFound(id));
    }
    if network.external && !network.shared && !caller.owns(network.standard.project_id.as_ref()) {
        return Err(Error::ExternalNetworkAttachForbidden(id));
    }
    if network.subnets.is_empty() {
        return Err(Error::NetworkRequiresSubnet(id));
    }
    Ok(())
}

async fn check_network(
    conn: &mut Connection,
    caller: &Caller,
    id: NetworkId,
    fixed_ip: Option<IpAddr>,
) -> Result<Network> {
    let network = network::store::require(conn, id).await?;
    require_pluggable(&network, caller)?;
    let Some(address) = fixed_ip else { return Ok(network) };
    let subnets = subnet::store::of_network(conn, id).await?;
    let home = subnets.iter().find(|subnet| usable(&subnet.cidr, address));
    let home = home.ok_or_else(|| Error::InvalidIpForNetwork(address.to_string()))?;
    match subnet::store::holder(conn, home.id, address).await? {
        Some(_) => Err(Error::IpAddressAlreadyAllocated(address.to_string(), home.id.to_string())),
        None => Ok(network),
    }
}

async fn check_port(conn: &mut Connection, caller: &Caller, id: PortId) -> Result<Port> {
    let port = port::store::require(conn, id).await?;
    if !caller.owns(port.standard.project_id.as_ref()) {
        return Err(Error::PortNotFound(id.to_string()));
    }
    match port.device_id.is_empty() {
        true => Ok(port),
        false => Err(Error::PortInUse(id.to_string(), port.network_id.to_string(), port.device_id)),
    }
}
