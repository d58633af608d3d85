//! The guest on its networks: addresses by DHCP and router advertisement, ping, and a few services on each interface.
//!
//! - [`link`] is one interface with its stack; [`dhcp`] applies leases.
//! - [`echo`] (TCP port 7) and [`status`] (TCP port 23) serve; [`metadata`] asks 169.254.169.254 who this guest is;
//!   [`probe`] asks others on behalf of a test.
//!
//! `ready` is said once every interface has an address and its metadata, or has given up on them.

mod dhcp;
mod echo;
mod host;
mod link;
mod metadata;
mod probe;
mod status;

pub use host::Host;

use crate::machine::Machine;
use crate::power::Power;
use crate::virtio::blk::Disk;
use crate::virtio::net::Nic;
use crate::{clock, say};
use alloc::string::String;
use alloc::vec::Vec;
use link::Link;
use status::Context;

/// All interfaces.
pub struct Network {
    links: Vec<Link>,
    host: Host,
    said_ready: bool,
}

impl Network {
    /// Starts the stack of each interface. `metadata=off` on the command line leaves the metadata service alone.
    pub fn new(nics: Vec<Nic>, host: Host, machine: &Machine) -> Self {
        let ask_metadata = machine.option("metadata") != Some("off");
        let links = nics.into_iter().enumerate().map(|(index, nic)| Link::new(index, nic, ask_metadata)).collect();
        Self { links, host, said_ready: false }
    }

    /// Does what can be done now; returns when to come back at the latest, in microseconds of [`clock::now`].
    pub fn poll(&mut self, disks: &mut [Disk], power: &mut Power) -> Option<u64> {
        let mut context = Context { host: &mut self.host, disks, power };
        let deadlines = self.links.iter_mut().map(|link| link.poll(&mut context));
        let deadline = deadlines.collect::<Vec<_>>().into_iter().flatten().min();
        if !self.said_ready && self.links.iter().all(Link::is_settled) {
            self.said_ready = true;
            say!("ready {} ms {}", clock::now() / 1000, self.host);
        }
        deadline
    }

    /// The answer to a command that came by another way.
    pub fn command(&mut self, line: &str, disks: &mut [Disk], power: &mut Power) -> String {
        status::answer(line, &mut Context { host: &mut self.host, disks, power })
    }

    /// Whether packets came while the last ones were worked on.
    pub fn is_busy(&self) -> bool {
        self.links.iter().any(Link::is_busy)
    }
}
