//! Addresses of a link.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use ipnet::IpNet;
use rtnetlink::packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope};

use super::{Link, Netlink, unless};
use crate::error::NetError;

/// The address itself with its prefix length; `None` for the link-local one that the kernel made by itself.
fn parse(message: &AddressMessage) -> Option<IpNet> {
    let local = message.attributes.iter().find_map(|a| match a {
        AddressAttribute::Local(ip) => Some(*ip),
        _ => None,
    });
    let address = message.attributes.iter().find_map(|a| match a {
        AddressAttribute::Address(ip) => Some(*ip),
        _ => None,
    });
    IpNet::new(local.or(address)?, message.header.prefix_len).ok()
}

impl Netlink {
    /// Makes the link's addresses exactly these (an IPv6 link-local address of the kernel's stays). True if something changed.
    pub(crate) async fn set_addresses(&self, link: &Link, wanted: &[IpNet]) -> Result<bool, NetError> {
        let action = || format!("set addresses of {}", link.name);
        let request = self.handle.address().get().set_link_index_filter(link.index);
        let present: Vec<AddressMessage> =
            request.execute().try_collect().await.map_err(NetError::netlink(action()))?;
        let mut missing: BTreeSet<IpNet> = wanted.iter().copied().collect();
        let mut changed = false;
        for message in present {
            let Some(address) = parse(&message) else { continue };
            let own = address.addr().is_ipv6() && message.header.scope == AddressScope::Link;
            if !missing.remove(&address) && !own {
                let deleted = self.handle.address().del(message).execute().await;
                unless(deleted, &[libc::EADDRNOTAVAIL]).map_err(NetError::netlink(action()))?;
                changed = true;
            }
        }
        for address in wanted.iter().filter(|address| missing.contains(address)) {
            let mut request = self.handle.address().add(link.index, address.addr(), address.prefix_len());
            if address.addr().is_ipv6() {
                // It is answered for at once: the address is ours by the controller's word.
                request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
            }
            unless(request.execute().await, &[libc::EEXIST]).map_err(NetError::netlink(action()))?;
            changed = true;
        }
        Ok(changed)
    }
}
