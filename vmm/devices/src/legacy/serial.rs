//! The 16550 serial port in front of a [`Terminal`].

use super::ports::SERIAL_PORTS;
use crate::bus::PioDevice;
use crate::device::Device;
use crate::poll::{Interest, Placement, Pollable, Source};
use crate::sync::lock;
use crate::terminal::Terminal;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use vm_superio::serial::SerialEvents;
use vm_superio::{Serial as Uart, Trigger};
use vmm_sys::interrupt::Interrupt;

#[derive(Clone)]
struct Line(Arc<dyn Interrupt>);

impl Trigger for Line {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        self.0.trigger()
    }
}

/// Output to the terminal, and the wish for more input when the guest has read what there was.
#[derive(Clone)]
struct Wire(Arc<Terminal>);

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.output(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SerialEvents for Wire {
    fn buffer_read(&self) {}
    fn out_byte(&self) {}
    fn tx_lost_byte(&self) {}

    fn in_buffer_empty(&self) {
        self.0.announce_input();
    }
}

type Chip = Uart<Line, Wire, Wire>;

/// A serial port.
pub struct Serial {
    chip: Chip,
    line: Line,
    wire: Wire,
}

impl Serial {
    /// A port that interrupts through `line` and is wired to `terminal`.
    pub fn new(line: Arc<dyn Interrupt>, terminal: Arc<Terminal>) -> Self {
        let (line, wire) = (Line(line), Wire(terminal));
        Self { chip: Uart::with_events(line.clone(), wire.clone(), wire.clone()), line, wire }
    }

    /// Moves typed bytes into the port while it has room.
    fn receive(&mut self) {
        let bytes = self.wire.0.take_input(self.chip.fifo_capacity());
        if !bytes.is_empty() {
            // The room was asked for, so only the interrupt can fail; the guest then finds the bytes when it looks.
            self.chip.enqueue_raw_bytes(&bytes).ok();
        }
    }
}

impl PioDevice for Serial {
    fn read(&mut self, offset: u16, data: &mut [u8]) {
        if let ([byte], true) = (data, offset < SERIAL_PORTS) {
            *byte = self.chip.read(offset as u8);
        }
    }

    fn write(&mut self, offset: u16, data: &[u8]) {
        if let ([byte], true) = (data, offset < SERIAL_PORTS) {
            // Only the interrupt can fail, and the guest has no way to learn of it.
            self.chip.write(offset as u8, *byte).ok();
        }
    }
}

impl Device for Serial {
    fn id(&self) -> &str {
        "serial"
    }

    fn reset(&mut self) {
        self.chip = Uart::with_events(self.line.clone(), self.wire.clone(), self.wire.clone());
    }
}

/// Brings typed bytes to a port; the event loop drives it.
pub struct SerialInput {
    port: Arc<Mutex<Serial>>,
    terminal: Arc<Terminal>,
}

impl SerialInput {
    /// For `port`.
    pub fn new(port: Arc<Mutex<Serial>>) -> Self {
        let terminal = Arc::clone(&lock(&port).wire.0);
        Self { port, terminal }
    }
}

impl Pollable for SerialInput {
    fn name(&self) -> &str {
        "serial"
    }

    fn placement(&self) -> Placement {
        Placement::Shared
    }

    fn sources(&self) -> Vec<Source> {
        vec![Source { fd: self.terminal.input_fd(), token: 0, interest: Interest::Readable }]
    }

    fn handle(&self, _token: u64) {
        lock(&self.port).receive();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Log;
    use std::io::{Read, Seek};
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Default)]
    struct Pin(AtomicU32);

    impl Interrupt for Pin {
        fn trigger(&self) -> io::Result<()> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    fn port() -> (Arc<Mutex<Serial>>, Arc<Terminal>, Arc<Pin>, std::fs::File) {
        let file = tempfile::tempfile().unwrap();
        let terminal = Terminal::new(Log::open(file.try_clone().unwrap(), 1000).unwrap()).unwrap();
        let pin = Arc::new(Pin::default());
        (Arc::new(Mutex::new(Serial::new(pin.clone(), terminal.clone()))), terminal, pin, file)
    }

    fn read(port: &Mutex<Serial>, offset: u16) -> u8 {
        let mut byte = [0];
        lock(port).read(offset, &mut byte);
        byte[0]
    }

    #[test]
    fn what_the_guest_writes_is_logged() {
        let (port, terminal, _, mut file) = port();
        b"login: ".iter().for_each(|byte| lock(&port).write(0, &[*byte]));
        lock(&port).write(0, b"no");
        terminal.flush();
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "login: ");
    }

    #[test]
    fn more_than_a_fifo_of_typed_bytes_arrives_in_order() {
        let (port, terminal, pin, _) = port();
        lock(&port).write(1, &[1]);
        let typed: Vec<u8> = (0..200).collect();
        assert_eq!(terminal.input(&typed), 200);
        let input = SerialInput::new(port.clone());
        let mut read_back = Vec::new();
        while read_back.len() < 200 {
            input.handle(0);
            while read(&port, 5) & 1 != 0 {
                read_back.push(read(&port, 0));
            }
        }
        assert_eq!(read_back, typed);
        assert!(pin.0.load(Ordering::Relaxed) >= 4);
    }

    #[test]
    fn a_reset_forgets_the_registers() {
        let (port, _, _, _) = port();
        lock(&port).write(7, &[0x5a]);
        assert_eq!(read(&port, 7), 0x5a);
        lock(&port).reset();
        assert_eq!(read(&port, 7), 0);
    }
}
