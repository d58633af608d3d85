//! virtio-entropy (virtio 1.2, section 5.4): random bytes of the host's kernel.

use super::chain::{Chain, RingError};
use super::ring::{Drained, Outcome};
use super::worker::{Active, Backend, Engine, Turn, Worker};
use super::{DeviceType, VirtioDevice};
use crate::poll::Placement;
use std::io;
use std::sync::Arc;
use vmm_sys::memory::GuestMemory;

const QUEUE_SIZE: u16 = 64;
/// Bytes that one request gets; a larger one is answered in part, as the specification allows.
const MAX_BYTES: usize = 4096;

/// A virtio entropy source.
pub struct Rng(Arc<Worker<RngEngine>>);

impl Rng {
    /// An entropy source.
    ///
    /// # Errors
    /// When the kick event cannot be made.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Worker::new("rng", Placement::Shared, 1, Vec::new(), RngEngine(Chain::default()))?))
    }
}

impl VirtioDevice for Rng {
    fn id(&self) -> &str {
        "rng"
    }

    fn device_type(&self) -> DeviceType {
        DeviceType::Entropy
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_sizes(&self) -> &[u16] {
        &[QUEUE_SIZE]
    }

    fn read_config(&self, _offset: usize, _data: &mut [u8]) {}

    fn backend(&self) -> Arc<dyn Backend> {
        self.0.clone()
    }
}

struct RngEngine(Chain);

fn serve(memory: &GuestMemory, chain: &Chain) -> Result<Outcome, RingError> {
    let mut bytes = [0; MAX_BYTES];
    let bytes = &mut bytes[..chain.writable_len().min(MAX_BYTES)];
    if bytes.is_empty() {
        return Err(RingError::Request);
    }
    if getrandom::fill(bytes).is_err() {
        return Ok(Outcome::Used(0));
    }
    chain.write(memory, 0, bytes)?;
    Ok(Outcome::Used(bytes.len() as u32))
}

impl Engine for RngEngine {
    fn handle(&mut self, active: &mut Active, _token: u64) -> Result<Turn, RingError> {
        let Some(Some(ring)) = active.rings.first_mut() else { return Ok(Turn::Done) };
        let memory = &active.memory;
        let drained = ring.drain(memory, &mut self.0, |_, chain| serve(memory, chain))?;
        active.signal(0)?;
        Ok(if drained == Drained::More { Turn::Again(0) } else { Turn::Done })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtio::testing::{Driver, WRITE, active};

    #[test]
    fn a_buffer_is_filled_with_something() {
        let mut driver = Driver::new();
        let mut active = active(&[&driver], 0);
        driver.descriptor(0, 0x1_0000, 64, WRITE, 0);
        driver.offer(0);
        RngEngine(Chain::default()).handle(&mut active, 0).unwrap();
        assert_eq!(driver.used(0), (0, 64));
        assert_ne!(driver.read(0x1_0000, 64), [0; 64]);
    }

    #[test]
    fn a_large_buffer_is_filled_in_part_and_a_readable_one_refused() {
        let mut driver = Driver::new();
        let mut active = active(&[&driver], 0);
        driver.descriptor(0, 0x1_0000, 0x1_0000, WRITE, 0);
        driver.descriptor(1, 0x1_0000, 16, 0, 0);
        driver.offer(0);
        driver.offer(1);
        assert_eq!(RngEngine(Chain::default()).handle(&mut active, 0), Err(RingError::Request));
        assert_eq!(driver.used(0), (0, 4096));
    }
}
