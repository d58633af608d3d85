//! Hosts as claims see them, in memory: how full each is, in the order in which they are chosen. Owns no table; a cache, from which
//! no answer is given that the database did not confirm.
//!
//! ```text
//!  load --install--> [ stamp, usage ] --reserve--> reservation --commit--> keep: the stamp moves on
//!                          ^                           |
//!                          |                           +------rollback--> give back
//!                          +---- doubt: the host changed, a claim on it was released
//! ```
//!
//! Invariants:
//! - Every claim on a host and every change of it gives its row a random stamp that was never there before. So what was known at a
//!   stamp holds as long as the row has it, whatever was rolled back meanwhile; but for released claims, which only make room.
//! - A claim locks the row by stamping it, and is told the stamp before. Is that one known, the view was right; if not, the row is
//!   read, and nobody else can alter it until the transaction ends. A view that lags behind costs a look, never more room than there is.
//! - A reservation counts from the choice on, so that two claims at once do not want the same room. It ends with its transaction.

mod entry;
mod reservation;
#[cfg(test)]
mod tests;

use crate::{
    Order, Ratios,
    choose::{Rank, rank, ranks, suits},
    provider::{Provider, node},
};
use controller_base::{Timestamp, id::HostId};
use controller_ports::placement::{Constraints, Resources};
use entry::{Entry, Key};
pub use reservation::Reservation;
use reservation::Taken;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Which claim or change a host's row was written by last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(pub(crate) i64);

impl Stamp {
    /// One that no row ever had.
    pub(crate) fn random() -> Self {
        Self(HostId::random().uuid().as_u64_pair().0.cast_signed())
    }
}

/// A host's row with its claims, as one statement read them.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) provider: Provider,
    pub(crate) stamp: Stamp,
}

/// The view, shared by all who hold the service.
#[derive(Clone, Debug)]
pub(crate) struct View(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    ratios: Ratios,
    order: Order,
    entries: HashMap<HostId, Entry>,
    /// All entries, the best last.
    ranks: BTreeSet<Key>,
    /// Hosts to be read again, each with the number of its newest doubt.
    doubts: BTreeMap<HostId, u64>,
    doubted: u64,
    /// Bounds of ranges need a name and an id, which are never compared.
    nobody: (Arc<str>, HostId),
    /// When everything was read.
    loaded: Instant,
}

/// What was in doubt or known when a load began: what changes while it runs stays in doubt.
#[derive(Debug)]
pub(crate) struct Scope {
    doubted: u64,
    hosts: HashSet<HostId>,
}

impl Scope {
    pub(crate) fn hosts(&self) -> impl ExactSizeIterator<Item = HostId> {
        self.hosts.iter().copied()
    }
}

impl View {
    pub(crate) fn new(ratios: Ratios, order: Order) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            ratios,
            order,
            entries: HashMap::new(),
            ranks: BTreeSet::new(),
            doubts: BTreeMap::new(),
            doubted: 0,
            nobody: ("".into(), HostId::random()),
            loaded: Instant::now(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whatever panicked left whole entries; at worst one of them is refused by its stamp.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This host is to be read before anything is chosen again.
    pub(crate) fn doubt(&self, host: HostId) {
        self.lock().doubt(host);
    }

    /// Takes a host out that was deleted.
    pub(crate) fn forget(&self, host: HostId) {
        self.lock().remove(host);
    }

    /// The hosts in doubt; `None`: there are none.
    pub(crate) fn in_doubt(&self) -> Option<Scope> {
        let inner = self.lock();
        let hosts: HashSet<_> = inner.doubts.keys().copied().collect();
        (!hosts.is_empty()).then(|| Scope { doubted: inner.doubted, hosts })
    }

    /// All hosts, for a load of everything, unless there was one not longer ago.
    pub(crate) fn everything(&self, unless: Duration) -> Option<Scope> {
        let mut inner = self.lock();
        if inner.loaded.elapsed() < unless {
            return None;
        }
        inner.loaded = Instant::now();
        Some(Scope {
            doubted: inner.doubted,
            hosts: inner.entries.keys().chain(inner.doubts.keys()).copied().collect(),
        })
    }

    /// Takes in what was read since the scope was made. Hosts of the scope that were not found are gone.
    pub(crate) fn install(&self, scope: &Scope, found: Vec<Loaded>) {
        let mut inner = self.lock();
        let seen: HashSet<_> = found.iter().map(|loaded| loaded.provider.usage.host_id).collect();
        scope.hosts.difference(&seen).for_each(|gone| inner.remove(*gone));
        found.into_iter().for_each(|loaded| inner.put(loaded));
        inner
            .doubts
            .retain(|host, number| *number > scope.doubted || !(scope.hosts.contains(host) || seen.contains(host)));
    }

    /// Chooses a host and takes the room on it, until the reservation is kept or dropped.
    pub(crate) fn reserve(&self, wanted: Resources, constraints: &Constraints, now: Timestamp) -> Option<Reservation> {
        let mut inner = self.lock();
        let host = inner.choose(wanted, constraints, now)?;
        let (taken, hostname) = inner.take(host, wanted, constraints.one_node)?;
        drop(inner);
        Some(Reservation::new(self.clone(), host, hostname, taken))
    }

    /// Whether the claim fits what the host held at this stamp, as far as it is known.
    fn follows(&self, host: HostId, taken: &Taken, former: Stamp, constraints: &Constraints, now: Timestamp) -> bool {
        let mut inner = self.lock();
        let ratios = inner.ratios;
        inner.entries.get_mut(&host).is_some_and(|entry| entry.follows(taken, former, constraints, &ratios, now))
    }

    /// The claim follows what was read.
    fn corrected(&self, taken: &Taken, read: Loaded) {
        let (host, former) = (read.provider.usage.host_id, read.stamp);
        let mut inner = self.lock();
        inner.put(read);
        inner.alter(host, |entry| {
            entry.stands_on(taken, former);
            true
        });
    }

    fn keep(&self, host: HostId, taken: &Taken) {
        self.lock().alter(host, |entry| entry.keep(taken));
    }

    fn give_back(&self, host: HostId, taken: &Taken) {
        self.lock().alter(host, |entry| entry.give_back(taken));
    }
}

impl Inner {
    /// The allowed host with room for it that is wished for, or comes first in the order; rather one that is there.
    fn choose(&self, wanted: Resources, constraints: &Constraints, now: Timestamp) -> Option<HostId> {
        [true, false].into_iter().find_map(|there| self.choose_among(there, wanted, constraints, now))
    }

    fn choose_among(
        &self,
        there: bool,
        wanted: Resources,
        constraints: &Constraints,
        now: Timestamp,
    ) -> Option<HostId> {
        let takes = |entry: &&Entry| {
            entry.provider.away_since.is_none() == there
                && suits(&entry.provider, wanted, constraints, &self.ratios, now)
        };
        let wished =
            |hosts: &[HostId]| hosts.iter().copied().find(|host| self.entries.get(host).filter(takes).is_some());
        let other = |entry: &&Entry| takes(entry) && !constraints.last.contains(&entry.key.host);
        wished(&constraints.first)
            .or_else(|| match &constraints.only {
                Some(only) => {
                    let among = only.iter().filter_map(|host| self.entries.get(host)).filter(other);
                    among.max_by(|a, b| a.key.cmp(&b.key)).map(|entry| entry.key.host)
                }
                None => {
                    let mut ordered = self.ordered(there, wanted.memory_mib);
                    ordered.find(|host| self.entries.get(host).filter(other).is_some())
                }
            })
            .or_else(|| wished(&constraints.last))
    }

    /// Hosts with so much memory left, the best first.
    fn ordered(&self, there: bool, memory_mib: u64) -> impl Iterator<Item = HostId> {
        let bound = |rank: &Rank| Key::bound(*rank, &self.nobody);
        let ranks = ranks(self.order, there, memory_mib);
        self.ranks.range(bound(ranks.start())..=bound(ranks.end())).rev().map(|key| key.host)
    }

    fn take(&mut self, host: HostId, wanted: Resources, one_node: bool) -> Option<(Taken, String)> {
        let (ratios, order) = (self.ratios, self.order);
        let mut taken = None;
        self.alter(host, |entry| {
            let node = one_node.then(|| node::best(&entry.provider, wanted, &ratios, order)).flatten();
            taken = Some((entry.take(wanted, node), entry.provider.usage.hostname.clone()));
            true
        });
        taken
    }

    /// Changes an entry, which says whether it is still sure of itself.
    fn alter(&mut self, host: HostId, change: impl FnOnce(&mut Entry) -> bool) {
        let Some(entry) = self.entries.get_mut(&host) else { return };
        let sure = change(entry);
        let rank = rank(&entry.provider, &self.ratios, self.order);
        if rank != entry.key.rank {
            self.ranks.remove(&entry.key);
            entry.key.rank = rank;
            self.ranks.insert(entry.key.clone());
        }
        if !sure {
            self.doubt(host);
        }
    }

    fn doubt(&mut self, host: HostId) {
        self.doubted += 1;
        self.doubts.insert(host, self.doubted);
    }

    fn remove(&mut self, host: HostId) {
        if let Some(entry) = self.entries.remove(&host) {
            self.ranks.remove(&entry.key);
        }
    }

    fn put(&mut self, loaded: Loaded) {
        let host = loaded.provider.usage.host_id;
        let open = match self.entries.remove(&host) {
            Some(older) => {
                self.ranks.remove(&older.key);
                older.open
            }
            None => Vec::new(),
        };
        let entry = Entry::new(loaded, open, |provider| rank(provider, &self.ratios, self.order));
        self.ranks.insert(entry.key.clone());
        self.entries.insert(host, entry);
    }
}
