//! A split queue (virtio 1.2, 2.7) whose chains are direct.

use crate::memory::{Registers, leak_zeroed};
use crate::ring0;
use alloc::vec::Vec;
use core::sync::atomic::{Ordering, fence};

const NEXT: u16 = 1;
const WRITE: u16 = 2;

/// A piece of a chain.
#[derive(Clone, Copy)]
pub enum Piece {
    /// The device reads it.
    Read(u64, u32),
    /// The device writes it.
    Write(u64, u32),
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Descriptor {
    address: u64,
    length: u32,
    flags: u16,
    next: u16,
}

/// A queue that the device knows.
pub struct Queue {
    index: u16,
    size: u16,
    vector: u8,
    doorbell: (Registers, u64),
    descriptors: *mut Descriptor,
    available: *mut u16,
    used: *mut u16,
    free: Vec<u16>,
    next_used: u16,
}

impl Queue {
    pub(super) fn new(index: u16, size: u16, vector: u8, doorbell: (Registers, u64)) -> Self {
        let size = if size.is_power_of_two() { size } else { size.next_power_of_two() / 2 };
        let entries = usize::from(size);
        Self {
            index,
            size,
            vector,
            doorbell,
            descriptors: leak_zeroed(16 * entries, 16).cast(),
            available: leak_zeroed(6 + 2 * entries, 2).cast(),
            used: leak_zeroed(6 + 8 * entries, 4).cast(),
            free: (0..size).rev().collect(),
            next_used: 0,
        }
    }

    /// How many descriptors it has.
    pub fn size(&self) -> u16 {
        self.size
    }

    pub(super) fn addresses(&self) -> [u64; 3] {
        [self.descriptors as u64, self.available as u64, self.used as u64]
    }

    /// Whether its interrupt came since the last call.
    pub fn interrupted(&self) -> bool {
        ring0::take(self.vector)
    }

    /// Whether a chain of so many pieces fits.
    pub fn has_room(&self, pieces: usize) -> bool {
        self.free.len() >= pieces
    }

    /// The head that the next chain will have; there must be room.
    pub fn next_free(&self) -> u16 {
        *self.free.last().expect("callers check for room")
    }

    /// Offers a chain; returns its head, by which [`Queue::pop`] names it. The device is not told yet.
    ///
    /// # Safety
    /// The pieces' memory belongs to the device until the chain comes back.
    pub unsafe fn push(&mut self, pieces: &[Piece]) -> u16 {
        assert!(!pieces.is_empty() && self.has_room(pieces.len()));
        let chain: Vec<u16> = pieces.iter().map(|_| self.free.pop().expect("room was checked")).collect();
        for (at, piece) in pieces.iter().enumerate() {
            let next = chain.get(at + 1).copied();
            let (address, length, access) = match *piece {
                Piece::Read(address, length) => (address, length, 0),
                Piece::Write(address, length) => (address, length, WRITE),
            };
            let flags = access | if next.is_some() { NEXT } else { 0 };
            let descriptor = Descriptor { address, length, flags, next: next.unwrap_or(0) };
            // SAFETY: the index is below the size.
            unsafe { self.descriptors.add(usize::from(chain[at])).write_volatile(descriptor) };
        }
        // SAFETY: the ring has `size` entries after its two words.
        unsafe {
            let index = self.available.add(1);
            let now = index.read_volatile();
            self.available.add(2 + usize::from(now % self.size)).write_volatile(chain[0]);
            fence(Ordering::Release);
            index.write_volatile(now.wrapping_add(1));
        }
        chain[0]
    }

    /// Tells the device about new chains, unless it asked not to be told.
    pub fn notify(&self) {
        fence(Ordering::SeqCst);
        // SAFETY: the used ring's flags are its first word.
        if unsafe { self.used.read_volatile() } & 1 == 0 {
            self.doorbell.0.write(self.doorbell.1, self.index);
        }
    }

    /// Whether the device has given a chain back that was not taken yet.
    pub fn has_used(&self) -> bool {
        // SAFETY: the used ring's index is its second word.
        unsafe { self.used.add(1).read_volatile() != self.next_used }
    }

    /// Takes a chain back: its head and how many bytes the device wrote.
    pub fn pop(&mut self) -> Option<(u16, u32)> {
        if !self.has_used() {
            return None;
        }
        fence(Ordering::Acquire);
        let at = usize::from(self.next_used % self.size);
        // SAFETY: the ring has `size` entries of two 32-bit words after its two 16-bit words.
        let (head, length) = unsafe {
            let entry = self.used.add(2).cast::<u32>().add(2 * at);
            (entry.read_volatile() as u16, entry.add(1).read_volatile())
        };
        assert!(head < self.size, "the device gave back a chain that does not exist");
        self.next_used = self.next_used.wrapping_add(1);
        self.release(head);
        Some((head, length))
    }

    fn release(&mut self, head: u16) {
        let mut at = head;
        loop {
            self.free.push(at);
            assert!(self.free.len() <= usize::from(self.size), "the device gave a chain back twice");
            // SAFETY: the index is below the size: this program wrote the chain.
            let descriptor = unsafe { self.descriptors.add(usize::from(at)).read_volatile() };
            if descriptor.flags & NEXT == 0 {
                return;
            }
            at = descriptor.next;
        }
    }
}
