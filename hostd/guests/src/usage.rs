//! What running guests have used, as the kernel counts it for their processes.

use crate::{GuestsHandle, model::State, record::Record};
use hostd_kit::ids::GuestId;
use hostd_net::model::PortId;
use std::fs;

/// What a running guest's process has used since its start.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestUsage {
    /// The guest.
    pub id: GuestId,
    /// Its ports.
    pub ports: Vec<PortId>,
    /// Processor time, seconds.
    pub cpu_seconds: f64,
    /// Memory that is there, bytes.
    pub resident_bytes: u64,
    /// Bytes that came from disks, page cache aside.
    pub read_bytes: u64,
    /// Bytes that went to disks.
    pub written_bytes: u64,
}

impl GuestsHandle {
    /// Of every guest whose process runs. Reads small files: call it off the threads that serve.
    #[must_use]
    pub fn usage(&self) -> Vec<GuestUsage> {
        let guests = self.board().peek().into_iter().filter(|guest| guest.state == State::Running);
        guests.filter_map(|guest| self.usage_of(guest.id)).collect()
    }

    fn usage_of(&self, id: GuestId) -> Option<GuestUsage> {
        let record = Record::load(&self.layout().guest(&id))?;
        let pid = record.process?.pid;
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
        let (cpu_seconds, resident_bytes) = stat(&read("stat")?)?;
        let io = read("io").unwrap_or_default();
        let ports = record.ports.iter().map(|port| PortId::new(port.as_str())).collect();
        let (read_bytes, written_bytes) = (field(&io, "read_bytes:"), field(&io, "write_bytes:"));
        Some(GuestUsage { id, ports, cpu_seconds, resident_bytes, read_bytes, written_bytes })
    }
}

/// Processor time and resident memory of `/proc/PID/stat`.
fn stat(text: &str) -> Option<(f64, u64)> {
    // The name in parentheses may hold anything; field 3 follows it.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    // Ticks of a hundredth of a second and pages of 4 KiB: so it is on every x86-64 Linux.
    let ticks = number(14)? + number(15)?;
    Some((ticks as f64 / 100.0, number(24)? * 4096))
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let fields: Vec<String> = (4..=52).map(|field| field.to_string()).collect();
        let text = format!("7 (a ) b) S {}", fields.join(" "));
        assert_eq!(stat(&text), Some((0.29, 24 * 4096)));
        assert_eq!(field("rchar: 1\nread_bytes: 4096\n", "read_bytes:"), 4096);
        assert_eq!(field("", "read_bytes:"), 0);
    }
}
