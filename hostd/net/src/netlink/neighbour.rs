//! Neighbour and forwarding entries that are told, not learned.

use std::collections::BTreeSet;
use std::net::IpAddr;

use futures::TryStreamExt;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};

use super::{Link, Netlink, unless};
use crate::error::NetError;
use crate::mac::MacAddr;

/// What the kernel has for one link, by kind of entry.
struct Entry {
    message: NeighbourMessage,
    address: Option<IpAddr>,
    mac: Option<MacAddr>,
}

fn parse(message: NeighbourMessage) -> Entry {
    let mut entry = Entry { address: None, mac: None, message };
    for attribute in &entry.message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => entry.address = Some(IpAddr::V4(*ip)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => entry.address = Some(IpAddr::V6(*ip)),
            NeighbourAttribute::LinkLayerAddress(mac) => entry.mac = mac.as_slice().try_into().ok().map(MacAddr),
            _ => {}
        }
    }
    entry
}

impl Netlink {
    async fn entries(&self, link: &Link, family: AddressFamily) -> Result<Vec<Entry>, NetError> {
        let request = self.handle.neighbours().get().set_address_family(family);
        let all: Vec<NeighbourMessage> =
            request.execute().try_collect().await.map_err(NetError::netlink("list neighbours"))?;
        Ok(all.into_iter().filter(|m| m.header.ifindex == link.index).map(parse).collect())
    }

    async fn forget(&self, link: &Link, entry: Entry) -> Result<(), NetError> {
        let mut message = entry.message;
        // The rest (cache info, probes) is only told, never taken.
        message.attributes.retain(|attribute| {
            matches!(attribute, NeighbourAttribute::Destination(_) | NeighbourAttribute::LinkLayerAddress(_))
        });
        let deleted = self.handle.neighbours().del(message).execute().await;
        unless(deleted, &[libc::ENOENT]).map_err(NetError::netlink(format!("remove a neighbour of {}", link.name)))
    }

    /// Makes the permanent neighbours of the link these.
    pub(crate) async fn set_neighbours(
        &self,
        link: &Link,
        wanted: &BTreeSet<(IpAddr, MacAddr)>,
    ) -> Result<(), NetError> {
        let mut missing = wanted.clone();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            for entry in self.entries(link, family).await? {
                let permanent = entry.message.header.state == NeighbourState::Permanent;
                let (Some(address), Some(mac)) = (entry.address, entry.mac) else { continue };
                if permanent && !missing.remove(&(address, mac)) && !wanted.iter().any(|(ip, _)| *ip == address) {
                    self.forget(link, entry).await?;
                }
            }
        }
        for (address, mac) in missing {
            let added =
                self.handle.neighbours().add(link.index, address).link_layer_address(&mac.0).replace().execute();
            added.await.map_err(NetError::netlink(format!("add neighbour {address} of {}", link.name)))?;
        }
        Ok(())
    }

    /// Tells the bridge that this address is behind this port of it.
    pub(crate) async fn tell_bridge(&self, link: &Link, mac: MacAddr) -> Result<(), NetError> {
        let entry = self.handle.neighbours().add_bridge(link.index, &mac.0).flags(NeighbourFlags::Controller);
        let added = entry.state(NeighbourState::Noarp).replace().execute().await;
        added.map_err(NetError::netlink(format!("add forwarding entry {mac} of {}", link.name)))
    }

    /// Makes the forwarding entries of a VXLAN device these: behind which host each hardware address is. The bridge is told as
    /// well, so that it need not flood.
    pub(crate) async fn set_remotes(&self, link: &Link, wanted: &BTreeSet<(MacAddr, IpAddr)>) -> Result<(), NetError> {
        let mut missing = wanted.clone();
        for entry in self.entries(link, AddressFamily::Bridge).await? {
            let Some(mac) = entry.mac else { continue };
            let known = match entry.address {
                // The VXLAN device's own table.
                Some(host) => missing.remove(&(mac, host)) || wanted.contains(&(mac, host)),
                // The bridge's table; the device's own address is there as a local one.
                None => {
                    wanted.iter().any(|(m, _)| *m == mac) || entry.message.header.state == NeighbourState::Permanent
                }
            };
            if !known {
                self.forget(link, entry).await?;
            }
        }
        for (mac, host) in missing {
            let action = || format!("add forwarding entry {mac} of {}", link.name);
            let own =
                self.handle.neighbours().add_bridge(link.index, &mac.0).destination(host).flags(NeighbourFlags::Own);
            own.replace().execute().await.map_err(NetError::netlink(action()))?;
            self.tell_bridge(link, mac).await?;
        }
        Ok(())
    }
}
