//! Addresses of a server's ports.

use crate::{
    error::{Error, Result},
    network,
    port::{self, allocate::Wanted, model::Port},
    service::{Change, NetworkService},
    standard::check_written,
};
use controller_base::id::{NetworkId, ServerId};
use futures::FutureExt;
use std::net::IpAddr;

/// Gives the server's port on the network one more address.
pub async fn add(service: &NetworkService, server: ServerId, network: NetworkId) -> Result<IpAddr> {
    service
        .write(move |change| {
            async move {
                let ports = port::store::of_servers(change.conn(), &[server]).await?;
                let port = ports.into_iter().find(|port| port.network_id == network);
                let mut port = port.ok_or_else(|| Error::NetworkNotFound(network.to_string()))?;
                let before = port.fixed_ips.clone();
                let mut wanted = kept(&port, None);
                let subnet_id = before.first().map(|fixed| fixed.subnet_id);
                wanted.push(Wanted { subnet_id, address: None });
                write(change, &mut port, &wanted).await?;
                let new = port.fixed_ips.iter().find(|fixed| !before.contains(fixed));
                new.map(|fixed| fixed.address).ok_or_else(|| Error::IpAddressGenerationFailure(network.to_string()))
            }
            .boxed()
        })
        .await
}

/// Takes an address from one of the server's ports.
pub async fn remove(service: &NetworkService, server: ServerId, address: IpAddr) -> Result<()> {
    service
        .write(move |change| {
            async move {
                let ports = port::store::of_servers(change.conn(), &[server]).await?;
                let has = |port: &Port| port.fixed_ips.iter().any(|fixed| fixed.address == address);
                let port = ports.into_iter().find(has);
                let mut port = port.ok_or_else(|| Error::InvalidIpForNetwork(address.to_string()))?;
                let wanted = kept(&port, Some(address));
                write(change, &mut port, &wanted).await
            }
            .boxed()
        })
        .await
}

fn kept(port: &Port, without: Option<IpAddr>) -> Vec<Wanted> {
    let kept = port.fixed_ips.iter().filter(|fixed| Some(fixed.address) != without);
    kept.map(|fixed| Wanted { subnet_id: Some(fixed.subnet_id), address: Some(fixed.address) }).collect()
}

async fn write(change: &mut Change, port: &mut Port, wanted: &[Wanted]) -> Result<()> {
    network::store::lock(change.conn(), port.network_id).await?;
    port::service::change_addresses(change, port, wanted).await?;
    let seen = port.standard.advance(change.now);
    check_written(port::store::update(change.conn(), port, seen).await?)?;
    change.touch_port(port).await
}
