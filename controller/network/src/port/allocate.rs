//! Which addresses a port gets. Runs while the network is locked, so that what is free here is free when it is written.

use super::model::ROUTER_INTERFACE;
use crate::{
    address::{eui64, mac, pool, usable},
    error::{Error, Result},
    network::model::Network,
    subnet::{self, model::Subnet},
};
use controller_base::id::SubnetId;
use controller_db::Connection;
use controller_ports::fleet::net::FixedIp;
use ipnet::IpNet;
use std::net::IpAddr;

/// How many random addresses are tried before all taken ones are looked through.
const TRIES: usize = 12;

/// An address that is asked for: by subnet, by itself, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// From this subnet.
    pub subnet_id: Option<SubnetId>,
    /// This very one.
    pub address: Option<IpAddr>,
}

/// Whose addresses are chosen.
pub struct Asker<'a> {
    /// Its network.
    pub network: &'a Network,
    /// That network's subnets.
    pub subnets: &'a [Subnet],
    /// Its hardware address.
    pub mac: &'a str,
    /// Its device owner.
    pub device_owner: &'a str,
    /// What it has already (and nobody else can have).
    pub current: &'a [FixedIp],
}

impl Asker<'_> {
    fn is_router(&self) -> bool {
        self.device_owner == ROUTER_INTERFACE || self.device_owner == super::model::ROUTER_GATEWAY
    }

    fn subnet(&self, id: SubnetId) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.id == id)
    }
}

/// The addresses of a port: those that are asked for, or one of each family; and on each subnet where ports form theirs by
/// themselves, that one.
pub async fn choose(conn: &mut Connection, asker: &Asker<'_>, wanted: Option<&[Wanted]>) -> Result<Vec<FixedIp>> {
    let mut chosen = Vec::new();
    match wanted {
        Some([]) => return Ok(chosen),
        Some(wanted) => {
            for item in wanted {
                let fixed = choose_wanted(conn, asker, *item, &chosen).await?;
                if !chosen.contains(&fixed) {
                    chosen.push(fixed);
                }
            }
        }
        None => {
            for version in [4, 6] {
                chosen.extend(choose_any(conn, asker, version).await?);
            }
        }
    }
    if !asker.is_router() {
        for subnet in asker.subnets.iter().filter(|s| s.is_auto_address() && s.serves(asker.device_owner)) {
            if !chosen.iter().any(|fixed| fixed.subnet_id == subnet.id) {
                chosen.push(auto(conn, subnet, asker).await?);
            }
        }
    }
    Ok(chosen)
}

async fn choose_any(conn: &mut Connection, asker: &Asker<'_>, version: i64) -> Result<Option<FixedIp>> {
    let mut exhausted = false;
    for subnet in asker.subnets {
        let fits = subnet.ip_version() == version && subnet.serves(asker.device_owner);
        if !fits || (subnet.is_auto_address() && !asker.is_router()) {
            continue;
        }
        match pick(conn, subnet, &[]).await? {
            Some(address) => return Ok(Some(FixedIp { subnet_id: subnet.id, address })),
            None => exhausted = true,
        }
    }
    if exhausted { Err(Error::IpAddressGenerationFailure(asker.network.id.to_string())) } else { Ok(None) }
}

async fn choose_wanted(
    conn: &mut Connection,
    asker: &Asker<'_>,
    wanted: Wanted,
    chosen: &[FixedIp],
) -> Result<FixedIp> {
    let subnet = match (wanted.subnet_id, wanted.address) {
        (Some(id), _) => asker.subnet(id).ok_or_else(|| {
            Error::InvalidInput(format!(
                "Failed to create port on network {}, because fixed_ips included invalid subnet {id}",
                asker.network.id
            ))
        })?,
        (None, Some(address)) => {
            let found = asker.subnets.iter().find(|subnet| subnet.cidr.contains(&address));
            found.ok_or_else(|| Error::InvalidIpForNetwork(address.to_string()))?
        }
        (None, None) => return Err(Error::InvalidInput("IP allocation requires subnet_id or ip_address".into())),
    };
    match wanted.address {
        Some(address) => explicit(conn, asker, subnet, address).await,
        None => {
            let kept = asker.current.iter().find(|fixed| fixed.subnet_id == subnet.id && !chosen.contains(fixed));
            match kept {
                Some(fixed) => Ok(fixed.clone()),
                None if subnet.is_auto_address() => auto(conn, subnet, asker).await,
                None => from_subnet(conn, subnet, asker.mac, chosen).await,
            }
        }
    }
}

async fn explicit(conn: &mut Connection, asker: &Asker<'_>, subnet: &Subnet, address: IpAddr) -> Result<FixedIp> {
    let fixed = FixedIp { subnet_id: subnet.id, address };
    if !usable(&subnet.cidr, address) {
        return Err(Error::InvalidIpForSubnet(address.to_string()));
    }
    if asker.current.contains(&fixed) {
        return Ok(fixed);
    }
    if subnet.is_auto_address() && !asker.is_router() {
        return match auto_address(subnet, asker.mac) {
            Some(own) if own == address => Ok(fixed),
            _ => Err(Error::AllocationOnAutoAddressSubnet(address.to_string(), subnet.id.to_string())),
        };
    }
    match subnet::store::holder(conn, subnet.id, address).await? {
        Some(_) => Err(Error::IpAddressAlreadyAllocated(address.to_string(), subnet.id.to_string())),
        None => Ok(fixed),
    }
}

/// The address that the port forms by itself.
#[must_use]
pub fn auto_address(subnet: &Subnet, mac_text: &str) -> Option<IpAddr> {
    match (&subnet.cidr, mac::parse(mac_text)) {
        (IpNet::V6(prefix), Some(bytes)) => Some(IpAddr::V6(eui64(prefix, bytes))),
        _ => None,
    }
}

async fn auto(conn: &mut Connection, subnet: &Subnet, asker: &Asker<'_>) -> Result<FixedIp> {
    let own = auto_address(subnet, asker.mac).ok_or_else(|| Error::InvalidIpForSubnet(asker.mac.to_owned()))?;
    if let Some(holder) = subnet::store::holder(conn, subnet.id, own).await? {
        tracing::debug!(%holder, address = %own, "another port has the address that this one would form");
        return Err(Error::IpAddressAlreadyAllocated(own.to_string(), subnet.id.to_string()));
    }
    Ok(FixedIp { subnet_id: subnet.id, address: own })
}

/// Any free address of the subnet but those chosen before.
pub async fn from_subnet(conn: &mut Connection, subnet: &Subnet, mac: &str, chosen: &[FixedIp]) -> Result<FixedIp> {
    if subnet.is_auto_address()
        && let Some(own) = auto_address(subnet, mac)
        && subnet::store::holder(conn, subnet.id, own).await?.is_none()
    {
        return Ok(FixedIp { subnet_id: subnet.id, address: own });
    }
    match pick(conn, subnet, chosen).await? {
        Some(address) => Ok(FixedIp { subnet_id: subnet.id, address }),
        None => Err(Error::IpAddressGenerationFailure(subnet.network_id.to_string())),
    }
}

async fn pick(conn: &mut Connection, subnet: &Subnet, chosen: &[FixedIp]) -> Result<Option<IpAddr>> {
    let is_chosen =
        |address: &IpAddr| chosen.iter().any(|fixed| fixed.subnet_id == subnet.id && fixed.address == *address);
    let candidates = pool::candidates(&subnet.pools, TRIES, &mut rand::rng());
    let taken = subnet::store::taken_among(conn, subnet.id, &candidates).await?;
    let free = candidates.into_iter().find(|address| !taken.contains(address) && !is_chosen(address));
    if free.is_some() {
        return Ok(free);
    }
    let mut taken = subnet::store::taken(conn, subnet.id).await?;
    taken.extend(chosen.iter().filter(|fixed| fixed.subnet_id == subnet.id).map(|fixed| fixed.address));
    Ok(pool::first_free(&subnet.pools, &taken))
}
