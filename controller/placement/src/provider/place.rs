//! One place of a host's tree, as the API shows it: the host itself, or one of its NUMA nodes.

use super::{Node, Provider};
use crate::{
    Ratios,
    resource_class::{Class, OF_HOST, OF_NODE},
    traits,
};
use controller_ports::placement::Resources;
use uuid::Uuid;

/// A resource provider.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) provider: &'a Provider,
    pub(crate) node: Option<&'a Node>,
}

impl Provider {
    pub(crate) fn id(&self) -> Uuid {
        self.usage.host_id.uuid()
    }

    /// The id of a node is made of its host's: the same whenever it is asked for, and after a restart.
    pub(crate) fn node_id(&self, number: u32) -> Uuid {
        Uuid::new_v5(&self.id(), format!("numa{number}").as_bytes())
    }

    /// The host itself.
    pub(crate) fn root(&self) -> Place<'_> {
        Place { provider: self, node: None }
    }

    /// The whole tree, the host first.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place<'_>> {
        let nodes = self.nodes.iter().map(|node| Place { provider: self, node: Some(node) });
        std::iter::once(self.root()).chain(nodes)
    }

    /// The place with this id, if it is of this tree.
    pub(crate) fn place(&self, id: Uuid) -> Option<Place<'_>> {
        self.places().find(|place| place.id() == id)
    }
}

impl Place<'_> {
    pub(crate) fn id(&self) -> Uuid {
        self.node.map_or_else(|| self.provider.id(), |node| self.provider.node_id(node.number))
    }

    pub(crate) fn name(&self) -> String {
        let host = &self.provider.usage.hostname;
        self.node.map_or_else(|| host.clone(), |node| format!("{host}_NUMA{}", node.number))
    }

    /// The host, of its nodes.
    pub(crate) fn parent(&self) -> Option<Uuid> {
        self.node.map(|_| self.provider.id())
    }

    /// The classes of which it may have something.
    pub(crate) fn classes(&self) -> &'static [Class] {
        if self.node.is_some() { OF_NODE } else { OF_HOST }
    }

    pub(crate) fn total(&self) -> Resources {
        self.node.map_or(self.provider.usage.total, |node| node.total)
    }

    pub(crate) fn used(&self) -> Resources {
        self.node.map_or(self.provider.usage.used, |node| node.used)
    }

    /// The ratios that hold here: what is kept back is the host's.
    pub(crate) fn ratios(&self, ratios: &Ratios) -> Ratios {
        let reserved = if self.node.is_some() { Resources::default() } else { ratios.reserved };
        Ratios { reserved, ..*ratios }
    }

    pub(crate) fn traits(&self) -> Vec<&'static str> {
        if self.node.is_some() { vec![traits::NUMA_ROOT] } else { traits::of(self.provider) }
    }
}
