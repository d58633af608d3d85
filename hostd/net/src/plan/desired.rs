//! The desired state as a whole.

use std::collections::BTreeMap;

use crate::ids::{NetworkId, PortId, RouterId, SecurityGroupId};
use crate::model::{Changes, FixedIp, Network, Object, ObjectKey, Port, Router, SecurityGroup, Subnet, SubnetId};

/// The desired state as a whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desired {
    pub(crate) networks: BTreeMap<NetworkId, Network>,
    pub(crate) ports: BTreeMap<PortId, Port>,
    pub(crate) groups: BTreeMap<SecurityGroupId, SecurityGroup>,
    pub(crate) routers: BTreeMap<RouterId, Router>,
    /// A complete state was received: what is not in it shall not be.
    pub(crate) complete: bool,
}

impl Desired {
    /// Takes a change.
    pub(crate) fn apply(&mut self, changes: Changes) {
        if changes.complete {
            *self = Self { complete: true, ..Self::default() };
        }
        for key in changes.removals {
            match key {
                ObjectKey::Network(id) => drop(self.networks.remove(&id)),
                ObjectKey::Port(id) => drop(self.ports.remove(&id)),
                ObjectKey::SecurityGroup(id) => drop(self.groups.remove(&id)),
                ObjectKey::Router(id) => drop(self.routers.remove(&id)),
            }
        }
        for object in changes.upserts {
            match object {
                Object::Network(o) => drop(self.networks.insert(o.id.clone(), o)),
                Object::Port(o) => drop(self.ports.insert(o.id.clone(), o)),
                Object::SecurityGroup(o) => drop(self.groups.insert(o.id.clone(), o)),
                Object::Router(o) => drop(self.routers.insert(o.id.clone(), o)),
            }
        }
    }

    /// Ports of the network on this host.
    pub(crate) fn ports_of<'a>(&'a self, network: &'a NetworkId) -> impl Iterator<Item = &'a Port> {
        self.ports.values().filter(move |port| port.network == *network)
    }

    /// The subnet of this id on the network.
    pub(crate) fn subnet(&self, network: &NetworkId, subnet: &SubnetId) -> Option<&Subnet> {
        self.networks.get(network)?.subnets.iter().find(|s| s.id == *subnet)
    }

    /// The subnet that a port's address is from, by id or, failing that, by prefix.
    pub(crate) fn subnet_of(&self, network: &NetworkId, fixed: &FixedIp) -> Option<&Subnet> {
        let by_prefix = || self.networks.get(network)?.subnets.iter().find(|s| s.cidr.contains(&fixed.address));
        self.subnet(network, &fixed.subnet).or_else(by_prefix)
    }
}
