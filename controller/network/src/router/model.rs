//! A router. Its legs are ports: their device is the router.

use crate::standard::Standard;
use controller_base::id::{NetworkId, PortId, RouterId};
use controller_ports::fleet::net::{FixedIp, Route};

/// A router.
#[derive(Clone, Debug, PartialEq)]
pub struct Router {
    /// Its id.
    pub id: RouterId,
    /// Owner, name, times.
    pub standard: Standard,
    /// Whether it forwards.
    pub admin_up: bool,
    /// Whether tenants' addresses are hidden behind its own.
    pub enable_snat: bool,
    /// Static routes.
    pub routes: Vec<Route>,
    /// Its leg in an external network.
    pub gateway: Option<Gateway>,
}

/// A router's leg in an external network.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// The leg's port.
    pub port_id: PortId,
    /// The external network.
    pub network_id: NetworkId,
    /// Its addresses there.
    pub fixed_ips: Vec<FixedIp>,
}
