//! Logs to standard error.

use crate::config::{LogConfig, LogFormat};
use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

/// Starts logging. `RUST_LOG` goes before the configuration.
pub fn start(config: &LogConfig) -> anyhow::Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) => EnvFilter::try_new(text),
        Err(_) => EnvFilter::try_new(&config.filter),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter.context("log.filter is malformed")?)
        .with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))
}
