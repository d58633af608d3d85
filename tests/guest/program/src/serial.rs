//! Lines on the serial port.

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

/// Writes a line to the serial port, formatted as by `format!`.
macro_rules! say {
    ($($argument:tt)*) => { $crate::serial::write_line(format_args!($($argument)*)) };
}
pub(crate) use say;
