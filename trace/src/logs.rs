//! Logs on standard error.

use crate::Traces;
use serde::Deserialize;
use std::io::IsTerminal as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// As `RUST_LOG` has it, which goes before it.
    pub filter: String,
    /// How.
    pub format: LogFormat,
}

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not in `tracing`'s syntax.
    #[error("log.filter is malformed")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// They were started before.
    #[error("logging cannot start")]
    Started(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts them, and the traces beside.
///
/// # Errors
/// When the filter is malformed, or logs were started before.
pub fn start_logs(config: &LogConfig, traces: Option<&Traces>) -> Result<(), LogError> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| config.filter.clone());
    let filter = EnvFilter::try_new(filter)?;
    let logs = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let logs = match config.format {
        LogFormat::Text => logs.boxed(),
        LogFormat::Json => logs.json().boxed(),
    };
    tracing_subscriber::registry().with(traces.map(Traces::layer)).with(logs.with_filter(filter)).try_init()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_is_checked() {
        let config = |text: &str| toml::from_str::<LogConfig>(text);
        assert_eq!(config("format = 'json'").unwrap(), LogConfig { format: LogFormat::Json, ..LogConfig::default() });
        assert!(config("format = 'xml'").is_err());
        let malformed = LogConfig { filter: "a=b=c".to_owned(), ..LogConfig::default() };
        assert!(matches!(start_logs(&malformed, None), Err(LogError::Filter(_))));
    }
}
