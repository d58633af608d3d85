//! Virtio network devices (virtio 1.2, 5.1) as smoltcp wants them. Doorbells are rung once for many packets.

use super::Fault;
use super::queue::{Piece, Queue};
use super::transport::Transport;
use alloc::vec;
use alloc::vec::Vec;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

const MTU: u64 = 1 << 3;
const MAC: u64 = 1 << 5;
const STATUS: u64 = 1 << 16;

const HEADER: usize = 12;
const ETHERNET: usize = 14;
const BUFFERS: u16 = 64;

/// A network interface.
pub struct Nic {
    /// Its hardware address.
    pub mac: [u8; 6],
    /// The largest IP packet.
    pub mtu: usize,
    receive: Side,
    transmit: Side,
}

/// A queue whose buffers belong to the heads of its chains.
struct Side {
    queue: Queue,
    buffers: Vec<Vec<u8>>,
    to_announce: bool,
}

impl Side {
    fn new(queue: Queue, buffer: usize) -> Self {
        let buffers = (0..queue.size()).map(|_| vec![0; buffer]).collect();
        Self { queue, buffers, to_announce: false }
    }

    fn announce(&mut self) {
        if core::mem::take(&mut self.to_announce) {
            self.queue.notify();
        }
    }
}

impl Nic {
    /// Brings an interface up and gives it its receive buffers.
    pub fn new(transport: Transport) -> Result<Self, Fault> {
        const DEFAULT_MTU: usize = 1500;
        let features = transport.negotiate(MTU | MAC | STATUS)?;
        let mac = core::array::from_fn(|at| transport.config::<u8>(at as u64));
        let mtu = if features & MTU != 0 { usize::from(transport.config::<u16>(10)) } else { DEFAULT_MTU };
        let buffer = HEADER + ETHERNET + mtu.max(DEFAULT_MTU);
        let receive = Side::new(transport.queue(0, BUFFERS)?, buffer);
        let transmit = Side::new(transport.queue(1, BUFFERS)?, buffer);
        transport.ready();
        let mut nic = Self { mac, mtu, receive, transmit };
        while nic.receive.queue.has_room(1) {
            nic.offer();
        }
        nic.flush();
        Ok(nic)
    }

    /// Rings the doorbells of the queues that got something.
    pub fn flush(&mut self) {
        self.receive.announce();
        self.transmit.announce();
        self.receive.queue.interrupted();
        self.transmit.queue.interrupted();
    }

    /// Whether received packets wait.
    pub fn has_packets(&self) -> bool {
        self.receive.queue.has_used()
    }

    /// Offers the next free receive buffer.
    fn offer(&mut self) {
        let head = self.receive.queue.next_free();
        let buffer = &mut self.receive.buffers[usize::from(head)];
        let piece = Piece::Write(buffer.as_mut_ptr() as u64, buffer.len() as u32);
        // SAFETY: the buffer lives as long as the queue and is touched only after the chain came back.
        unsafe { self.receive.queue.push(&[piece]) };
        self.receive.to_announce = true;
    }

    fn reclaim(&mut self) {
        while self.transmit.queue.pop().is_some() {}
    }
}

impl Device for Nic {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        self.reclaim();
        if !self.transmit.queue.has_room(1) {
            return None;
        }
        let (head, length) = self.receive.queue.pop()?;
        let packet = self.receive.buffers[usize::from(head)].get(HEADER..length as usize).unwrap_or(&[]).to_vec();
        self.offer();
        Some((Received(packet, core::marker::PhantomData), Sending(&mut self.transmit)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        self.reclaim();
        self.transmit.queue.has_room(1).then_some(Sending(&mut self.transmit))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + ETHERNET;
        capabilities
    }
}

/// A received packet.
pub struct Received<'a>(Vec<u8>, core::marker::PhantomData<&'a ()>);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, use_packet: F) -> R {
        use_packet(&self.0)
    }
}

/// Room for a packet.
pub struct Sending<'a>(&'a mut Side);

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let side = self.0;
        let head = side.queue.next_free();
        let buffer = &mut side.buffers[usize::from(head)];
        buffer[..HEADER].fill(0);
        let result = fill(&mut buffer[HEADER..HEADER + length]);
        let piece = Piece::Read(buffer.as_ptr() as u64, (HEADER + length) as u32);
        // SAFETY: the buffer lives as long as the queue and is written only after the chain came back.
        unsafe { side.queue.push(&[piece]) };
        side.to_announce = true;
        result
    }
}
