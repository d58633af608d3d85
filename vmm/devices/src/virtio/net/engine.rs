//! Moving packets.

use super::{HEADER_SIZE, Offload, Tap};
use crate::counters::Counters;
use crate::virtio::chain::{Chain, RingError};
use crate::virtio::ring::{Drained, Outcome, Ring};
use crate::virtio::worker::{Active, Engine, Turn};
use nix::unistd::read;
use std::io;
use std::sync::Arc;
use virtio_bindings::virtio_net::{
    VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_MRG_RXBUF,
};
use vmm_sys::memory::GuestMemory;
use vmm_sys::vectored::{IoSlices, MAX_SLICES};

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
/// The largest packet with its header: a 64 KiB segment behind an Ethernet header.
const MAX_PACKET: usize = 65_536 + 14 + HEADER_SIZE;
/// Packets received before others have their turn.
const RECEIVE_BUDGET: usize = 256;
/// Where `num_buffers` is in the header.
const NUM_BUFFERS: std::ops::Range<usize> = 10..12;

pub(super) struct NetEngine {
    tap: Box<dyn Tap>,
    counters: Arc<Counters>,
    chain: Chain,
    /// The buffers of the packet that is being received.
    chains: Vec<Chain>,
    slices: IoSlices,
    /// The packet that is being received; the guest's buffers may not suffice for it yet.
    packet: Vec<u8>,
    waiting: usize,
}

/// What became of a received packet.
#[derive(Debug, PartialEq, Eq)]
enum Delivery {
    Done,
    Dropped,
    NoBuffers,
}

impl NetEngine {
    pub(super) fn new(tap: Box<dyn Tap>, counters: Arc<Counters>) -> Self {
        Self {
            tap,
            counters,
            chain: Chain::default(),
            chains: Vec::new(),
            slices: IoSlices::new(),
            packet: Vec::new(),
            waiting: 0,
        }
    }

    fn transmit(&mut self, active: &mut Active) -> Result<Turn, RingError> {
        let Some(Some(ring)) = active.rings.get_mut(TRANSMIT) else { return Ok(Turn::Done) };
        let memory = &active.memory;
        let (tap, slices, counters) = (&self.tap, &mut self.slices, &self.counters);
        let drained = ring.drain(memory, &mut self.chain, |_, chain| {
            match send(tap.as_ref(), slices, memory, chain)? {
                Some(bytes) => counters.write(bytes as u64),
                None => counters.error(),
            }
            Ok(Outcome::Used(0))
        })?;
        active.signal(TRANSMIT)?;
        Ok(if drained == Drained::More { Turn::Again(TRANSMIT) } else { Turn::Done })
    }

    fn receive(&mut self, active: &mut Active) -> Result<Turn, RingError> {
        let Some(Some(ring)) = active.rings.get_mut(RECEIVE) else { return Ok(Turn::Done) };
        let mergeable = active.features & 1 << VIRTIO_NET_F_MRG_RXBUF != 0;
        let mut turn = Turn::Again(RECEIVE);
        for _ in 0..RECEIVE_BUDGET {
            if self.waiting == 0 && !self.next_packet() {
                turn = Turn::Done;
                break;
            }
            match self.deliver(ring, &active.memory, mergeable)? {
                Delivery::Done => self.counters.read((self.waiting - HEADER_SIZE) as u64),
                Delivery::Dropped => self.counters.error(),
                Delivery::NoBuffers => {
                    turn = Turn::Done;
                    break;
                }
            }
            self.waiting = 0;
        }
        active.signal(RECEIVE)?;
        Ok(turn)
    }

    /// Takes a packet from the tap, if there is one.
    fn next_packet(&mut self) -> bool {
        self.packet.resize(MAX_PACKET, 0);
        loop {
            match read(self.tap.fd(), &mut self.packet) {
                Ok(length) if length >= HEADER_SIZE => {
                    self.waiting = length;
                    return true;
                }
                Err(nix::Error::EINTR) => {}
                // A runt is none; a tap that is down or gone has none.
                _ => return false,
            }
        }
    }

    /// Hands the waiting packet to the guest; when its buffers do not suffice yet, they and the packet stay.
    fn deliver(&mut self, ring: &mut Ring, memory: &GuestMemory, mergeable: bool) -> Result<Delivery, RingError> {
        let most = if mergeable { usize::from(super::QUEUE_SIZE) } else { 1 };
        let (mut room, mut used) = (0, 0);
        while room < self.waiting {
            if used == most {
                unpop(ring, used);
                return Ok(Delivery::Dropped);
            }
            if self.chains.len() == used {
                self.chains.push(Chain::default());
            }
            if !pop(ring, memory, &mut self.chains[used])? {
                unpop(ring, used);
                return Ok(Delivery::NoBuffers);
            }
            room += self.chains[used].writable_len();
            used += 1;
        }
        self.packet[NUM_BUFFERS].copy_from_slice(&(used as u16).to_le_bytes());
        let mut rest = &self.packet[..self.waiting];
        for chain in &self.chains[..used] {
            let (part, after) = rest.split_at(chain.writable_len().min(rest.len()));
            chain.write(memory, 0, part)?;
            ring.stage(memory, chain.head(), part.len() as u32)?;
            rest = after;
        }
        ring.publish(memory)?;
        Ok(Delivery::Done)
    }
}

fn unpop(ring: &mut Ring, count: usize) {
    (0..count).for_each(|_| ring.unpop());
}

/// Takes the guest's next buffer, or has the guest announce it.
fn pop(ring: &mut Ring, memory: &GuestMemory, chain: &mut Chain) -> Result<bool, RingError> {
    Ok(ring.pop(memory, chain)? || ring.enable_notification(memory)? && ring.pop(memory, chain)?)
}

/// Writes a chain to the tap as one packet; `None` when it was dropped.
fn send(tap: &dyn Tap, slices: &mut IoSlices, memory: &GuestMemory, chain: &Chain) -> Result<Option<usize>, RingError> {
    let length = chain.readable_len();
    if !(HEADER_SIZE..=MAX_PACKET).contains(&length) {
        return Ok(None);
    }
    let parts = chain.readable_slices(memory, 0, length)?;
    if parts.len() > MAX_SLICES {
        return Ok(None);
    }
    loop {
        match slices.write(tap.fd(), &parts) {
            Ok(_) => return Ok(Some(length - HEADER_SIZE)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(None),
        }
    }
}

impl Engine for NetEngine {
    fn start(&mut self, active: &mut Active) {
        let accepted = |bit: u32| active.features & 1 << bit != 0;
        let checksum = accepted(VIRTIO_NET_F_GUEST_CSUM);
        let offload = Offload {
            checksum,
            tso4: checksum && accepted(VIRTIO_NET_F_GUEST_TSO4),
            tso6: checksum && accepted(VIRTIO_NET_F_GUEST_TSO6),
        };
        if self.tap.set_offload(offload).is_err() {
            self.counters.error();
        }
    }

    fn handle(&mut self, active: &mut Active, token: u64) -> Result<Turn, RingError> {
        if token == TRANSMIT as u64 { self.transmit(active) } else { self.receive(active) }
    }

    fn stop(&mut self) {
        self.waiting = 0;
    }
}
