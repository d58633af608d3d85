//! What this process takes, under the names that Prometheus's own clients use.

use super::Page;
use std::fs;

/// Adds them; those that cannot be read are 0.
pub(super) fn add(page: &mut Page) {
    page.family("humilis_build_info", "gauge", "The running program.");
    page.sample("humilis_build_info", &[("program", "controller"), ("version", env!("CARGO_PKG_VERSION"))], 1);
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    // Field 3 follows the name in parentheses.
    let number = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    page.family("process_cpu_seconds_total", "counter", "Processor time of this program.");
    page.sample("process_cpu_seconds_total", &[], (number(14) + number(15)) as f64 / 100.0);
    page.gauge("process_resident_memory_bytes", "Memory of this program.", number(24) * 4096);
    page.gauge(
        "process_open_fds",
        "Open files of this program.",
        fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
    );
}
