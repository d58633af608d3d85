//! What a subnet may look like. Pure.

use super::model::{Subnet, mode_name};
use crate::{
    address::{number, overlap, pool},
    attributes::check::is_special,
    config::NetworkConfig,
    error::{Error, Result},
};
use controller_ports::fleet::net::Ipv6Mode;
use ipnet::IpNet;
use std::net::IpAddr;

fn invalid(reason: String) -> Error {
    Error::InvalidInput(reason)
}

/// The prefix of a new subnet.
pub fn check_prefix(cidr: &IpNet, ip_version: i64) -> Result<()> {
    let own = if cidr.network().is_ipv4() { 4 } else { 6 };
    if own != ip_version {
        return Err(invalid(format!("cidr '{cidr}' does not match the ip_version '{ip_version}'")));
    }
    if cidr.prefix_len() == 0 {
        return Err(invalid("0 is not allowed as CIDR prefix length".into()));
    }
    if is_special(cidr) {
        return Err(invalid(format!("'{cidr}' is a multicast or reserved prefix and cannot be a subnet")));
    }
    Ok(())
}

/// Subnets of a network do not overlap.
pub fn check_overlap(cidr: &IpNet, others: &[Subnet]) -> Result<()> {
    match others.iter().find(|other| overlap(cidr, &other.cidr)) {
        None => Ok(()),
        Some(other) => Err(invalid(format!(
            "Requested subnet with cidr: {cidr} for network: {} overlaps with another subnet",
            other.network_id
        ))),
    }
}

/// A subnet as it would be, new or changed.
pub fn check(subnet: &Subnet, config: &NetworkConfig) -> Result<()> {
    check_families(subnet)?;
    check_gateway(subnet)?;
    check_modes(subnet)?;
    if subnet.dns_nameservers.len() > config.max_dns_nameservers {
        return Err(Error::DNSNameServersExhausted(subnet.id.to_string(), config.max_dns_nameservers));
    }
    if subnet.host_routes.len() > config.max_subnet_host_routes {
        return Err(Error::HostRoutesExhausted(subnet.id.to_string(), config.max_subnet_host_routes));
    }
    pool::check_pools(&subnet.pools, &subnet.cidr, subnet.gateway)
}

fn check_families(subnet: &Subnet) -> Result<()> {
    let version = subnet.ip_version();
    let fits = |address: IpAddr| address.is_ipv4() == (version == 4);
    let wrong =
        |name: &str, shown: String| Err(invalid(format!("{name} '{shown}' does not match the ip_version '{version}'")));
    if let Some(gateway) = subnet.gateway.filter(|gateway| !fits(*gateway)) {
        return wrong("gateway_ip", gateway.to_string());
    }
    // Name servers of the other family are allowed: a guest may have both.
    for route in &subnet.host_routes {
        if !fits(route.destination.network()) {
            return wrong("host_route destination", route.destination.to_string());
        }
        if !fits(route.next_hop) {
            return wrong("host_route nexthop", route.next_hop.to_string());
        }
    }
    Ok(())
}

fn check_gateway(subnet: &Subnet) -> Result<()> {
    let Some(gateway) = subnet.gateway else { return Ok(()) };
    let cidr = &subnet.cidr;
    if !cidr.contains(&gateway) {
        return Ok(());
    }
    let edge = match cidr {
        IpNet::V4(net) => {
            net.prefix_len() < 31 && (gateway == IpAddr::V4(net.network()) || gateway == IpAddr::V4(net.broadcast()))
        }
        IpNet::V6(net) => net.prefix_len() < 127 && number(gateway) == number(cidr.network()),
    };
    if edge { Err(invalid("Gateway is not valid on subnet".into())) } else { Ok(()) }
}

fn check_modes(subnet: &Subnet) -> Result<()> {
    let modes = [("ipv6_ra_mode", subnet.ra_mode), ("ipv6_address_mode", subnet.address_mode)];
    if subnet.ip_version() == 4 {
        return match modes.iter().find(|(_, mode)| mode.is_some()) {
            Some((name, _)) => Err(invalid(format!("{name} is not valid when ip_version is 4"))),
            None => Ok(()),
        };
    }
    if !subnet.enable_dhcp && modes.iter().any(|(_, mode)| mode.is_some()) {
        return Err(invalid("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False".into()));
    }
    if let (Some(ra), Some(address)) = (subnet.ra_mode, subnet.address_mode)
        && ra != address
    {
        return Err(invalid(format!(
            "ipv6_ra_mode set to '{}' with ipv6_address_mode set to '{}' is not valid. If both attributes are set, they must be the same value",
            mode_name(ra),
            mode_name(address)
        )));
    }
    let auto = modes.iter().filter_map(|(_, mode)| *mode).find(|mode| *mode != Ipv6Mode::Dhcpv6Stateful);
    match auto {
        Some(mode) if subnet.cidr.prefix_len() != 64 => Err(invalid(format!(
            "Invalid CIDR {} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64 for {}",
            subnet.cidr,
            mode_name(mode)
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standard::Standard;
    use controller_base::{
        Timestamp,
        id::{NetworkId, SubnetId},
    };

    fn subnet(cidr: &str) -> Subnet {
        let cidr: IpNet = cidr.parse().unwrap();
        Subnet {
            id: SubnetId::random(),
            standard: Standard::new(None, Timestamp(0)),
            network_id: NetworkId::random(),
            network: Default::default(),
            cidr,
            gateway: None,
            enable_dhcp: true,
            dns_nameservers: vec![],
            host_routes: vec![],
            pools: vec![],
            address_mode: None,
            ra_mode: None,
            service_types: vec![],
            dns_publish_fixed_ip: false,
        }
    }

    #[test]
    fn combinations_of_ipv6_modes() {
        use Ipv6Mode::{Dhcpv6Stateful, Dhcpv6Stateless, Slaac};
        let table = [
            ("fd00::/64", None, None, true, true),
            ("fd00::/64", Some(Slaac), Some(Slaac), true, true),
            ("fd00::/64", Some(Slaac), None, true, true),
            ("fd00::/64", None, Some(Dhcpv6Stateless), true, true),
            ("fd00::/64", Some(Slaac), Some(Dhcpv6Stateful), true, false),
            ("fd00::/64", Some(Slaac), Some(Slaac), false, false),
            ("fd00::/80", Some(Slaac), Some(Slaac), true, false),
            ("fd00::/80", Some(Dhcpv6Stateful), Some(Dhcpv6Stateful), true, true),
            ("10.0.0.0/24", Some(Slaac), None, true, false),
        ];
        for (cidr, ra_mode, address_mode, enable_dhcp, fine) in table {
            let subnet = Subnet { ra_mode, address_mode, enable_dhcp, ..subnet(cidr) };
            assert_eq!(check_modes(&subnet).is_ok(), fine, "{cidr} {ra_mode:?} {address_mode:?} {enable_dhcp}");
        }
    }

    #[test]
    fn gateways() {
        let table = [("10.0.0.1", true), ("10.0.0.0", false), ("10.0.0.255", false), ("192.0.2.1", true)];
        for (gateway, fine) in table {
            let subnet = Subnet { gateway: gateway.parse().ok(), ..subnet("10.0.0.0/24") };
            assert_eq!(check_gateway(&subnet).is_ok(), fine, "{gateway}");
        }
        let other = Subnet { gateway: "fd00::1".parse().ok(), ..subnet("10.0.0.0/24") };
        assert!(check_families(&other).is_err());
    }

    #[test]
    fn prefixes() {
        for (cidr, version, fine) in [
            ("10.0.0.0/24", 4, true),
            ("10.0.0.0/24", 6, false),
            ("0.0.0.0/0", 4, false),
            ("224.0.0.0/8", 4, false),
            ("ff00::/16", 6, false),
        ] {
            assert_eq!(check_prefix(&cidr.parse().unwrap(), version).is_ok(), fine, "{cidr}");
        }
        assert!(check_overlap(&"10.0.0.0/8".parse().unwrap(), &[subnet("10.1.0.0/16")]).is_err());
    }
}
