//! One interface: its device, its stack, its services.

use super::dhcp::{self, Lease};
use super::metadata::{Asker, Progress};
use super::probe::Exit;
use super::status::{self, Context};
use super::{echo, metadata};
use crate::virtio::net::Nic;
use crate::{clock, say};
use alloc::vec::Vec;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, Ipv6Address, Ipv6Cidr};

/// After so many microseconds without a lease the guest is as ready as it gets.
const LEASE_PATIENCE: u64 = 30_000_000;

/// An interface.
pub struct Link {
    index: usize,
    nic: Nic,
    stack: Interface,
    sockets: SocketSet<'static>,
    dhcp: SocketHandle,
    lease: Option<Lease>,
    echo: Vec<SocketHandle>,
    status: Vec<status::Session>,
    metadata: Asker,
    slaac: Option<Ipv6Cidr>,
}

impl Link {
    /// Starts the stack.
    pub fn new(index: usize, mut nic: Nic, ask_metadata: bool) -> Self {
        let stack = start_stack(&mut nic);
        let mut sockets = SocketSet::new(Vec::new());
        Self {
            index,
            nic,
            stack,
            dhcp: sockets.add(dhcp::socket()),
            lease: None,
            echo: (0..echo::SESSIONS).map(|_| sockets.add(echo::socket())).collect(),
            status: (0..status::SESSIONS).map(|_| status::Session::new(&mut sockets)).collect(),
            metadata: Asker::new(sockets.add(metadata::socket()), ask_metadata),
            sockets,
            slaac: None,
        }
    }

    /// Moves packets and lets the services work; returns when to come back.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Option<u64> {
        let now = instant();
        self.stack.poll(now, &mut self.nic, &mut self.sockets);
        self.follow_lease();
        self.follow_slaac();
        self.echo.iter().for_each(|handle| echo::serve(self.sockets.get_mut(*handle)));
        let dns = self.lease.as_ref().map_or(&[][..], |lease| &lease.dns);
        let mut exit = Exit { stack: &mut self.stack, sockets: &mut self.sockets, dns };
        self.status.iter_mut().for_each(|session| session.serve(&mut exit, context));
        let asked_until = self.ask(context);
        self.stack.poll(instant(), &mut self.nic, &mut self.sockets);
        self.nic.flush();
        let stack_until = self.stack.poll_at(instant(), &self.sockets).map(|at| at.total_micros().max(0) as u64);
        let patience = (!self.is_settled()).then_some(LEASE_PATIENCE);
        [asked_until, stack_until, patience].into_iter().flatten().min()
    }

    /// Whether packets wait.
    pub fn is_busy(&self) -> bool {
        self.nic.has_packets()
    }

    /// Whether address and metadata are there or given up.
    pub fn is_settled(&self) -> bool {
        match self.lease {
            Some(_) => self.metadata.is_done(),
            None => clock::now() >= LEASE_PATIENCE,
        }
    }

    fn ask(&mut self, context: &mut Context<'_>) -> Option<u64> {
        self.lease.as_ref()?;
        let (stack, sockets) = (&mut self.stack, &mut self.sockets);
        match self.metadata.step(stack.context(), sockets, context.host) {
            Progress::Waiting(until) => Some(until),
            Progress::Done => None,
        }
    }

    fn follow_lease(&mut self) {
        let Some(change) = dhcp::change(self.sockets.get_mut(self.dhcp)) else {
            return;
        };
        match &change {
            Some(lease) => {
                self.lower_mtu(lease.mtu);
                dhcp::apply(&mut self.stack, lease);
                say!("net {} {} dhcp {lease} mtu {}", self.index, Mac(self.nic.mac), self.nic.mtu);
            }
            None if self.lease.is_some() => {
                dhcp::forget(&mut self.stack);
                say!("net {} lease lost", self.index);
            }
            None => {}
        }
        self.lease = change;
    }

    /// The stack asks for the MTU once, so a smaller one needs a new stack; the sockets stay.
    fn lower_mtu(&mut self, offered: Option<usize>) {
        const SMALLEST: usize = 576;
        if let Some(mtu) = offered.filter(|mtu| *mtu < self.nic.mtu && *mtu >= SMALLEST) {
            self.nic.mtu = mtu;
            self.stack = start_stack(&mut self.nic);
        }
    }

    fn follow_slaac(&mut self) {
        let global = self.stack.ip_addrs().iter().find_map(|cidr| match cidr {
            IpCidr::Ipv6(cidr) if !cidr.address().is_unicast_link_local() => Some(*cidr),
            _ => None,
        });
        if self.slaac != global {
            self.slaac = global;
            if let Some(cidr) = global {
                say!("net {} slaac {cidr}", self.index);
            }
        }
    }
}

/// A hardware address as Linux writes it.
struct Mac([u8; 6]);

impl core::fmt::Display for Mac {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

fn start_stack(nic: &mut Nic) -> Interface {
    let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(nic.mac)));
    let mac = nic.mac.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    config.random_seed = mac.rotate_left(16) ^ clock::entropy();
    config.slaac = true;
    let mut stack = Interface::new(config, nic, instant());
    // The list has room for four addresses and is empty.
    stack.update_ip_addrs(|addresses| addresses.push(IpCidr::Ipv6(link_local(nic.mac))).unwrap_or(()));
    stack
}

fn link_local(mac: [u8; 6]) -> Ipv6Cidr {
    let [a, b, c, d, e, f] = mac;
    let identifier = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    Ipv6Cidr::new(Ipv6Address::from(0xfe80_u128 << 112 | u128::from(identifier)), 64)
}

fn instant() -> Instant {
    Instant::ZERO + Duration::from_micros(clock::now())
}
