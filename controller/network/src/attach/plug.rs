//! Plugging servers in and out.

use super::check::require_pluggable;
use crate::{
    error::{Error, Result},
    network,
    port::{
        self,
        allocate::Wanted,
        model::{Port, Status},
        service::NewPort,
    },
    service::{Caller, Change, NetworkService},
    standard::{Standard, check_written},
    subnet::service_address,
};
use controller_base::id::{NetworkId, PortId, ServerId};
use controller_db::Tx;
use controller_ports::network::{AttachRequest, RequestedNic};
use futures::FutureExt;
use std::net::IpAddr;

/// Makes or takes the ports and binds them to the host.
pub async fn attach(service: &NetworkService, tx: Tx, request: &AttachRequest) -> Result<Tx> {
    let request = request.clone();
    let (tx, ()) = service
        .within(tx, move |change| {
            async move {
                let existing = port::store::of_servers(change.conn(), &[request.server_id]).await?;
                for (position, nic) in (0_i64..).zip(&request.nics) {
                    let known = existing.iter().find(|port| port.position == position).cloned();
                    plug(change, &request, position, nic, known).await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await?;
    Ok(tx)
}

fn owner(request: &AttachRequest) -> String {
    format!("compute:{}", request.availability_zone)
}

async fn plug(
    change: &mut Change,
    request: &AttachRequest,
    position: i64,
    nic: &RequestedNic,
    known: Option<Port>,
) -> Result<()> {
    let caller = Caller { project_id: Some(request.project_id.clone()), is_admin: request.is_admin };
    match (known, nic) {
        (Some(port), _) if port.host_id == Some(request.host_id) => Ok(()),
        (Some(port), _) => bind(change, request, position, port).await,
        (None, RequestedNic::Port { id }) => {
            let port = port::store::require(change.conn(), *id).await?;
            if !caller.owns(port.standard.project_id.as_ref()) {
                return Err(Error::PortNotFound(id.to_string()));
            }
            if !port.device_id.is_empty() && port.device_id != request.server_id.to_string() {
                return Err(Error::PortInUse(id.to_string(), port.network_id.to_string(), port.device_id));
            }
            bind(change, request, position, port).await
        }
        (None, RequestedNic::Network { id, fixed_ip }) => {
            make(change, request, &caller, position, *id, *fixed_ip).await
        }
    }
}

async fn make(
    change: &mut Change,
    request: &AttachRequest,
    caller: &Caller,
    position: i64,
    id: NetworkId,
    fixed_ip: Option<IpAddr>,
) -> Result<()> {
    let network = network::store::lock(change.conn(), id).await?;
    require_pluggable(&network, caller)?;
    let subnets = service_address::ensure(change, id).await?;
    let groups = match request.security_groups.is_empty() || !network.port_security {
        true => None,
        false => Some(request.security_groups.clone()),
    };
    let new = NewPort {
        device_id: request.server_id.to_string(),
        device_owner: owner(request),
        hostname: request.hostname.clone(),
        host_id: Some(request.host_id),
        dns_name: request.guest_hostname.clone(),
        position,
        made_for_server: true,
        fixed_ips: fixed_ip.map(|address| vec![Wanted { subnet_id: None, address: Some(address) }]),
        groups,
        ..NewPort::new(Standard::new(Some(request.project_id.clone()), change.now), id)
    };
    port::service::create_in(change, caller, &network, &subnets, new).await.map(drop)
}

/// Binds a port that exists to the server's host.
async fn bind(change: &mut Change, request: &AttachRequest, position: i64, mut port: Port) -> Result<()> {
    change.touch_port(&port).await?;
    network::store::lock(change.conn(), port.network_id).await?;
    service_address::ensure(change, port.network_id).await?;
    port.device_id = request.server_id.to_string();
    port.device_owner = owner(request);
    port.hostname.clone_from(&request.hostname);
    port.host_id = Some(request.host_id);
    port.position = position;
    if port.dns_name.is_empty() {
        port.dns_name.clone_from(&request.guest_hostname);
    }
    write(change, &mut port).await?;
    change.touch_port(&port).await
}

async fn write(change: &mut Change, port: &mut Port) -> Result<()> {
    let seen = port.standard.advance(change.now);
    check_written(port::store::update(change.conn(), port, seen).await?)
}

/// Deletes what attaching made and frees what it took.
pub async fn detach(service: &NetworkService, server: ServerId) -> Result<()> {
    let mut conn = service.read().await?;
    if port::store::of_servers(&mut conn, &[server]).await?.is_empty() {
        return Ok(());
    }
    drop(conn);
    service
        .write(move |change| {
            async move {
                for port in port::store::of_servers(change.conn(), &[server]).await? {
                    unplug(change, port).await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await
}

/// The same for one port.
pub async fn detach_port(service: &NetworkService, server: ServerId, id: PortId) -> Result<()> {
    service
        .write(move |change| {
            async move {
                let ports = port::store::of_servers(change.conn(), &[server]).await?;
                match ports.into_iter().find(|port| port.id == id) {
                    Some(port) => unplug(change, port).await,
                    None => Err(Error::PortNotFound(id.to_string())),
                }
            }
            .boxed()
        })
        .await
}

async fn unplug(change: &mut Change, mut port: Port) -> Result<()> {
    if port.made_for_server {
        return port::service::remove(change, &port).await;
    }
    network::store::lock(change.conn(), port.network_id).await?;
    change.touch_port(&port).await?;
    port.device_id.clear();
    port.device_owner.clear();
    port.hostname.clear();
    port.host_id = None;
    port.position = 0;
    port.status = Status::Down;
    write(change, &mut port).await?;
    // A floating address of the port is now kept elsewhere.
    change.touch_port(&port).await
}
