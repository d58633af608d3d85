//! MSI-X: the table of messages, the pending bits, and the triggering of vectors.
//!
//! ```text
//! trigger: enabled and unmasked -> MsiVector::trigger      masked -> pending bit, delivered when it is unmasked
//! ```

use crate::sync::lock;
use std::sync::{Arc, Mutex};
use vmm_sys::interrupt::{MsiMessage, MsiVector};

/// Capability id.
pub const CAPABILITY: u8 = 0x11;
/// The vector number that means none.
pub const NO_VECTOR: u16 = 0xffff;

const ENTRY_SIZE: usize = 16;
const CONTROL_ENABLE: u16 = 1 << 15;
const CONTROL_MASK_ALL: u16 = 1 << 14;
const ENTRY_MASKED: u32 = 1;

struct Entry {
    message: MsiMessage,
    control: u32,
    pending: bool,
    vector: Arc<dyn MsiVector>,
    programmed: Option<MsiMessage>,
}

struct State {
    entries: Vec<Entry>,
    enabled: bool,
    masked: bool,
}

/// The interrupts of one function. The configuration path and the workers share it.
pub struct Msix(Mutex<State>);

impl Msix {
    /// A table with an entry per vector, all masked.
    pub fn new(vectors: Vec<Arc<dyn MsiVector>>) -> Self {
        let entries = vectors
            .into_iter()
            .map(|vector| Entry {
                message: MsiMessage::default(),
                control: ENTRY_MASKED,
                pending: false,
                vector,
                programmed: None,
            })
            .collect();
        Self(Mutex::new(State { entries, enabled: false, masked: false }))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        lock(&self.0).entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The capability's body for a table at `table` and pending bits at `pending` of BAR 0, and its writable bits.
    pub fn capability(&self, table: u32, pending: u32) -> ([u8; 10], [u8; 2]) {
        let mut body = [0; 10];
        let last = self.len().saturating_sub(1) as u16;
        body[..2].copy_from_slice(&last.to_le_bytes());
        body[2..6].copy_from_slice(&table.to_le_bytes());
        body[6..].copy_from_slice(&pending.to_le_bytes());
        (body, (CONTROL_ENABLE | CONTROL_MASK_ALL).to_le_bytes())
    }

    /// The guest wrote the capability's message control.
    pub fn set_control(&self, control: u16) {
        let mut state = lock(&self.0);
        state.enabled = control & CONTROL_ENABLE != 0;
        state.masked = control & CONTROL_MASK_ALL != 0;
        state.deliver();
    }

    /// Whether the guest uses MSI-X.
    pub fn enabled(&self) -> bool {
        lock(&self.0).enabled
    }

    /// Raises a vector, now or when it is unmasked. Vectors that do not exist ([`NO_VECTOR`]) raise nothing.
    pub fn trigger(&self, vector: u16) {
        let mut state = lock(&self.0);
        let live = state.enabled && !state.masked;
        let Some(entry) = state.entries.get_mut(usize::from(vector)) else {
            return;
        };
        if live && entry.control & ENTRY_MASKED == 0 {
            entry.fire();
        } else {
            entry.pending = true;
        }
    }

    /// A guest's read of the table.
    pub fn read_table(&self, offset: u64, data: &mut [u8]) {
        let state = lock(&self.0);
        let (index, within) = position(offset);
        let Some(entry) = state.entries.get(index) else { return };
        let bytes = entry.bytes();
        if let Some(part) = bytes.get(within..within + data.len()) {
            data.copy_from_slice(part);
        }
    }

    /// A guest's write to the table: aligned double or quad words.
    pub fn write_table(&self, offset: u64, data: &[u8]) {
        let mut state = lock(&self.0);
        let (index, within) = position(offset);
        let Some(entry) = state.entries.get_mut(index) else {
            return;
        };
        let mut bytes = entry.bytes();
        if !matches!(data.len(), 4 | 8) || within % data.len() != 0 {
            return;
        }
        bytes[within..within + data.len()].copy_from_slice(data);
        entry.set_bytes(bytes);
        state.deliver();
    }

    /// A guest's read of the pending bits.
    pub fn read_pending(&self, offset: u64, data: &mut [u8]) {
        let state = lock(&self.0);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        for (at, byte) in data.iter_mut().enumerate() {
            let first = start.saturating_add(at).saturating_mul(8);
            let entries = state.entries.iter().skip(first).take(8).enumerate();
            *byte = entries.fold(0, |bits, (bit, entry)| bits | u8::from(entry.pending) << bit);
        }
    }

    /// The state at power-on.
    pub fn reset(&self) {
        let mut state = lock(&self.0);
        (state.enabled, state.masked) = (false, false);
        for entry in &mut state.entries {
            (entry.message, entry.control, entry.pending) = (MsiMessage::default(), ENTRY_MASKED, false);
        }
    }
}

fn position(offset: u64) -> (usize, usize) {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    (offset / ENTRY_SIZE, offset % ENTRY_SIZE)
}

impl State {
    /// Fires what became deliverable.
    fn deliver(&mut self) {
        if !self.enabled || self.masked {
            return;
        }
        for entry in self.entries.iter_mut().filter(|entry| entry.control & ENTRY_MASKED == 0) {
            entry.program();
            if entry.pending {
                entry.fire();
            }
        }
    }
}

impl Entry {
    /// Tells the kernel where the vector points, if that changed: a new routing table is expensive, masking is done here.
    fn program(&mut self) {
        let changed = self.programmed != Some(self.message);
        if changed && self.vector.program(Some(self.message)).is_ok() {
            self.programmed = Some(self.message);
        }
    }

    fn fire(&mut self) {
        self.program();
        self.pending = self.vector.trigger().is_err();
    }

    fn bytes(&self) -> [u8; ENTRY_SIZE] {
        let mut bytes = [0; ENTRY_SIZE];
        bytes[..8].copy_from_slice(&self.message.address.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.message.data.to_le_bytes());
        bytes[12..].copy_from_slice(&self.control.to_le_bytes());
        bytes
    }

    fn set_bytes(&mut self, bytes: [u8; ENTRY_SIZE]) {
        let [a0, a1, a2, a3, a4, a5, a6, a7, d0, d1, d2, d3, c0, c1, c2, c3] = bytes;
        self.message.address = u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]);
        self.message.data = u32::from_le_bytes([d0, d1, d2, d3]);
        self.control = u32::from_le_bytes([c0, c1, c2, c3]) & ENTRY_MASKED;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io;
    use vmm_sys::interrupt::Interrupt;
    use vmm_sys_util::eventfd::EventFd;

    /// Records what a device does to its vector.
    pub(crate) struct FakeVector {
        pub(crate) fired: Mutex<Vec<MsiMessage>>,
        message: Mutex<Option<MsiMessage>>,
        event: EventFd,
    }

    impl FakeVector {
        pub(crate) fn new() -> Arc<Self> {
            let event = EventFd::new(libc::EFD_NONBLOCK).unwrap();
            Arc::new(Self { fired: Mutex::default(), message: Mutex::default(), event })
        }

        pub(crate) fn count(&self) -> usize {
            lock(&self.fired).len()
        }
    }

    impl Interrupt for FakeVector {
        fn trigger(&self) -> io::Result<()> {
            lock(&self.fired).push(lock(&self.message).unwrap());
            Ok(())
        }
    }

    impl MsiVector for FakeVector {
        fn program(&self, message: Option<MsiMessage>) -> io::Result<()> {
            *lock(&self.message) = message;
            Ok(())
        }
        fn event(&self) -> &EventFd {
            &self.event
        }
    }

    fn table(count: usize) -> (Msix, Vec<Arc<FakeVector>>) {
        let vectors: Vec<_> = (0..count).map(|_| FakeVector::new()).collect();
        (Msix::new(vectors.iter().map(|v| v.clone() as Arc<dyn MsiVector>).collect()), vectors)
    }

    fn arm(msix: &Msix, entry: u64, data: u32) {
        msix.write_table(entry * 16, &0xfee0_0000_u64.to_le_bytes());
        msix.write_table(entry * 16 + 8, &data.to_le_bytes());
        msix.write_table(entry * 16 + 12, &0_u32.to_le_bytes());
    }

    #[test]
    fn an_unmasked_vector_fires_with_its_message() {
        let (msix, vectors) = table(2);
        msix.set_control(CONTROL_ENABLE);
        arm(&msix, 1, 0x41);
        msix.trigger(1);
        assert_eq!(*lock(&vectors[1].fired), [MsiMessage { address: 0xfee0_0000, data: 0x41 }]);
        assert_eq!(vectors[0].count(), 0);
    }

    #[test]
    fn a_masked_vector_waits_in_its_pending_bit() {
        let (msix, vectors) = table(12);
        msix.set_control(CONTROL_ENABLE | CONTROL_MASK_ALL);
        arm(&msix, 9, 1);
        msix.trigger(9);
        msix.trigger(9);
        let mut bits = [0; 8];
        msix.read_pending(0, &mut bits);
        assert_eq!((bits, vectors[9].count()), ([0, 2, 0, 0, 0, 0, 0, 0], 0));
        msix.set_control(CONTROL_ENABLE);
        assert_eq!(vectors[9].count(), 1);
        msix.write_table(9 * 16 + 12, &1_u32.to_le_bytes());
        msix.trigger(9);
        assert_eq!(vectors[9].count(), 1);
        msix.write_table(9 * 16 + 12, &0_u32.to_le_bytes());
        assert_eq!(vectors[9].count(), 2);
    }

    #[test]
    fn wild_accesses_are_harmless() {
        let (msix, vectors) = table(1);
        msix.set_control(CONTROL_ENABLE);
        msix.trigger(NO_VECTOR);
        for offset in [1, 12, 13, 16, u64::MAX] {
            msix.write_table(offset, &[0xff; 8]);
            msix.read_table(offset, &mut [0; 8]);
            msix.read_pending(offset, &mut [0; 8]);
        }
        assert_eq!(vectors[0].count(), 0);
    }
}
