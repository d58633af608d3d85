//! A split virtqueue in use: takes chains from the guest, gives them back, and knows when to interrupt.

use super::chain::{Chain, RingError, Segment};
use super::feature;
use std::num::Wrapping;
use std::sync::atomic::{Ordering, fence};
use virtio_bindings::virtio_ring::{
    VRING_AVAIL_F_NO_INTERRUPT, VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE,
};
use virtio_queue::desc::split::Descriptor;
use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::{Address, Bytes, GuestAddress};
use vmm_sys::memory::GuestMemory;

/// The most descriptors that a chain may have, whatever the size of its indirect table.
const MAX_DESCRIPTORS: u32 = 1024;
const DESCRIPTOR_SIZE: u32 = 16;

/// Place of the index in the used ring, of its first entry, and an entry's size.
const USED_INDEX: u64 = 2;
const USED_HEADER: u64 = 4;
const USED_ENTRY: u64 = 8;

/// What the guest set up for a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingLayout {
    /// Number of descriptors.
    pub size: u16,
    /// Descriptor table.
    pub descriptors: u64,
    /// Available ring (driver area).
    pub available: u64,
    /// Used ring (device area).
    pub used: u64,
}

/// What becomes of a chain that [`Ring::drain`] offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done; the device wrote this many bytes.
    Used(u32),
    /// It is done, and the device has pushed it already.
    Pushed,
    /// It cannot be served now and stays in the ring; the drain ends.
    Later,
}

/// How a [`Ring::drain`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// The guest offered nothing more, and will notify when it does.
    Empty,
    /// A chain was put back.
    Later,
    /// The budget is used up: call again soon, others first.
    More,
}

/// One queue between activation and reset.
pub struct Ring {
    queue: Queue,
    indirect: bool,
    /// Where the next used entry goes; all before it are visible to the guest.
    next_used: Wrapping<u16>,
    /// Entries written from there on that are not visible yet.
    staged: u16,
    /// What `next_used` was when the guest was last asked whether it wants an interrupt.
    signalled: Wrapping<u16>,
}

impl Ring {
    /// A queue as the guest laid it out, `features` negotiated.
    ///
    /// # Errors
    /// When size, alignment or place are wrong.
    pub fn new(memory: &GuestMemory, layout: RingLayout, max_size: u16, features: u64) -> Result<Self, RingError> {
        let mut queue = Queue::new(max_size).map_err(|_| RingError::Ring)?;
        let set = queue
            .try_set_size(layout.size)
            .and_then(|()| queue.try_set_desc_table_address(GuestAddress(layout.descriptors)))
            .and_then(|()| queue.try_set_avail_ring_address(GuestAddress(layout.available)))
            .and_then(|()| queue.try_set_used_ring_address(GuestAddress(layout.used)));
        set.map_err(|_| RingError::Ring)?;
        queue.set_event_idx(features & feature::EVENT_IDX != 0);
        queue.set_ready(true);
        let ring = Self {
            queue,
            indirect: features & feature::INDIRECT_DESC != 0,
            next_used: Wrapping(0),
            staged: 0,
            signalled: Wrapping(0),
        };
        if layout.available != 0 && ring.queue.is_valid(memory) { Ok(ring) } else { Err(RingError::Ring) }
    }

    /// Takes the next chain into `chain`; `false` when the guest offers none.
    ///
    /// # Errors
    /// When the guest broke the rules.
    pub fn pop(&mut self, memory: &GuestMemory, chain: &mut Chain) -> Result<bool, RingError> {
        let mut available = self.queue.iter(memory).map_err(|_| RingError::Ring)?;
        let Some(offered) = available.next() else { return Ok(false) };
        chain.head = offered.head_index();
        self.walk(memory, chain)?;
        Ok(true)
    }

    /// Undoes the last [`Ring::pop`].
    pub fn unpop(&mut self) {
        self.queue.go_to_previous_position();
    }

    /// Gives a chain back with the number of bytes that the device wrote.
    ///
    /// # Errors
    /// When the used ring cannot be written.
    pub fn push(&mut self, memory: &GuestMemory, head: u16, written: u32) -> Result<(), RingError> {
        self.stage(memory, head, written)?;
        self.publish(memory)
    }

    /// Writes a used entry that the guest sees with the next [`Ring::publish`]: chains that belong together (the buffers of one
    /// received packet, virtio 1.2, section 5.1.6.4) must become visible together, because the guest looks at any time.
    ///
    /// # Errors
    /// When the used ring cannot be written.
    pub fn stage(&mut self, memory: &GuestMemory, head: u16, written: u32) -> Result<(), RingError> {
        let slot = (self.next_used + Wrapping(self.staged)).0 % self.queue.size();
        let entry = [u32::from(head).to_le(), written.to_le()];
        let place = self.used_place(USED_HEADER + USED_ENTRY * u64::from(slot))?;
        memory.write_obj(entry, place).map_err(|_| RingError::Ring)?;
        self.staged += 1;
        Ok(())
    }

    /// Makes all staged entries visible at once.
    ///
    /// # Errors
    /// When the used ring cannot be written.
    pub fn publish(&mut self, memory: &GuestMemory) -> Result<(), RingError> {
        self.next_used += self.staged;
        self.staged = 0;
        let place = self.used_place(USED_INDEX)?;
        memory.store(self.next_used.0.to_le(), place, Ordering::Release).map_err(|_| RingError::Ring)
    }

    fn used_place(&self, offset: u64) -> Result<GuestAddress, RingError> {
        GuestAddress(self.queue.used_ring()).checked_add(offset).ok_or(RingError::Ring)
    }

    /// Whether the guest wants an interrupt for what was published since the last call (virtio 1.2, section 2.7.7.2).
    ///
    /// # Errors
    /// When the rings cannot be read.
    pub fn needs_interrupt(&mut self, memory: &GuestMemory) -> Result<bool, RingError> {
        let before = std::mem::replace(&mut self.signalled, self.next_used);
        // What was published must be visible before the guest's wish is read.
        fence(Ordering::SeqCst);
        let available = GuestAddress(self.queue.avail_ring());
        let wish = if self.queue.event_idx_enabled() { 4 + 2 * u64::from(self.queue.size()) } else { 0 };
        let place = available.checked_add(wish).ok_or(RingError::Ring)?;
        let wish = u16::from_le(memory.load(place, Ordering::Relaxed).map_err(|_| RingError::Ring)?);
        if self.queue.event_idx_enabled() {
            let passed = self.next_used - Wrapping(wish) - Wrapping(1);
            return Ok(passed < self.next_used - before);
        }
        Ok(before != self.next_used && u32::from(wish) & VRING_AVAIL_F_NO_INTERRUPT == 0)
    }

    /// Asks the guest to notify again; `true` when chains came in meanwhile.
    ///
    /// # Errors
    /// When the rings cannot be accessed.
    pub fn enable_notification(&mut self, memory: &GuestMemory) -> Result<bool, RingError> {
        self.queue.enable_notification(memory).map_err(|_| RingError::Ring)
    }

    /// Tells the guest that it need not notify.
    ///
    /// # Errors
    /// When the rings cannot be accessed.
    pub fn disable_notification(&mut self, memory: &GuestMemory) -> Result<(), RingError> {
        self.queue.disable_notification(memory).map_err(|_| RingError::Ring)
    }

    /// Serves chains until there are none, one must wait, or two rounds of the ring are done. The caller interrupts.
    ///
    /// # Errors
    /// Those of the ring and of `serve`.
    pub fn drain(
        &mut self,
        memory: &GuestMemory,
        chain: &mut Chain,
        mut serve: impl FnMut(&mut Self, &Chain) -> Result<Outcome, RingError>,
    ) -> Result<Drained, RingError> {
        let mut budget = 2 * u32::from(self.queue.size());
        loop {
            self.disable_notification(memory)?;
            while budget > 0 && self.pop(memory, chain)? {
                match serve(self, chain)? {
                    Outcome::Used(written) => self.push(memory, chain.head, written)?,
                    Outcome::Pushed => {}
                    Outcome::Later => {
                        self.unpop();
                        return Ok(Drained::Later);
                    }
                }
                budget -= 1;
            }
            if budget == 0 {
                return Ok(Drained::More);
            }
            if !self.enable_notification(memory)? {
                return Ok(Drained::Empty);
            }
        }
    }

    /// Reads the chain from `chain.head` on into its segments, each descriptor once.
    fn walk(&self, memory: &GuestMemory, chain: &mut Chain) -> Result<(), RingError> {
        chain.readable.clear();
        chain.writable.clear();
        let mut table = Table { base: self.queue.desc_table(), size: self.queue.size().into(), indirect: false };
        let (mut index, mut budget, mut total) = (u32::from(chain.head), table.size, 0_u32);
        loop {
            budget = budget.checked_sub(1).ok_or(RingError::Loop)?;
            let descriptor = table.read(memory, index)?;
            let flags = u32::from(descriptor.flags());
            if flags & VRING_DESC_F_INDIRECT != 0 {
                table = table.enter(descriptor, self.indirect)?;
                (index, budget) = (0, table.size);
                continue;
            }
            total = total.checked_add(descriptor.len()).ok_or(RingError::Buffer)?;
            let segment = Segment { address: descriptor.addr().raw_value(), length: descriptor.len() };
            if flags & VRING_DESC_F_WRITE != 0 {
                chain.writable.push(segment);
            } else if chain.writable.is_empty() {
                chain.readable.push(segment);
            } else {
                return Err(RingError::Order);
            }
            if flags & VRING_DESC_F_NEXT == 0 {
                return Ok(());
            }
            index = descriptor.next().into();
        }
    }
}

/// A descriptor table: the queue's own, or an indirect one.
#[derive(Clone, Copy)]
struct Table {
    base: u64,
    size: u32,
    indirect: bool,
}

impl Table {
    fn read(&self, memory: &GuestMemory, index: u32) -> Result<Descriptor, RingError> {
        let offset = u64::from(index) * u64::from(DESCRIPTOR_SIZE);
        let address = self.base.checked_add(offset).filter(|_| index < self.size).ok_or(RingError::Index)?;
        memory.read_obj(GuestAddress(address)).map_err(|_| RingError::Buffer)
    }

    /// The indirect table that `descriptor` names (virtio 1.2, section 2.7.5.3).
    fn enter(self, descriptor: Descriptor, negotiated: bool) -> Result<Self, RingError> {
        let successor = u32::from(descriptor.flags()) & VRING_DESC_F_NEXT != 0;
        let size = descriptor.len() / DESCRIPTOR_SIZE;
        let whole = descriptor.len().is_multiple_of(DESCRIPTOR_SIZE) && (1..=MAX_DESCRIPTORS).contains(&size);
        if self.indirect || !negotiated || successor || !whole {
            return Err(RingError::Indirect);
        }
        Ok(Self { base: descriptor.addr().raw_value(), size, indirect: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtio::testing::{Driver, NEXT, QUEUE_SIZE, WRITE};

    const INDIRECT: u16 = VRING_DESC_F_INDIRECT as u16;

    fn pop(driver: &mut Driver) -> Result<Option<Chain>, RingError> {
        let (mut ring, mut chain) = (driver.ring(feature::TRANSPORT), Chain::default());
        ring.pop(&driver.memory, &mut chain).map(|some| some.then_some(chain))
    }

    #[test]
    fn a_chain_is_split_into_its_two_parts() {
        let mut driver = Driver::new();
        assert!(pop(&mut driver).unwrap().is_none());
        driver.descriptor(3, 0x5000, 16, NEXT, 1);
        driver.descriptor(1, 0x6000, 512, NEXT | WRITE, 0);
        driver.descriptor(0, 0x7000, 1, WRITE, 0);
        driver.offer(3);
        let chain = pop(&mut driver).unwrap().unwrap();
        assert_eq!((chain.head, chain.readable_len(), chain.writable_len()), (3, 16, 513));
    }

    #[test]
    fn an_indirect_table_counts_as_the_chain() {
        let mut driver = Driver::new();
        driver.descriptor(0, 0x8000, 32, INDIRECT, 0);
        driver.raw_descriptor(0x8000, 0x5000, 16, NEXT, 1);
        driver.raw_descriptor(0x8010, 0x6000, 8, WRITE, 0);
        driver.offer(0);
        let chain = pop(&mut driver).unwrap().unwrap();
        assert_eq!((chain.readable_len(), chain.writable_len()), (16, 8));
        let (mut ring, mut chain) = (driver.ring(feature::VERSION_1), Chain::default());
        assert_eq!(ring.pop(&driver.memory, &mut chain), Err(RingError::Indirect));
    }

    #[test]
    fn broken_chains_are_told_apart() {
        type Break = fn(&mut Driver);
        let cases: [(Break, RingError); 9] = [
            (|d| d.descriptor(0, 0x5000, 1, NEXT, 0), RingError::Loop),
            (|d| d.descriptor(0, 0x5000, 1, NEXT, QUEUE_SIZE), RingError::Index),
            (|d| d.descriptor(0, 0x8000, 17, INDIRECT, 0), RingError::Indirect),
            (|d| d.descriptor(0, 0x8000, 0, INDIRECT, 0), RingError::Indirect),
            (|d| d.descriptor(0, 0x8000, 16, INDIRECT | NEXT, 1), RingError::Indirect),
            (|d| d.descriptor(0, u64::MAX - 15, 32, INDIRECT, 0), RingError::Buffer),
            (
                |d| {
                    d.descriptor(0, 0x8000, 16, INDIRECT, 0);
                    d.raw_descriptor(0x8000, 0x8000, 16, INDIRECT, 0);
                },
                RingError::Indirect,
            ),
            (
                |d| {
                    d.descriptor(0, 0x5000, 1, NEXT | WRITE, 1);
                    d.descriptor(1, 0x5000, 1, 0, 0);
                },
                RingError::Order,
            ),
            (
                |d| {
                    d.descriptor(0, 0x5000, u32::MAX, NEXT, 1);
                    d.descriptor(1, 0x5000, 1, 0, 0);
                },
                RingError::Buffer,
            ),
        ];
        for (number, (break_it, expected)) in cases.into_iter().enumerate() {
            let mut driver = Driver::new();
            break_it(&mut driver);
            driver.offer(0);
            assert_eq!(pop(&mut driver).map(|c| c.is_some()), Err(expected), "case {number}");
        }
    }

    #[test]
    fn an_index_that_ran_away_is_refused() {
        let mut driver = Driver::new();
        driver.set_available_index(QUEUE_SIZE + 1);
        assert_eq!(pop(&mut driver).map(|c| c.is_some()), Err(RingError::Ring));
        let mut driver = Driver::new();
        driver.offer(QUEUE_SIZE);
        assert_eq!(pop(&mut driver).map(|c| c.is_some()), Err(RingError::Index));
    }

    #[test]
    fn a_layout_outside_memory_is_refused() {
        let driver = Driver::new();
        let good = driver.layout();
        let broken = [
            RingLayout { size: 3, ..good },
            RingLayout { size: 2 * QUEUE_SIZE, ..good },
            RingLayout { size: 0, ..good },
            RingLayout { descriptors: 8, ..good },
            RingLayout { available: 0, ..good },
            RingLayout { used: u64::MAX - 3, ..good },
            RingLayout { descriptors: 1 << 40, ..good },
        ];
        for layout in broken {
            assert!(Ring::new(&driver.memory, layout, QUEUE_SIZE, 0).is_err(), "{layout:?}");
        }
        assert!(Ring::new(&driver.memory, good, QUEUE_SIZE, 0).is_ok());
    }

    #[test]
    fn the_guest_can_switch_interrupts_off_without_event_index() {
        let mut driver = Driver::new();
        let mut ring = driver.ring(feature::VERSION_1);
        assert_eq!(ring.needs_interrupt(&driver.memory), Ok(false));
        ring.push(&driver.memory, 0, 0).unwrap();
        assert_eq!(ring.needs_interrupt(&driver.memory), Ok(true));
        driver.set_available_flags(1);
        ring.push(&driver.memory, 0, 0).unwrap();
        assert_eq!(ring.needs_interrupt(&driver.memory), Ok(false));
    }

    #[test]
    fn the_guest_names_the_entry_that_it_wants_to_hear_of() {
        let mut driver = Driver::new();
        let mut ring = driver.ring(feature::TRANSPORT);
        let mut interrupts = |ring: &mut Ring, wish: u16, count: u16| {
            driver.set_used_event(wish);
            (0..count).for_each(|_| ring.push(&driver.memory, 0, 0).unwrap());
            ring.needs_interrupt(&driver.memory).unwrap()
        };
        // The wish is an index; the entry there makes the interrupt, whatever comes before and after in one batch.
        assert!(interrupts(&mut ring, 0, 1));
        assert!(!interrupts(&mut ring, 0, 1));
        assert!(interrupts(&mut ring, 4, 4));
        assert!(!interrupts(&mut ring, 9, 3));
        assert!(interrupts(&mut ring, 9, 1));
        assert!(!interrupts(&mut ring, 9, 0));
    }

    #[test]
    fn staged_chains_become_visible_together() {
        let driver = Driver::new();
        let mut ring = driver.ring(0);
        for head in [3, 1, 2] {
            ring.stage(&driver.memory, head, u32::from(head) * 10).unwrap();
            assert_eq!(driver.used_index(), 0);
        }
        ring.publish(&driver.memory).unwrap();
        assert_eq!((driver.used_index(), [0, 1, 2].map(|n| driver.used(n))), (3, [(3, 30), (1, 10), (2, 20)]));
    }

    #[test]
    fn a_chain_put_back_is_offered_again() {
        let mut driver = Driver::new();
        driver.descriptor(0, 0x5000, 1, 0, 0);
        driver.offer(0);
        driver.offer(0);
        let (mut ring, mut chain) = (driver.ring(0), Chain::default());
        let mut seen = 0;
        let end = ring.drain(&driver.memory, &mut chain, |_, _| {
            seen += 1;
            Ok(if seen == 1 { Outcome::Used(0) } else { Outcome::Later })
        });
        assert_eq!((end, seen, driver.used_index()), (Ok(Drained::Later), 2, 1));
        let end = ring.drain(&driver.memory, &mut chain, |_, _| Ok(Outcome::Used(7)));
        assert_eq!((end, driver.used(1)), (Ok(Drained::Empty), (0, 7)));
    }
}
