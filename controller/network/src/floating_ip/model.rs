//! A floating IP: an address of an external network that may be lent to a port behind a router.

use crate::{port::model::Status, standard::Standard};
use controller_base::id::{FloatingIpId, NetworkId, PortId, RouterId};
use std::net::IpAddr;

/// A floating IP.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatingIp {
    /// Its id.
    pub id: FloatingIpId,
    /// Owner and times; its name stays empty.
    pub standard: Standard,
    /// The external network.
    pub network_id: NetworkId,
    /// The port that holds its address there.
    pub outer_port_id: PortId,
    /// The address outside.
    pub address: IpAddr,
    /// Whom it is lent to.
    pub association: Option<Association>,
    /// Whether it is of use.
    pub status: Status,
    /// Its name in the DNS; may be empty.
    pub dns_name: String,
    /// The domain of that name; may be empty.
    pub dns_domain: String,
}

/// Whom a floating IP is lent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// The inner port.
    pub port_id: PortId,
    /// Which of its addresses.
    pub fixed_address: IpAddr,
    /// The router in between.
    pub router_id: RouterId,
}
