//! Room that is taken in memory while its transaction is open.

use super::{Loaded, Stamp, View};
use crate::{Ratios, provider::Provider};
use controller_base::{Timestamp, id::HostId};
use controller_ports::placement::{Constraints, Resources};

/// What one reservation takes, and the stamp of its claim.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) amount: Resources,
    /// The NUMA node that the server gets.
    pub(super) node: Option<u32>,
    pub(super) to: Stamp,
}

/// Room on a host that nobody else is offered. Dropped, it is given back.
#[derive(Debug)]
pub struct Reservation {
    view: View,
    host: HostId,
    hostname: String,
    taken: Taken,
    kept: bool,
}

impl Reservation {
    pub(super) fn new(view: View, host: HostId, hostname: String, taken: Taken) -> Self {
        Self { view, host, hostname, taken, kept: false }
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> HostId {
        self.host
    }

    /// The NUMA node that the server gets, if it asked for one.
    pub(crate) fn node(&self) -> Option<u32> {
        self.taken.node
    }

    /// Whether the node that was chosen has the room, where the host stands as it was read.
    pub(crate) fn node_fits(&self, read: &Provider, ratios: &Ratios) -> bool {
        let fits = |node: u32| read.nodes.iter().any(|own| own.number == node && own.fits(self.taken.amount, ratios));
        self.taken.node.is_none_or(fits)
    }

    pub(crate) fn hostname(&self) -> &str {
        &self.hostname
    }

    /// What the row is stamped with.
    pub(crate) fn stamp(&self) -> Stamp {
        self.taken.to
    }

    /// Whether the view knew what the host held when it was stamped, and it has the room and what is asked of it.
    pub(crate) fn follows(&self, former: Stamp, constraints: &Constraints, now: Timestamp) -> bool {
        self.view.follows(self.host, &self.taken, former, constraints, now)
    }

    /// The view did not know: this was read after the row was stamped, with the stamp before.
    pub(crate) fn corrected(&self, read: Loaded) {
        self.view.corrected(&self.taken, read);
    }

    /// The claim is durable.
    pub(crate) fn keep(mut self) {
        self.kept = true;
        self.view.keep(self.host, &self.taken);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.kept {
            self.view.give_back(self.host, &self.taken);
        }
    }
}
