use super::common::status;
use super::*;
use crate::bus::MmioDevice;
use crate::pci::msix::tests::FakeVector;
use crate::poll::Placement;
use crate::sync::lock;
use crate::virtio::chain::{Chain, RingError};
use crate::virtio::ring::Outcome;
use crate::virtio::testing::{Driver, QUEUE_SIZE};
use crate::virtio::worker::{Active, Engine, Turn, Worker};
use crate::virtio::{DeviceType, feature};
use std::sync::Mutex;
use vmm_sys::interrupt::MsiVector;
use vmm_sys_util::eventfd::EventFd;

struct Swallow;

impl Engine for Swallow {
    fn handle(&mut self, active: &mut Active, token: u64) -> Result<Turn, RingError> {
        let Some(Some(ring)) = active.rings.get_mut(token as usize) else { return Ok(Turn::Done) };
        ring.drain(&active.memory, &mut Chain::default(), |_, _| Ok(Outcome::Used(0)))?;
        active.signal(token as usize)?;
        Ok(Turn::Done)
    }
}

struct TestDevice(Arc<Worker<Swallow>>);

impl VirtioDevice for TestDevice {
    fn id(&self) -> &str {
        "test"
    }
    fn device_type(&self) -> DeviceType {
        DeviceType::Block
    }
    fn features(&self) -> u64 {
        1 << 5
    }
    fn queue_sizes(&self) -> &[u16] {
        &[QUEUE_SIZE, QUEUE_SIZE]
    }
    fn read_config(&self, offset: usize, data: &mut [u8]) {
        crate::virtio::read_structure(b"config", offset, data);
    }
    fn backend(&self) -> Arc<dyn Backend> {
        self.0.clone()
    }
}

#[derive(Default)]
struct Router(Mutex<Vec<Arc<FakeVector>>>);

impl MsiRouter for Router {
    fn allocate(&self, count: u16) -> io::Result<Vec<Arc<dyn MsiVector>>> {
        let vectors: Vec<_> = (0..count).map(|_| FakeVector::new()).collect();
        *lock(&self.0) = vectors.clone();
        Ok(vectors.into_iter().map(|vector| vector as Arc<dyn MsiVector>).collect())
    }
}

#[derive(Default)]
struct Bells(Mutex<Vec<u64>>);

impl Doorbells for Bells {
    fn register(&self, doorbell: DoorbellMatch, _event: &EventFd) -> io::Result<()> {
        lock(&self.0).push(doorbell.address);
        Ok(())
    }
    fn unregister(&self, doorbell: DoorbellMatch, _event: &EventFd) -> io::Result<()> {
        lock(&self.0).retain(|address| *address != doorbell.address);
        Ok(())
    }
}

struct Rig {
    pci: VirtioPci,
    driver: Driver,
    router: Router,
    bells: Arc<Bells>,
}

fn rig() -> Rig {
    let (driver, router, bells) = (Driver::new(), Router::default(), Arc::new(Bells::default()));
    let device = TestDevice(Worker::new("test", Placement::Shared, 2, Vec::new(), Swallow).unwrap());
    let pci = VirtioPci::new(Box::new(device), driver.memory.clone(), &router, bells.clone()).unwrap();
    Rig { pci, driver, router, bells }
}

impl Rig {
    fn read(&mut self, offset: u64, length: usize) -> u64 {
        let mut data = [0; 8];
        self.pci.read(offset, &mut data[..length]);
        u64::from_le_bytes(data)
    }

    fn write(&mut self, offset: u64, value: u64, length: usize) {
        self.pci.write(offset, &value.to_le_bytes()[..length]);
    }

    fn negotiate(&mut self, features: u64) -> u64 {
        self.write(0x14, 1 | 2, 1);
        for select in 0..2 {
            self.write(0x08, select, 4);
            self.write(0x0c, features >> (32 * select) & 0xffff_ffff, 4);
        }
        self.write(0x14, 1 | 2 | 8, 1);
        self.read(0x14, 1)
    }

    fn set_up_queue(&mut self) {
        let layout = self.driver.layout();
        self.write(0x16, 0, 2);
        self.write(0x18, layout.size.into(), 2);
        self.write(0x20, layout.descriptors, 4);
        self.write(0x24, 0, 4);
        self.write(0x28, layout.available, 8);
        self.write(0x30, layout.used, 8);
        self.write(0x1c, 1, 2);
    }

    fn start(&mut self) {
        assert_eq!(self.negotiate(feature::VERSION_1), 11);
        self.set_up_queue();
        self.write(0x14, 15, 1);
    }
}

#[test]
fn the_capability_list_leads_to_all_structures() {
    let mut rig = rig();
    let mut found = Vec::new();
    let mut at = [0; 1];
    rig.pci.read_config(0x34, &mut at);
    while at[0] != 0 {
        let mut head = [0; 4];
        rig.pci.read_config(at[0].into(), &mut head);
        found.push((head[0], if head[0] == 9 { head[3] } else { 0 }));
        at = [head[1]];
    }
    assert_eq!(found, [(0x11, 0), (9, 1), (9, 3), (9, 4), (9, 2), (9, 5)]);
}

#[test]
fn a_driver_must_accept_version_1_and_nothing_unknown() {
    for (accepted, good) in [(1 << 32, true), (1 << 32 | 1 << 5, true), (1 << 5, false), (1 << 32 | 1 << 7, false)] {
        assert_eq!(rig().negotiate(accepted) & 8 != 0, good, "{accepted:#x}");
    }
    let mut rig = rig();
    rig.write(0x00, 1, 4);
    assert_eq!(rig.read(0x04, 4), 1);
    rig.write(0x00, 2, 4);
    assert_eq!(rig.read(0x04, 4), 0);
}

#[test]
fn a_kick_is_served_and_interrupts() {
    let mut rig = rig();
    rig.pci.write_config(rig.pci.msix_control, &0x8000_u16.to_le_bytes());
    for (at, value) in [(0, 0xfee0_0000), (4, 0), (8, 0x31), (12, 0)] {
        rig.write(0x4010 + at, value, 4);
    }
    rig.write(0x16, 0, 2);
    rig.write(0x1a, 1, 2);
    assert_eq!(rig.read(0x1a, 2), 1);
    rig.start();
    rig.driver.descriptor(2, 0x9000, 4, 0, 0);
    rig.driver.offer(2);
    rig.write(0x3000, 0, 2);
    assert!(rig.pci.backend.kicks()[0].read().is_ok());
    rig.pci.backend.handle(0);
    assert_eq!(rig.driver.used(0), (2, 0));
    assert_eq!(lock(&rig.router.0)[1].count(), 1);
    assert_eq!((rig.read(0x1000, 1), rig.read(0x1000, 1)), (1, 0));
}

#[test]
fn a_broken_ring_asks_for_a_reset_and_recovers_by_it() {
    let mut rig = rig();
    rig.start();
    rig.driver.set_available_index(100);
    rig.pci.backend.handle(0);
    assert_eq!(rig.read(0x14, 1) as u8, 15 | status::NEEDS_RESET);
    rig.write(0x14, 0, 1);
    assert_eq!(rig.read(0x14, 1), 0);
    rig.driver.set_available_index(0);
    rig.start();
    assert_eq!(rig.read(0x14, 1), 15);
}

#[test]
fn queues_outside_memory_never_start() {
    let mut rig = rig();
    rig.negotiate(feature::VERSION_1);
    rig.write(0x16, 1, 2);
    rig.write(0x20, 1 << 40, 8);
    rig.write(0x1c, 1, 2);
    rig.write(0x14, 15, 1);
    assert_eq!(rig.read(0x14, 1) as u8, 15 | status::NEEDS_RESET);
}

#[test]
fn doorbells_follow_the_bar() {
    let mut rig = rig();
    rig.pci.bar_moved(Some(0xc000_0000));
    assert_eq!(*lock(&rig.bells.0), [0xc000_3000, 0xc000_3004]);
    rig.pci.bar_moved(Some(0xd000_0000));
    assert_eq!(*lock(&rig.bells.0), [0xd000_3000, 0xd000_3004]);
    let bells = rig.bells.clone();
    drop(rig);
    assert!(lock(&bells.0).is_empty());
}

#[test]
fn firmware_reaches_registers_through_configuration_space() {
    let mut rig = rig();
    let window = 0x90;
    let mut head = [0; 4];
    rig.pci.read_config(window, &mut head);
    assert_eq!((head[0], head[3]), (9, 5));
    rig.pci.write_config(window + 8, &0x2000_u32.to_le_bytes());
    rig.pci.write_config(window + 12, &4_u32.to_le_bytes());
    let mut data = [0; 4];
    rig.pci.read_config(window + 16, &mut data);
    assert_eq!(&data, b"conf");
    rig.pci.write_config(window + 8, &0x0000_u32.to_le_bytes());
    rig.pci.write_config(window + 16, &1_u32.to_le_bytes());
    assert_eq!(rig.read(0x00, 4), 1);
    rig.pci.write_config(window + 8, &0xffff_fffc_u32.to_le_bytes());
    rig.pci.read_config(window + 16, &mut data);
    rig.pci.write_config(window + 16, &data);
}

proptest::proptest! {
    #[test]
    fn no_register_access_panics(
        accesses in proptest::collection::vec((0_u64..0x8000, 0_usize..4, proptest::prelude::any::<u64>(), proptest::bool::ANY), 0..200)
    ) {
        let mut rig = rig();
        for (offset, size, value, write) in accesses {
            let length = 1 << size;
            if write {
                rig.write(offset, value, length);
            } else {
                rig.read(offset, length);
            }
            rig.pci.backend.handle(value & 3);
        }
    }

    #[test]
    fn no_configuration_access_panics(
        accesses in proptest::collection::vec((0_usize..64, 0_usize..3, proptest::prelude::any::<u32>(), proptest::bool::ANY), 0..200)
    ) {
        let mut rig = rig();
        for (word, size, value, write) in accesses {
            let mut data = value.to_le_bytes();
            if write {
                rig.pci.write_config(word * 4, &data[..1 << size]);
            } else {
                rig.pci.read_config(word * 4, &mut data[..1 << size]);
            }
        }
    }
}
