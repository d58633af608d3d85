//! Names of what we make in the kernel. A link's name has 15 bytes at most, so it carries the id's first 11.

use crate::ids::{NetworkId, PortId, RouterId};
use crate::mac::MacAddr;

/// Prefixes of links in the host's namespace that are ours.
pub(crate) const LINK_PREFIXES: [&str; 8] = ["hb-", "hx-", "hv-", "hs-", "ht-", "hi-", "hg-", "hw-"];
/// Prefixes of namespaces that are ours.
pub(crate) const NAMESPACE_PREFIXES: [&str; 2] = ["hn-", "hr-"];
/// Prefix of taps.
pub(crate) const TAP_PREFIX: &str = "ht-";
/// The link in a network's service namespace.
pub(crate) const SERVICE_LINK: &str = "svc";
/// The link of a router's namespace to the outside.
pub(crate) const GATEWAY_LINK: &str = "gw";
/// The link of a router's namespace on which packets come that other hosts send to the outside.
pub(crate) const WAY_LINK: &str = "way";

fn short(prefix: &str, id: &str) -> String {
    let kept: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(11).collect();
    format!("{prefix}{kept}")
}

/// The network's bridge.
pub(crate) fn bridge(network: &NetworkId) -> String {
    short("hb-", network.as_str())
}

/// The network's VXLAN device.
pub(crate) fn vxlan(network: &NetworkId) -> String {
    short("hx-", network.as_str())
}

/// The network's VLAN device.
pub(crate) fn vlan(network: &NetworkId) -> String {
    short("hv-", network.as_str())
}

/// The bridge's end of the veth to the network's service namespace.
pub(crate) fn service_veth(network: &NetworkId) -> String {
    short("hs-", network.as_str())
}

/// The port's tap.
pub fn tap(port: &PortId) -> String {
    short(TAP_PREFIX, port.as_str())
}

/// The bridge's end of the veth of a router's interface.
pub(crate) fn interface_veth(port: &PortId) -> String {
    short("hi-", port.as_str())
}

/// The router's end of the veth of its interface.
pub(crate) fn interface_link(port: &PortId) -> String {
    short("in-", port.as_str())
}

/// The bridge's end of the veth of a router's gateway.
pub(crate) fn gateway_veth(port: &PortId) -> String {
    short("hg-", port.as_str())
}

/// The bridge's end of the veth on which other hosts' packets come to a router, in the network of this interface of it.
pub(crate) fn way_veth(port: &PortId) -> String {
    short("hw-", port.as_str())
}

/// The network's service namespace.
pub(crate) fn service_namespace(network: &NetworkId) -> String {
    format!("hn-{network}")
}

/// The router's namespace.
pub(crate) fn router_namespace(router: &RouterId) -> String {
    format!("hr-{router}")
}

/// A locally administered address that follows from a text, the same on every host.
pub(crate) fn derived_mac(text: &str) -> MacAddr {
    let [_, _, _, a, b, c, d, e] = fnv(text).to_be_bytes();
    MacAddr([0x02, a, b, c, d, e])
}

/// FNV-1a, 64 bits: stable over versions, unlike the standard library's hasher.
pub(crate) fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_names_fit_the_kernel() {
        let id = "6f1c9d1e-9a57-4d4e-8f0e-2a6f3f6d5a11";
        assert_eq!(tap(&id.into()), "ht-6f1c9d1e-9a");
        for name in [bridge(&id.into()), vxlan(&id.into()), service_veth(&id.into()), interface_link(&id.into())] {
            assert!(name.len() <= 15, "{name}");
        }
    }

    #[test]
    fn hostile_ids_make_harmless_names() {
        assert_eq!(tap(&"../a b\"c;d".into()), "ht-abcd");
    }

    #[test]
    fn derived_addresses_are_local_and_differ() {
        assert_eq!(derived_mac("a").0[0], 2);
        assert_ne!(derived_mac("a"), derived_mac("b"));
    }
}
