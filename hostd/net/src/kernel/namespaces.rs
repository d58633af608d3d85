//! What is inside the named namespaces.

use std::collections::hash_map::Entry;
use std::io;
use std::net::IpAddr;

use super::{Kernel, note};
use crate::conntrack::{self, Connection};
use crate::error::NetError;
use crate::frames;
use crate::handle::Convergence;
use crate::netlink::{Link, LinkChange, Netlink, difference};
use crate::plan::{InnerLink, NamespacePlan, Plan};

impl Kernel {
    pub(super) async fn converge_namespaces(&mut self, plan: &Plan, outcome: &mut Convergence) {
        for (name, space) in &plan.namespaces {
            if self.spaces.get(name) == Some(space) {
                continue;
            }
            let done = self.ensure_namespace(name, space).await;
            if note(outcome, Some(space.owner.clone()), done) {
                self.spaces.insert(name.clone(), space.clone());
            }
        }
    }

    /// The netlink socket in the namespace.
    pub(super) async fn inside(&mut self, name: &str) -> Result<&Netlink, NetError> {
        match self.inner.entry(name.to_owned()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(vacant) => Ok(vacant.insert(self.namespaces.enter(name, Netlink::open).await?)),
        }
    }

    async fn ensure_namespace(&mut self, name: &str, plan: &NamespacePlan) -> Result<(), NetError> {
        let before = self.spaces.get(name).cloned();
        if self.namespaces.ensure(name).await? {
            // Sockets into a namespace that was removed by somebody are of no use.
            self.inner.remove(name);
        }
        if before.as_ref().is_none_or(|before| before.sysctls != plan.sysctls) {
            let sysctls = plan.sysctls.clone();
            self.namespaces.enter(name, move || set_sysctls(&sysctls)).await?;
        }
        // A floating address that is translated nowhere would be answered by the router itself: it comes after its translation, and goes before.
        let loses =
            before.as_ref().is_some_and(|before| before.translated.keys().any(|o| !plan.translated.contains_key(o)));
        if !loses {
            self.translate(name, before.as_ref(), plan).await?;
        }
        let netlink = self.inside(name).await?;
        let links = netlink.links().await?;
        if let Some(loopback) = links.get("lo") {
            let up = LinkChange { up: Some(true), ..LinkChange::default() };
            netlink.change_link(loopback, &difference(loopback, &up)).await?;
        }
        let mut announced = Vec::new();
        for (link, wanted) in &plan.links {
            let present = links
                .get(link)
                .ok_or_else(|| NetError::io(format!("find link {link} in {name}"))(nix::Error::ENODEV))?;
            if ensure_inner(netlink, present, wanted).await? && wanted.announce {
                announced.push((present.index, wanted.clone()));
            }
        }
        netlink.set_routes(&links, &plan.routes).await?;
        netlink.set_rules(&plan.floating_sources).await?;
        if loses {
            self.translate(name, before.as_ref(), plan).await?;
        }
        for (index, link) in announced {
            self.namespaces.enter(name, move || announce(index, &link)).await?;
        }
        Ok(())
    }

    async fn translate(
        &self,
        name: &str,
        before: Option<&NamespacePlan>,
        plan: &NamespacePlan,
    ) -> Result<(), NetError> {
        let known = before.and_then(|before| before.nft.as_ref());
        if let Some(nft) = plan.nft.as_ref().filter(|nft| known != Some(nft)) {
            self.nft.apply_in(&self.namespaces, name, nft.clone()).await?;
        }
        match before {
            Some(before) => self.cut_translated(name, before, plan).await,
            None => Ok(()),
        }
    }

    /// Ends connections through translations that are no more, and those that began without a translation that is now.
    async fn cut_translated(&self, name: &str, before: &NamespacePlan, now: &NamespacePlan) -> Result<(), NetError> {
        let (old, new) = (&before.translated, &now.translated);
        let changed = old.keys().chain(new.keys()).filter(|outside| old.get(*outside) != new.get(*outside));
        let changed: Vec<IpAddr> = changed.copied().collect();
        if changed.is_empty() {
            return Ok(());
        }
        let touches = move |c: &Connection| changed.iter().any(|outside| c.touches(*outside));
        self.namespaces.enter(name, move || conntrack::cut(touches)).await?;
        Ok(())
    }
}

/// True if its addresses changed, or what answers for them.
async fn ensure_inner(netlink: &Netlink, link: &Link, plan: &InnerLink) -> Result<bool, NetError> {
    let wanted = LinkChange { mac: Some(plan.mac), mtu: Some(plan.mtu), master: None, up: Some(true) };
    let difference = difference(link, &wanted);
    let moved = difference.mac.is_some();
    netlink.change_link(link, &difference).await?;
    let changed = netlink.set_addresses(link, &plan.addresses).await?;
    netlink.set_neighbours(link, &plan.neighbours).await?;
    Ok(changed || moved)
}

fn set_sysctls(sysctls: &[(String, String)]) -> io::Result<()> {
    for (name, value) in sysctls {
        match std::fs::write(format!("/proc/sys/net/{name}"), value) {
            // A kernel without IPv6.
            Err(e) if e.kind() == io::ErrorKind::NotFound && name.starts_with("ipv6/") => {}
            written => written?,
        }
    }
    Ok(())
}

/// Tells the neighbours where the addresses are now.
fn announce(index: u32, link: &InnerLink) -> io::Result<()> {
    for address in &link.addresses {
        if let IpAddr::V4(address) = address.addr() {
            crate::sys::send_frame(index, &frames::gratuitous_arp(link.mac, address))?;
        }
    }
    Ok(())
}
