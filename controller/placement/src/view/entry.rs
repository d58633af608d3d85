//! One host of the view.

use super::{Loaded, Stamp, reservation::Taken};
use crate::{
    Ratios,
    choose::{Rank, allowed, fits, open},
    provider::Provider,
};
use controller_base::{Timestamp, id::HostId};
use controller_ports::placement::{Constraints, Resources};
use std::{cmp::Reverse, sync::Arc};

/// Where a host stands in the order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) rank: Rank,
    name: Reverse<Arc<str>>,
    pub(super) host: HostId,
}

impl Key {
    pub(super) fn new(provider: &Provider, rank: Rank) -> Self {
        Self { rank, name: Reverse(provider.usage.hostname.as_str().into()), host: provider.usage.host_id }
    }

    /// A bound of ranks, for which name and id are of no account.
    pub(super) fn bound(rank: Rank, (name, host): &(Arc<str>, HostId)) -> Self {
        Self { rank, name: Reverse(Arc::clone(name)), host: *host }
    }
}

/// A host, with what open reservations take counted as used.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) provider: Provider,
    pub(super) key: Key,
    /// The row's, as far as it is known.
    stamp: Stamp,
    /// Reservations of open transactions, in the order in which they were made.
    pub(super) open: Vec<Open>,
}

#[derive(Clone, Debug)]
pub(super) struct Open {
    taken: Taken,
    /// The row's stamp before the claim; not known before it was written.
    from: Option<Stamp>,
    /// What was loaded holds it already: it was read in its own transaction, or just after the commit.
    loaded: bool,
}

impl Entry {
    pub(super) fn new(
        Loaded { mut provider, stamp }: Loaded,
        mut open: Vec<Open>,
        rank: impl FnOnce(&Provider) -> Rank,
    ) -> Self {
        open.iter_mut().for_each(|open| open.loaded = false);
        let mut reached = Some(stamp);
        while let Some(before) = open.iter_mut().find(|open| !open.loaded && Some(open.taken.to) == reached) {
            before.loaded = true;
            reached = before.from;
        }
        for open in open.iter().filter(|open| !open.loaded) {
            add(&mut provider, &open.taken);
        }
        let key = Key::new(&provider, rank(&provider));
        Self { provider, key, stamp, open }
    }

    pub(super) fn take(&mut self, amount: Resources, node: Option<u32>) -> Taken {
        let taken = Taken { amount, node, to: Stamp::random() };
        add(&mut self.provider, &taken);
        self.open.push(Open { taken, from: None, loaded: false });
        taken
    }

    /// Whether there is room for the claim at this stamp: at the known one, or that of a claim that is counted.
    pub(super) fn follows(
        &mut self,
        taken: &Taken,
        former: Stamp,
        constraints: &Constraints,
        ratios: &Ratios,
        now: Timestamp,
    ) -> bool {
        let counted = |open: &Open| open.taken.to == former && open.from.is_some();
        let known = self.stamp == former || self.open.iter().any(counted);
        // What was counted since may have taken the room, and what was loaded since may tell of another host.
        let mut others = self.provider.usage.used;
        subtract(&mut others, taken.amount);
        let near = || {
            let Some(node) = taken.node else { return !constraints.one_node };
            let mut without = self.provider.nodes.iter().find(|own| own.number == node).cloned();
            without.iter_mut().for_each(|node| subtract(&mut node.used, taken.amount));
            without.is_some_and(|node| node.fits(taken.amount, ratios))
        };
        let fits = open(&self.provider, now)
            && allowed(&self.provider, constraints)
            && fits(self.provider.usage.total, others, taken.amount, ratios)
            && near();
        if known && fits {
            self.stands_on(taken, former);
        }
        known && fits
    }

    /// The row's stamp before the claim was this one.
    pub(super) fn stands_on(&mut self, taken: &Taken, former: Stamp) {
        if let Some(open) = self.open.iter_mut().find(|open| open.taken.to == taken.to) {
            open.from = Some(former);
        }
    }

    /// The claim was committed. False when another change than the known one came before it.
    pub(super) fn keep(&mut self, taken: &Taken) -> bool {
        match self.close(taken) {
            Some(open) if open.loaded => true,
            Some(open) if open.from == Some(self.stamp) => {
                self.stamp = taken.to;
                true
            }
            // It stays counted until the host was read.
            _ => false,
        }
    }

    /// The claim was never made. False when it was loaded all the same, from within its transaction.
    pub(super) fn give_back(&mut self, taken: &Taken) -> bool {
        match self.close(taken) {
            Some(open) if open.loaded => false,
            Some(_) => {
                subtract(&mut self.provider.usage.used, taken.amount);
                if let Some(node) = node_of(&mut self.provider, taken) {
                    subtract(node, taken.amount);
                }
                self.provider.usage.servers = self.provider.usage.servers.saturating_sub(1);
                true
            }
            None => true,
        }
    }

    fn close(&mut self, taken: &Taken) -> Option<Open> {
        let place = self.open.iter().position(|open| open.taken.to == taken.to)?;
        Some(self.open.remove(place))
    }
}

fn add(provider: &mut Provider, taken: &Taken) {
    provider.usage.used = provider.usage.used.plus(taken.amount);
    provider.usage.servers += 1;
    if let Some(used) = node_of(provider, taken) {
        *used = used.plus(taken.amount);
    }
}

/// What is used of the node that was taken. Disks are counted, too, and never looked at.
fn node_of<'a>(provider: &'a mut Provider, taken: &Taken) -> Option<&'a mut Resources> {
    provider.nodes.iter_mut().find(|node| Some(node.number) == taken.node).map(|node| &mut node.used)
}

fn subtract(used: &mut Resources, amount: Resources) {
    used.vcpus = used.vcpus.saturating_sub(amount.vcpus);
    used.memory_mib = used.memory_mib.saturating_sub(amount.memory_mib);
    used.disk_gib = used.disk_gib.saturating_sub(amount.disk_gib);
}
