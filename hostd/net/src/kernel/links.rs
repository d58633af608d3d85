//! Links of the host's namespace.

use std::os::fd::AsFd;

use super::{Kernel, note};
use crate::error::NetError;
use crate::handle::Convergence;
use crate::netlink::{Link, LinkChange, difference};
use crate::plan::{LinkKind, LinkPlan, Plan, VethPeer};

impl Kernel {
    pub(super) async fn converge_links(&mut self, plan: &Plan, outcome: &mut Convergence) {
        for (name, link) in &plan.links {
            if self.links.get(name) == Some(link) {
                continue;
            }
            let done = self.ensure_link(name, link).await;
            if note(outcome, link.owner.clone(), done) {
                self.links.insert(name.clone(), link.clone());
            }
        }
    }

    async fn ensure_link(&mut self, name: &str, plan: &LinkPlan) -> Result<(), NetError> {
        let link = match self.usable(name, plan).await? {
            Some(link) => link,
            None => self.make_link(name, plan).await?,
        };
        let master = match &plan.master {
            Some(master) => Some(self.bridge_index(master).await?),
            None => None,
        };
        let wanted = LinkChange { mac: plan.mac, mtu: Some(plan.mtu), master, up: Some(true) };
        let change = difference(&link, &wanted);
        self.netlink.change_link(&link, &change).await?;
        if let Some(addresses) = &plan.addresses {
            self.netlink.set_addresses(&link, addresses).await?;
        }
        if let LinkKind::Vxlan(vxlan) = &plan.kind {
            self.netlink.quiet_bridge_port(&link).await?;
            self.netlink.set_remotes(&link, &vxlan.remotes).await?;
            self.netlink.set_neighbours(&link, &vxlan.neighbours).await?;
        }
        if let LinkKind::Veth(VethPeer { mac, told: true, .. }) = &plan.kind {
            self.netlink.quiet_bridge_port(&link).await?;
            self.netlink.tell_bridge(&link, *mac).await?;
        }
        Ok(())
    }

    /// The link if it is there and complete: a veth whose other end is not where it belongs is removed.
    async fn usable(&mut self, name: &str, plan: &LinkPlan) -> Result<Option<Link>, NetError> {
        let Some(link) = self.netlink.link(name).await? else { return Ok(None) };
        if let LinkKind::Veth(peer) = &plan.kind {
            self.namespaces.ensure(&peer.namespace).await?;
            let other = self.inside(&peer.namespace).await?.link(&peer.link).await?;
            if other.is_none() {
                self.netlink.delete_link(name).await?;
                return Ok(None);
            }
        }
        Ok(Some(link))
    }

    async fn make_link(&mut self, name: &str, plan: &LinkPlan) -> Result<Link, NetError> {
        let mut namespace = None;
        let mut parent = None;
        match &plan.kind {
            LinkKind::Veth(peer) => {
                self.namespaces.ensure(&peer.namespace).await?;
                // A peer of an interrupted start would be in the way.
                self.inside(&peer.namespace).await?.delete_link(&peer.link).await?;
                namespace = Some(self.namespaces.open(&peer.namespace)?);
            }
            LinkKind::Vlan { parent: name, .. } => parent = Some(self.index(name).await?),
            LinkKind::Bridge | LinkKind::Vxlan(_) => {}
        }
        self.netlink.add_link(name, plan, parent, namespace.as_ref().map(AsFd::as_fd)).await?;
        if plan.addresses.is_none() {
            disable_ipv6(name)?;
        }
        self.netlink.link(name).await?.ok_or_else(|| NetError::io(format!("find link {name}"))(nix::Error::ENODEV))
    }

    async fn index(&self, name: &str) -> Result<u32, NetError> {
        let link = self.netlink.link(name).await?;
        let missing = || NetError::io(format!("find link {name}"))(nix::Error::ENODEV);
        Ok(link.ok_or_else(missing)?.index)
    }

    /// The index of a bridge that is ours, made by the configuration, or was there before.
    pub(super) async fn bridge_index(&self, name: &str) -> Result<u32, NetError> {
        match self.netlink.link(name).await? {
            Some(link) if link.bridge => Ok(link.index),
            _ => Err(NetError::NoBridge { interface: name.to_owned() }),
        }
    }
}

/// The host itself has no business on tenants' networks: no link-local address on its side.
pub(super) fn disable_ipv6(link: &str) -> Result<(), NetError> {
    let path = format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6");
    match std::fs::write(path, "1") {
        // A kernel without IPv6 has nothing to be told.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        written => written.map_err(NetError::io(format!("turn IPv6 off on {link}"))),
    }
}
