//! A port: where a server, a router or the service itself is plugged into a network.

use crate::{network::model::Surroundings, standard::Standard};
use controller_base::id::{HostId, NetworkId, PortId, SecurityGroupId, ServerId};
use controller_ports::fleet::net::FixedIp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Device owner of a router's leg in a tenant's network.
pub const ROUTER_INTERFACE: &str = "network:router_interface";
/// Device owner of a router's leg in an external network.
pub const ROUTER_GATEWAY: &str = "network:router_gateway";
/// Device owner of a floating address's place in the external network.
pub const FLOATING_IP: &str = "network:floatingip";
/// Device owner of the place that keeps the hosts' own addresses (DHCP, DNS, metadata) free in a network.
pub const SERVICE: &str = "network:distributed";
/// Owners whose ports go with their network.
pub const AUTO_DELETED: [&str; 2] = [SERVICE, "network:dhcp"];

/// A port.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Its id.
    pub id: PortId,
    /// Owner, name, times.
    pub standard: Standard,
    /// Its network.
    pub network_id: NetworkId,
    /// What it must know of that.
    pub network: Surroundings,
    /// Hardware address, lower case with colons.
    pub mac: String,
    /// Whether its link is up.
    pub admin_up: bool,
    /// Whether what is plugged in works.
    pub status: Status,
    /// What is plugged in: a server, a router; may be empty.
    pub device_id: String,
    /// What kind of thing that is; may be empty.
    pub device_owner: String,
    /// Name of the host where it is (`binding:host_id`); may be empty.
    pub hostname: String,
    /// That host; set by attaching a server.
    pub host_id: Option<HostId>,
    /// `normal` and others that clients may name.
    pub vnic_type: String,
    /// What administrators note down.
    pub profile: Map<String, Value>,
    /// False: no anti-spoofing and no groups.
    pub port_security: bool,
    /// Further sources that it may use.
    pub address_pairs: Vec<AddressPair>,
    /// What DHCP says beyond the usual.
    pub dhcp_options: Vec<DhcpOption>,
    /// Its name in the DNS; may be empty.
    pub dns_name: String,
    /// Place among its server's interfaces.
    pub position: i64,
    /// Goes when its server goes.
    pub made_for_server: bool,
    /// Its addresses.
    pub fixed_ips: Vec<FixedIp>,
    /// Its groups.
    pub groups: Vec<SecurityGroupId>,
}

/// Whether what is plugged in works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Active,
    /// It does not, or nothing is plugged in.
    Down,
    /// Nothing can be plugged in.
    NotApplicable,
}

impl Status {
    /// Neutron's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Down => "DOWN",
            Self::NotApplicable => "N/A",
        }
    }
    /// The status of this word.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "ACTIVE" => Self::Active,
            "N/A" => Self::NotApplicable,
            _ => Self::Down,
        }
    }
}

/// A source that a port may use beside its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPair {
    /// An address or a prefix, as it was given.
    pub ip_address: String,
    /// Hardware address; `None`: the port's own.
    pub mac_address: Option<String>,
}

/// A DHCP option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpOption {
    /// Its name or number.
    pub opt_name: String,
    /// Its value.
    pub opt_value: String,
    /// 4 or 6.
    pub ip_version: i64,
}

impl Port {
    /// The server that is plugged in.
    #[must_use]
    pub fn server_id(&self) -> Option<ServerId> {
        self.device_owner.starts_with("compute:").then(|| self.device_id.parse().ok()).flatten()
    }

    /// It belongs to a router; only the router's own verbs change it.
    #[must_use]
    pub fn is_router_port(&self) -> bool {
        self.device_owner == ROUTER_INTERFACE || self.device_owner == ROUTER_GATEWAY
    }

    /// It belongs to a router or a floating address.
    #[must_use]
    pub fn is_l3_port(&self) -> bool {
        self.is_router_port() || self.device_owner == FLOATING_IP
    }
}
