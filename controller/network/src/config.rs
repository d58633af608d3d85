//! The section `network` of the controller's configuration.

use serde::Deserialize;
use std::collections::BTreeMap;

/// Settings of the network service.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    /// MTU of the physical networks, bytes.
    pub physical_mtu: u32,
    /// What the overlay's headers take of it, bytes.
    pub overlay_overhead: u32,
    /// First number of tenants' overlay networks.
    pub vni_first: u32,
    /// Last number of tenants' overlay networks; at most 16777215.
    pub vni_last: u32,
    /// Flat and VLAN networks may only be made on these; empty: on any.
    pub physical_networks: Vec<String>,
    /// Domain of ports' names where the network has none.
    pub dns_domain: String,
    /// Quotas of projects that have none of their own, by resource; -1: no limit. Those not named keep their defaults.
    pub quotas: BTreeMap<String, i64>,
    /// Most name servers of a subnet.
    pub max_dns_nameservers: usize,
    /// Most host routes of a subnet.
    pub max_subnet_host_routes: usize,
    /// Most routes of a router.
    pub max_routes: usize,
    /// Most allowed address pairs of a port.
    pub max_allowed_address_pairs: usize,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            physical_mtu: 1500,
            overlay_overhead: 50,
            vni_first: 1,
            vni_last: 16_777_215,
            physical_networks: Vec::new(),
            dns_domain: "openstacklocal.".to_owned(),
            quotas: BTreeMap::new(),
            max_dns_nameservers: 5,
            max_subnet_host_routes: 20,
            max_routes: 30,
            max_allowed_address_pairs: 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_setting_is_refused() {
        assert!(serde_json::from_str::<NetworkConfig>(r#"{"physical_mtu": 9000}"#).is_ok());
        assert!(serde_json::from_str::<NetworkConfig>(r#"{"mtu": 9000}"#).is_err());
    }
}
