//! Log lines of a guest's process: one line per event to the descriptor of the spec, for hostd to collect.

use std::fs::File;
use std::io::Write;
use std::sync::OnceLock;

static LOG: OnceLock<File> = OnceLock::new();

/// From now on lines go to `file`. The first call counts; before it, lines go to standard error.
pub fn to(file: File) {
    let _first = LOG.set(file);
}

/// Writes one line. A log that cannot be written must not stop a guest.
pub fn line(text: std::fmt::Arguments<'_>) {
    let line = format!("{text}\n");
    let _written = match LOG.get() {
        Some(mut file) => file.write_all(line.as_bytes()),
        None => std::io::stderr().write_all(line.as_bytes()),
    };
}

/// An error with all its causes, outermost first.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Logs a formatted line.
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => { $crate::log::line(format_args!($($argument)*)) };
}
