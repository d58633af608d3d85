//! virtio-console (virtio 1.2, section 5.3) with its one port, wired to a [`Terminal`].

use super::chain::{Chain, RingError};
use super::ring::{Drained, Outcome};
use super::worker::{Active, Backend, Engine, OWN_TOKENS, Turn, Worker};
use super::{DeviceType, VirtioDevice};
use crate::poll::{Interest, Placement, Source};
use crate::terminal::Terminal;
use std::io;
use std::sync::Arc;

const QUEUE_SIZE: u16 = 64;
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const INPUT: u64 = OWN_TOKENS;
const PART: usize = 4096;

/// A virtio console.
pub struct Console(Arc<Worker<ConsoleEngine>>);

impl Console {
    /// A console wired to `terminal`.
    ///
    /// # Errors
    /// When the kick events cannot be made.
    pub fn new(terminal: Arc<Terminal>) -> io::Result<Self> {
        let input = Source { fd: terminal.input_fd(), token: INPUT, interest: Interest::Readable };
        let engine = ConsoleEngine { terminal, chain: Chain::default() };
        Ok(Self(Worker::new("console", Placement::Shared, 2, vec![input], engine)?))
    }
}

impl VirtioDevice for Console {
    fn id(&self) -> &str {
        "console"
    }

    fn device_type(&self) -> DeviceType {
        DeviceType::Console
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_sizes(&self) -> &[u16] {
        &[QUEUE_SIZE, QUEUE_SIZE]
    }

    fn read_config(&self, _offset: usize, _data: &mut [u8]) {}

    fn backend(&self) -> Arc<dyn Backend> {
        self.0.clone()
    }
}

struct ConsoleEngine {
    terminal: Arc<Terminal>,
    chain: Chain,
}

impl ConsoleEngine {
    fn transmit(&mut self, active: &mut Active) -> Result<Turn, RingError> {
        let Some(Some(ring)) = active.rings.get_mut(TRANSMIT) else { return Ok(Turn::Done) };
        let (memory, terminal) = (&active.memory, &self.terminal);
        let drained = ring.drain(memory, &mut self.chain, |_, chain| {
            let (length, mut part) = (chain.readable_len(), [0; PART]);
            for start in (0..length).step_by(PART) {
                let part = &mut part[..(length - start).min(PART)];
                chain.read(memory, start, part)?;
                terminal.output(part);
            }
            Ok(Outcome::Used(0))
        })?;
        active.signal(TRANSMIT)?;
        Ok(if drained == Drained::More { Turn::Again(TRANSMIT) } else { Turn::Done })
    }

    /// Hands typed bytes to the guest while there are both bytes and buffers.
    fn receive(&mut self, active: &mut Active) -> Result<Turn, RingError> {
        let Some(Some(ring)) = active.rings.get_mut(RECEIVE) else { return Ok(Turn::Done) };
        let (memory, terminal) = (&active.memory, &self.terminal);
        ring.drain(memory, &mut self.chain, |_, chain| {
            let room = chain.writable_len();
            if room == 0 {
                return Err(RingError::Request);
            }
            let bytes = terminal.take_input(room.min(PART));
            if bytes.is_empty() {
                return Ok(Outcome::Later);
            }
            chain.write(memory, 0, &bytes)?;
            Ok(Outcome::Used(bytes.len() as u32))
        })?;
        active.signal(RECEIVE)?;
        Ok(Turn::Done)
    }
}

impl Engine for ConsoleEngine {
    fn handle(&mut self, active: &mut Active, token: u64) -> Result<Turn, RingError> {
        if token == TRANSMIT as u64 { self.transmit(active) } else { self.receive(active) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Log;
    use crate::virtio::testing::{Driver, WRITE, active};
    use std::io::{Read, Seek};

    #[test]
    fn bytes_go_both_ways() {
        let mut file = tempfile::tempfile().unwrap();
        let terminal = Terminal::new(Log::open(file.try_clone().unwrap(), 1000).unwrap()).unwrap();
        let mut engine = ConsoleEngine { terminal: terminal.clone(), chain: Chain::default() };
        let mut receive = Driver::new();
        let mut transmit = Driver::with_memory(receive.memory.clone(), 1);
        let mut active = active(&[&receive, &transmit], 0);
        transmit.write(0x1_0000, b"from guest");
        transmit.descriptor(0, 0x1_0000, 10, 0, 0);
        transmit.offer(0);
        engine.handle(&mut active, 1).unwrap();
        terminal.flush();
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "from guest");

        receive.descriptor(0, 0x1_1000, 4, WRITE, 0);
        receive.offer(0);
        engine.handle(&mut active, INPUT).unwrap();
        assert_eq!(receive.used_index(), 0);
        terminal.input(b"typed");
        engine.handle(&mut active, INPUT).unwrap();
        assert_eq!((receive.used(0), receive.read(0x1_1000, 4)), ((0, 4), b"type".to_vec()));
        receive.descriptor(1, 0x1_1000, 4, WRITE, 0);
        receive.offer(1);
        engine.handle(&mut active, 0).unwrap();
        assert_eq!(receive.used(1), (1, 1));
    }
}
