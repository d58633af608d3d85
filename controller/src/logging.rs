//! Logs to standard error, traces to where the operator wants them.

use crate::config::{Config, LogFormat};
use anyhow::Context as _;
use humilis_trace::{Service, Traces};
use tracing_subscriber::{EnvFilter, Layer as _, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Starts both, inside the runtime. `RUST_LOG` goes before the configuration's filter.
pub fn start(config: &Config) -> anyhow::Result<Option<Traces>> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) => EnvFilter::try_new(text),
        Err(_) => EnvFilter::try_new(&config.log.filter),
    };
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let service = Service { name: "controller", version: env!("CARGO_PKG_VERSION"), machine: machine.trim() };
    let traces = Traces::start(&config.trace, service)?;
    let logs = fmt::layer().with_writer(std::io::stderr);
    let logs = match config.log.format {
        LogFormat::Text => logs.with_ansi(false).boxed(),
        LogFormat::Json => logs.json().boxed(),
    };
    let started = tracing_subscriber::registry()
        .with(traces.as_ref().map(Traces::layer))
        .with(logs.with_filter(filter.context("log.filter is malformed")?))
        .try_init();
    started.map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))?;
    Ok(traces)
}
