//! Arithmetic of addresses: pools, free addresses, EUI-64, hardware addresses. Pure; knows no table and no request.
//!
//! An address is handled as its number (`u128`) within its family, so that IPv4 and IPv6 take the same way.

pub mod mac;
pub mod pool;

use ipnet::{IpNet, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address as a number.
#[must_use]
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// The number as an address; `like` gives the family. `None` when it is too large for it.
#[must_use]
pub fn address(like: IpAddr, number: u128) -> Option<IpAddr> {
    match like {
        IpAddr::V4(_) => u32::try_from(number).ok().map(|number| IpAddr::V4(Ipv4Addr::from(number))),
        IpAddr::V6(_) => Some(IpAddr::V6(Ipv6Addr::from(number))),
    }
}

/// Whether the two prefixes share an address.
#[must_use]
pub fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

/// Whether a port may hold the address: inside the prefix and neither its network nor its broadcast address.
#[must_use]
pub fn usable(prefix: &IpNet, address: IpAddr) -> bool {
    if !prefix.contains(&address) {
        return false;
    }
    match (prefix, address) {
        (IpNet::V4(net), IpAddr::V4(ip)) => net.prefix_len() >= 31 || (ip != net.network() && ip != net.broadcast()),
        (IpNet::V6(net), IpAddr::V6(ip)) => net.prefix_len() >= 127 || ip != net.network(),
        _ => false,
    }
}

/// The prefix's first usable address, which Neutron takes for the gateway.
#[must_use]
pub fn first_usable(prefix: &IpNet) -> IpAddr {
    let network = prefix.network();
    match address(network, number(network).saturating_add(1)) {
        Some(next) if prefix.contains(&next) => next,
        _ => network,
    }
}

/// The address that a port with this hardware address forms by itself (RFC 4291, appendix A).
#[must_use]
pub fn eui64(prefix: &Ipv6Net, mac: [u8; 6]) -> Ipv6Addr {
    let host = u64::from_be_bytes([mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]]);
    Ipv6Addr::from(u128::from(prefix.network()) | u128::from(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_usable_address_is_the_one_after_the_networks() {
        assert_eq!(first_usable(&"10.0.0.0/24".parse().unwrap()).to_string(), "10.0.0.1");
        assert_eq!(first_usable(&"fd00::/64".parse().unwrap()).to_string(), "fd00::1");
        assert_eq!(first_usable(&"10.0.0.7/32".parse().unwrap()).to_string(), "10.0.0.7");
    }

    #[test]
    fn network_and_broadcast_addresses_are_not_usable() {
        let net = "10.0.0.0/29".parse().unwrap();
        assert!(!usable(&net, "10.0.0.0".parse().unwrap()));
        assert!(!usable(&net, "10.0.0.7".parse().unwrap()));
        assert!(!usable(&net, "10.0.0.8".parse().unwrap()));
        assert!(usable(&net, "10.0.0.6".parse().unwrap()));
        assert!(usable(&"10.0.0.0/31".parse().unwrap(), "10.0.0.0".parse().unwrap()));
    }

    #[test]
    fn a_mac_becomes_an_interface_identifier() {
        let prefix = "2001:db8::/64".parse().unwrap();
        assert_eq!(eui64(&prefix, [0xfa, 0x16, 0x3e, 0x01, 0x02, 0x03]).to_string(), "2001:db8::f816:3eff:fe01:203");
    }

    #[test]
    fn prefixes_overlap_when_one_holds_the_other() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        assert!(overlap(&net("10.0.0.0/8"), &net("10.2.0.0/16")));
        assert!(overlap(&net("10.2.0.0/16"), &net("10.0.0.0/8")));
        assert!(!overlap(&net("10.2.0.0/16"), &net("10.3.0.0/16")));
        assert!(!overlap(&net("10.2.0.0/16"), &net("fd00::/8")));
    }
}
