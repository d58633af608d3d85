use super::engine::NetEngine;
use super::*;
use crate::sync::lock;
use crate::virtio::chain::RingError;
use crate::virtio::feature;
use crate::virtio::testing::{Driver, NEXT, QUEUE_SIZE as RING, WRITE, active};
use crate::virtio::worker::{Active, Engine, Turn};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Mutex;

const MERGEABLE: u64 = 1 << VIRTIO_NET_F_MRG_RXBUF;
const BUFFER: u64 = 0x1_0000;

/// A tap whose wire is a socket: one datagram a packet.
struct Wire {
    near: UnixDatagram,
    offload: Arc<Mutex<Option<Offload>>>,
}

impl Tap for Wire {
    fn fd(&self) -> BorrowedFd<'_> {
        self.near.as_fd()
    }
    fn set_offload(&self, offload: Offload) -> io::Result<()> {
        *lock(&self.offload) = Some(offload);
        Ok(())
    }
}

struct Rig {
    engine: NetEngine,
    active: Active,
    receive: Driver,
    transmit: Driver,
    far: UnixDatagram,
    counters: Arc<Counters>,
    offload: Arc<Mutex<Option<Offload>>>,
}

fn rig(features: u64) -> Rig {
    let (near, far) = UnixDatagram::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    let receive = Driver::new();
    let transmit = Driver::with_memory(receive.memory.clone(), 1);
    let active = active(&[&receive, &transmit], feature::VERSION_1 | features);
    let (counters, offload) = (Arc::new(Counters::default()), Arc::new(Mutex::new(None)));
    let engine = NetEngine::new(Box::new(Wire { near, offload: offload.clone() }), counters.clone());
    Rig { engine, active, receive, transmit, far, counters, offload }
}

impl Rig {
    fn handle(&mut self, token: u64) -> Result<Turn, RingError> {
        self.engine.handle(&mut self.active, token)
    }

    fn buffer(&mut self, index: u16, length: u32) {
        self.receive.descriptor(index, BUFFER + 0x2000 * u64::from(index), length, WRITE, 0);
        self.receive.offer(index);
    }

    fn arrive(&mut self, packet: &[u8]) {
        self.far.send(&[&[0; HEADER_SIZE], packet].concat()).unwrap();
        self.handle(OWN_TOKENS).unwrap();
    }
}

#[test]
fn a_packet_in_pieces_leaves_whole() {
    let mut rig = rig(0);
    rig.transmit.write(BUFFER, &[&[0; 12][..], b"frame"].concat());
    rig.transmit.descriptor(0, BUFFER, 14, NEXT, 1);
    rig.transmit.descriptor(1, BUFFER + 14, 3, 0, 0);
    rig.transmit.offer(0);
    rig.handle(1).unwrap();
    let mut seen = [0; 99];
    assert_eq!(rig.far.recv(&mut seen).unwrap(), 17);
    assert_eq!(&seen[12..17], b"frame");
    assert_eq!(rig.transmit.used(0), (0, 0));
    assert_eq!((rig.counters.totals().writes, rig.counters.totals().write_bytes), (1, 5));
}

#[test]
fn packets_too_short_or_too_long_are_dropped() {
    let mut rig = rig(0);
    rig.transmit.descriptor(0, BUFFER, 11, 0, 0);
    rig.transmit.descriptor(1, BUFFER, 0x1_0800, 0, 0);
    rig.transmit.offer(0);
    rig.transmit.offer(1);
    rig.handle(1).unwrap();
    assert_eq!((rig.transmit.used_index(), rig.counters.totals().errors), (2, 2));
}

#[test]
fn a_packet_waits_for_a_buffer() {
    let mut rig = rig(0);
    rig.arrive(b"one");
    rig.arrive(b"two");
    assert_eq!(rig.receive.used_index(), 0);
    rig.buffer(0, 2000);
    rig.handle(0).unwrap();
    assert_eq!(rig.receive.used(0), (0, 15));
    assert_eq!(rig.receive.read(BUFFER, 15), [&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0][..], b"one"].concat());
    rig.buffer(1, 2000);
    rig.handle(0).unwrap();
    assert_eq!(rig.receive.read(BUFFER + 0x2000 + 12, 3), b"two");
    assert_eq!(rig.counters.totals().read_bytes, 6);
}

#[test]
fn a_large_packet_is_spread_over_merged_buffers() {
    let mut rig = rig(MERGEABLE);
    let packet: Vec<u8> = (0..2500_u32).map(|n| n as u8).collect();
    rig.buffer(0, 1000);
    rig.buffer(1, 1000);
    rig.arrive(&packet);
    assert_eq!(rig.receive.used_index(), 0);
    rig.buffer(2, 1000);
    rig.handle(0).unwrap();
    assert_eq!([0, 1, 2].map(|n| rig.receive.used(n)), [(0, 1000), (1, 1000), (2, 512)]);
    assert_eq!(rig.receive.read(BUFFER + 10, 2), [3, 0]);
    assert_eq!(rig.receive.read(BUFFER + 0x4000, 512), packet[1988..]);
}

#[test]
fn a_packet_that_fits_no_buffer_is_dropped_and_the_buffer_stays() {
    let mut rig = rig(0);
    rig.buffer(0, 100);
    rig.arrive(&[7; 200]);
    assert_eq!((rig.receive.used_index(), rig.counters.totals().errors), (0, 1));
    rig.arrive(&[8; 20]);
    assert_eq!(rig.receive.used(0), (0, 32));
}

#[test]
fn the_tap_learns_what_the_driver_can_do() {
    for (bits, expected) in [
        (&[][..], Offload::default()),
        (&[VIRTIO_NET_F_GUEST_TSO4], Offload::default()),
        (&[VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4], Offload { checksum: true, tso4: true, tso6: false }),
    ] {
        let mut rig = rig(bits.iter().fold(0, |all, bit| all | 1 << bit));
        rig.engine.start(&mut rig.active);
        assert_eq!(*lock(&rig.offload), Some(expected));
    }
}

#[test]
fn a_flood_lets_others_have_their_turn() {
    let mut rig = rig(0);
    for index in 0..RING {
        rig.buffer(index, 100);
    }
    for _ in 0..3 {
        rig.far.send(&[0; 20]).unwrap();
    }
    assert_eq!(rig.handle(OWN_TOKENS), Ok(Turn::Done));
    assert_eq!(rig.receive.used_index(), 3);
}

proptest::proptest! {
    #[test]
    fn no_ring_makes_it_panic(
        descriptors in proptest::collection::vec((0_u64..0x5_0000, 0_u32..0x2000, 0_u16..8, 0..RING + 2), usize::from(RING)),
        heads in proptest::collection::vec((0..RING + 2, 0_u64..2), 1..20),
        mergeable in proptest::bool::ANY,
    ) {
        let mut rig = rig(if mergeable { MERGEABLE } else { 0 } | feature::TRANSPORT);
        for (index, (address, length, flags, next)) in descriptors.into_iter().enumerate() {
            rig.receive.descriptor(index as u16, address, length, flags, next);
            rig.transmit.descriptor(index as u16, address, length, flags, next);
        }
        for (head, queue) in heads {
            rig.far.send(&[3; 700]).ok();
            if queue == 0 { rig.receive.offer(head) } else { rig.transmit.offer(head) }
            if rig.handle(queue).is_err() {
                break;
            }
        }
    }
}
