//! Logs to standard error, traces to where the operator wants them.

use crate::config::Config;
use humilis_trace::{Service, Traces, start_logs};

/// Starts both, inside the runtime.
pub fn start(config: &Config) -> anyhow::Result<Option<Traces>> {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let service = Service { name: "controller", version: env!("CARGO_PKG_VERSION"), machine: machine.trim() };
    let traces = Traces::start(&config.trace, service)?;
    start_logs(&config.log, traces.as_ref())?;
    Ok(traces)
}
