//! Lines on the serial port, out and in.

use crate::ring0::{self, port};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

static BUSY: AtomicBool = AtomicBool::new(false);

/// A line that is gathered before it is sent, so that it costs few traps.
struct Line {
    bytes: [u8; 256],
    length: usize,
}

impl Line {
    fn flush(&mut self) {
        crate::ring0::write_serial(&self.bytes[..self.length]);
        self.length = 0;
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.length == self.bytes.len() {
                self.flush();
            }
            self.bytes[self.length] = byte;
            self.length += 1;
        }
        Ok(())
    }
}

/// Ends another writer's claim: for a last line from within one.
pub fn take_over() {
    BUSY.store(false, Ordering::Release);
}

/// Writes one line with the program's name before it; lines of several processors do not mix.
pub fn write_line(line: fmt::Arguments<'_>) {
    while BUSY.swap(true, Ordering::Acquire) {
        core::hint::spin_loop();
    }
    let mut buffer = Line { bytes: [0; 256], length: 0 };
    // A line's writer has no error of its own; an argument's would only shorten the line.
    let _ = write!(buffer, "humilis-guest: {line}\r\n");
    buffer.flush();
    BUSY.store(false, Ordering::Release);
}

const DATA: u16 = 0x3f8;
const INTERRUPT_ENABLE: u16 = DATA + 1;
const MODEM_CONTROL: u16 = DATA + 4;
const LINE_STATUS: u16 = DATA + 5;
/// The first serial port's interrupt on every PC.
const INTERRUPT: u16 = 4;
const LONGEST_LINE: usize = 512;

/// Lines that somebody types.
#[derive(Default)]
pub struct Input {
    line: Vec<u8>,
}

impl Input {
    /// Listens to the serial port.
    pub fn new() -> Self {
        const DATA_AVAILABLE: u8 = 1;
        const READY_AND_INTERRUPTING: u8 = 0b1011;
        crate::power::route(INTERRUPT, ring0::SERIAL_VECTOR);
        port::write8(MODEM_CONTROL, READY_AND_INTERRUPTING);
        port::write8(INTERRUPT_ENABLE, DATA_AVAILABLE);
        Self::default()
    }

    /// A line, once it is whole. Asked again until there is none: a second one may have come with it.
    pub fn poll(&mut self) -> Option<String> {
        if ring0::take(ring0::SERIAL_VECTOR) || !self.line.is_empty() {
            return self.read();
        }
        None
    }

    fn read(&mut self) -> Option<String> {
        while port::read8(LINE_STATUS) & 1 != 0 {
            match port::read8(DATA) {
                b'\r' | b'\n' => {
                    ring0::mark(ring0::SERIAL_VECTOR);
                    return Some(String::from_utf8_lossy(&core::mem::take(&mut self.line)).into_owned());
                }
                byte if self.line.len() < LONGEST_LINE => self.line.push(byte),
                _ => {}
            }
        }
        None
    }
}

/// Writes a line to the serial port, formatted as by `format!`.
macro_rules! say {
    ($($argument:tt)*) => { $crate::serial::write_line(format_args!($($argument)*)) };
}
pub(crate) use say;
