//! Routes of a namespace's main table, and of the one for floating addresses. Only routes of protocol `static` are ours; the kernel's own are left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures::TryStreamExt;
use ipnet::IpNet;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};

use super::rule::FLOATING;
use super::{Link, Netlink, unless};
use crate::error::NetError;
use crate::plan::RoutePlan;

/// A route with its link as index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    destination: IpNet,
    via: Option<IpAddr>,
    link: Option<u32>,
    floating: bool,
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some(IpAddr::V4(*ip)),
        RouteAddress::Inet6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    }
}

/// `None` for routes that are not ours.
fn parse(message: &RouteMessage) -> Option<Known> {
    let header = &message.header;
    let ours = header.protocol == RouteProtocol::Static && header.kind == RouteType::Unicast;
    if !ours || ![RouteHeader::RT_TABLE_MAIN, FLOATING].contains(&header.table) {
        return None;
    }
    let any: IpAddr = match header.address_family {
        AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let mut known =
        Known { destination: IpNet::new(any, 0).ok()?, via: None, link: None, floating: header.table == FLOATING };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(to) => {
                known.destination = IpNet::new(ip(to)?, header.destination_prefix_length).ok()?;
            }
            RouteAttribute::Gateway(by) => known.via = ip(by),
            RouteAttribute::Oif(index) => known.link = Some(*index),
            _ => {}
        }
    }
    Some(known)
}

fn message(route: &Known) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.table = if route.floating { FLOATING } else { RouteHeader::RT_TABLE_MAIN };
    message.header.protocol = RouteProtocol::Static;
    message.header.kind = RouteType::Unicast;
    message.header.scope = if route.via.is_some() { RouteScope::Universe } else { RouteScope::Link };
    message.header.address_family =
        if route.destination.addr().is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.destination_prefix_length = route.destination.prefix_len();
    if route.destination.prefix_len() > 0 {
        message.attributes.push(RouteAttribute::Destination(route.destination.network().into()));
    }
    if let Some(via) = route.via {
        message.attributes.push(RouteAttribute::Gateway(via.into()));
    }
    if let Some(index) = route.link {
        message.attributes.push(RouteAttribute::Oif(index));
    }
    message
}

impl Netlink {
    async fn routes(&self) -> Result<BTreeMap<Known, RouteMessage>, NetError> {
        let mut routes = BTreeMap::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut filter = RouteMessage::default();
            filter.header.address_family = family;
            let found: Vec<RouteMessage> = self
                .handle
                .route()
                .get(filter)
                .execute()
                .try_collect()
                .await
                .map_err(NetError::netlink("list routes"))?;
            routes.extend(found.into_iter().filter_map(|message| Some((parse(&message)?, message))));
        }
        Ok(routes)
    }

    /// Makes the namespace's static routes these; a route whose link is missing is an error of the plan and is skipped by the
    /// kernel's refusal. One route that is refused does not keep the others from being set.
    pub(crate) async fn set_routes(
        &self,
        links: &BTreeMap<String, Link>,
        wanted: &[RoutePlan],
    ) -> Result<(), NetError> {
        let mut present = self.routes().await?;
        let mut first_failure = None;
        let mut missing = BTreeSet::new();
        for route in wanted {
            let link = route.link.as_ref().and_then(|name| links.get(name)).map(|link| link.index);
            let RoutePlan { via, floating, .. } = *route;
            let known = Known { destination: route.destination.trunc(), via, link, floating };
            // A route that names no link got one from the kernel.
            let same = |have: &Known| {
                let named = link.is_none() || have.link == link;
                named && Known { link, ..have.clone() } == known
            };
            match present.keys().find(|have| same(have)).cloned() {
                Some(key) => drop(present.remove(&key)),
                None => drop(missing.insert(known)),
            }
        }
        for (stale, message) in present {
            let deleted = unless(self.handle.route().del(message).execute().await, &[libc::ESRCH]);
            let failed = deleted.map_err(NetError::netlink(format!("remove route to {}", stale.destination)));
            first_failure = first_failure.or(failed.err());
        }
        // What leads to a next hop stands before what leads through it.
        let (near, far): (Vec<_>, Vec<_>) = missing.into_iter().partition(|route| route.via.is_none());
        for route in near.into_iter().chain(far) {
            let added = unless(self.handle.route().add(message(&route)).execute().await, &[libc::EEXIST]);
            let failed = added.map_err(NetError::netlink(format!("add route to {}", route.destination)));
            first_failure = first_failure.or(failed.err());
        }
        first_failure.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_reads_as_it_was_written() {
        for (destination, via, link, floating) in [
            ("10.1.0.0/16", Some("10.0.0.1"), Some(3), false),
            ("0.0.0.0/0", Some("192.0.2.1"), None, true),
            ("::/0", Some("2001:db8::1"), Some(4), false),
            ("169.254.169.254/32", None, Some(2), true),
        ] {
            let via = via.map(|ip| ip.parse().unwrap());
            let route = Known { destination: destination.parse().unwrap(), via, link, floating };
            assert_eq!(parse(&message(&route)), Some(route));
        }
    }

    #[test]
    fn the_kernels_own_routes_are_not_ours() {
        let route = Known { destination: "10.0.0.0/24".parse().unwrap(), via: None, link: Some(2), floating: false };
        let mut message = message(&route);
        message.header.protocol = RouteProtocol::Kernel;
        assert_eq!(parse(&message), None);
    }
}
