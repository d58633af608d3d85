//! Makes the kernel as planned.
//!
//! Remembers what it carried out, so that a change touches only what differs from the last plan; a full convergence forgets
//! that and compares with the kernel itself. Every step may be repeated.

mod filter;
mod links;
mod namespaces;
mod ports;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::config::NetConfig;
use crate::error::NetError;
use crate::handle::Convergence;
use crate::inventory::Item;
use crate::model::ObjectKey;
use crate::netlink::Netlink;
use crate::netns::Namespaces;
use crate::nft::Nft;
use crate::plan::filter::{Doomed, Tracking, removal};
use crate::plan::{FilterPlan, LinkPlan, NamespacePlan, Plan, TapPlan, names};

/// The kernel's side of this host's network.
#[derive(Debug)]
pub(crate) struct Kernel {
    netlink: Netlink,
    pub(crate) namespaces: Namespaces,
    /// Netlink sockets in the named namespaces.
    inner: HashMap<String, Netlink>,
    nft: Nft,
    tracking: Tracking,
    links: BTreeMap<String, LinkPlan>,
    taps: BTreeMap<String, TapPlan>,
    spaces: BTreeMap<String, NamespacePlan>,
    filter: Option<FilterPlan>,
    /// Connections that are allowed no more and were not ended yet.
    doomed: BTreeSet<Doomed>,
}

impl Kernel {
    /// Looks at what the kernel can do; changes nothing but the sysctls that let bridged packets be filtered, and those of
    /// physical networks whose packets the host forwards.
    pub(crate) async fn new(config: &NetConfig) -> Result<Self, NetError> {
        if config.physical_networks.values().any(|physical| physical.masquerade) {
            let path = "/proc/sys/net/ipv4/ip_forward";
            std::fs::write(path, "1").map_err(NetError::io(format!("set {path}")))?;
        }
        let nft = Nft::new(config.nft.clone());
        Ok(Self {
            netlink: Netlink::open().map_err(NetError::io("open a netlink socket"))?,
            namespaces: Namespaces::new(config.namespace_dir.clone()),
            inner: HashMap::new(),
            tracking: filter::detect(&nft).await?,
            nft,
            links: BTreeMap::new(),
            taps: BTreeMap::new(),
            spaces: BTreeMap::new(),
            filter: None,
            doomed: BTreeSet::new(),
        })
    }

    /// Forgets what was carried out: the next convergence compares with the kernel.
    pub(crate) fn doubt(&mut self) {
        self.links.clear();
        self.taps.clear();
        self.spaces.clear();
    }

    /// Makes all as planned. With `sweep`, what carries our prefixes and is not planned is removed.
    ///
    /// The filter comes first, so that no port is in a bridge without its rules.
    pub(crate) async fn converge(&mut self, plan: &Plan, sweep: bool, outcome: &mut Convergence) {
        if let Err(error) = self.converge_filter(&plan.filter).await {
            outcome.failures.push((None, error));
        }
        self.converge_links(plan, outcome).await;
        self.converge_namespaces(plan, outcome).await;
        self.converge_taps(plan, outcome).await;
        let removed = self.remove_stale(plan, sweep).await;
        outcome.failures.extend(removed.err().map(|error| (None, error)));
    }

    /// Removes what was carried out and is not planned any more, and with `sweep` all else that is ours and not planned.
    async fn remove_stale(&mut self, plan: &Plan, sweep: bool) -> Result<(), NetError> {
        let leftovers = if sweep { self.leftovers(plan).await? } else { self.outdated(plan) };
        for item in &leftovers {
            if let Item::Link(name) = item {
                self.netlink.delete_link(name).await?;
                self.links.remove(name);
                self.taps.remove(name);
            }
        }
        for item in &leftovers {
            if let Item::Namespace(name) = item {
                self.inner.remove(name);
                self.namespaces.remove(name)?;
                self.spaces.remove(name);
            }
        }
        Ok(())
    }

    /// Removes all that is ours, and the bridges that were made for physical networks.
    pub(crate) async fn dismantle(&mut self, config: &NetConfig) -> Result<(), NetError> {
        self.remove_stale(&Plan::default(), true).await?;
        for physical in config.physical_networks.values().filter(|physical| physical.create) {
            self.netlink.delete_link(&physical.interface).await?;
        }
        self.nft.apply(removal()).await
    }

    fn outdated(&self, plan: &Plan) -> Vec<Item> {
        let links = self.links.keys().filter(|name| !plan.has_link(name) && is_ours(name));
        let taps = self.taps.keys().filter(|name| !plan.taps.contains_key(*name));
        let spaces = self.spaces.keys().filter(|name| !plan.namespaces.contains_key(*name));
        links.chain(taps).cloned().map(Item::Link).chain(spaces.cloned().map(Item::Namespace)).collect()
    }

    /// All that carries our prefixes, of the filter what its listing tells by chain and map entry.
    pub(crate) async fn inventory(&self) -> Result<Vec<Item>, NetError> {
        let links = self.netlink.links().await?.into_keys().filter(|name| is_ours(name)).map(Item::Link);
        let spaces = self.namespaces.list(&names::NAMESPACE_PREFIXES)?.into_iter().map(Item::Namespace);
        let mut items: Vec<Item> = links.chain(spaces).collect();
        items.extend(self.filter_items().await?);
        items.sort();
        Ok(items)
    }

    /// The part of the inventory that the plan does not explain.
    pub(crate) async fn leftovers(&self, plan: &Plan) -> Result<Vec<Item>, NetError> {
        let mut items = self.inventory().await?;
        items.retain(|item| !plan.explains(item));
        Ok(items)
    }
}

fn is_ours(link: &str) -> bool {
    names::LINK_PREFIXES.iter().any(|prefix| link.starts_with(prefix))
}

impl Plan {
    fn has_link(&self, name: &str) -> bool {
        self.links.iter().any(|(planned, _)| planned == name)
    }

    fn explains(&self, item: &Item) -> bool {
        match item {
            Item::Link(name) => self.has_link(name) || self.taps.contains_key(name),
            Item::Namespace(name) => self.namespaces.contains_key(name),
            Item::Filter(name) => self.filter.explains(name),
        }
    }
}

/// Notes an object's failure.
fn note(outcome: &mut Convergence, owner: Option<ObjectKey>, result: Result<(), NetError>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) => {
            outcome.failures.push((owner, error));
            false
        }
    }
}
