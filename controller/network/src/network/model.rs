//! A network.

use crate::standard::Standard;
use controller_base::id::{NetworkId, ProjectId, SubnetId};

/// A network.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Its id.
    pub id: NetworkId,
    /// Owner, name, times.
    pub standard: Standard,
    /// Whether it forwards.
    pub admin_up: bool,
    /// Every project may use it.
    pub shared: bool,
    /// Routers have their gateways here.
    pub external: bool,
    /// Where gateways go when none is named.
    pub is_default: bool,
    /// What new ports get.
    pub port_security: bool,
    /// MTU for guests.
    pub mtu: u32,
    /// Domain of its ports' names; empty: the configured one.
    pub dns_domain: String,
    /// How hosts carry it.
    pub segment: Segment,
    /// Its subnets, oldest first.
    pub subnets: Vec<SubnetId>,
}

/// How hosts carry a network. No two networks share one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// VXLAN with this number.
    Overlay {
        /// The number.
        vni: u32,
    },
    /// A physical network as it is.
    Flat {
        /// Its name.
        physical_network: String,
    },
    /// A VLAN of a physical network.
    Vlan {
        /// Its name.
        physical_network: String,
        /// The tag.
        vlan_id: u16,
    },
}

impl Segment {
    /// Neutron's name of the kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Overlay { .. } => "vxlan",
            Self::Flat { .. } => "flat",
            Self::Vlan { .. } => "vlan",
        }
    }
    /// The physical network's name.
    #[must_use]
    pub fn physical_network(&self) -> Option<&str> {
        match self {
            Self::Overlay { .. } => None,
            Self::Flat { physical_network } | Self::Vlan { physical_network, .. } => Some(physical_network),
        }
    }
    /// The number within its kind.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        match self {
            Self::Overlay { vni } => Some(*vni),
            Self::Flat { .. } => None,
            Self::Vlan { vlan_id, .. } => Some(u32::from(*vlan_id)),
        }
    }
}

/// What those who lie in a network must know of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Its owner.
    pub owner: Option<ProjectId>,
    /// Every project may use it.
    pub shared: bool,
    /// Routers have their gateways there.
    pub external: bool,
    /// Domain of its ports' names; empty: the configured one.
    pub dns_domain: String,
}

impl From<&Network> for Surroundings {
    fn from(network: &Network) -> Self {
        Self {
            owner: network.standard.project_id.clone(),
            shared: network.shared,
            external: network.external,
            dns_domain: network.dns_domain.clone(),
        }
    }
}

/// The segment that a creation asks for; an overlay network without a number gets one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedSegment {
    /// `vxlan`, `flat`, `vlan`.
    pub kind: Option<String>,
    /// The physical network's name.
    pub physical_network: Option<String>,
    /// VNI or VLAN.
    pub number: Option<u32>,
}
