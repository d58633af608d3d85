//! Logs, and traces over OTLP, of controller and hostd alike. Traces are their own `tracing` spans, batched and sent by OpenTelemetry's SDK.
//!
//! A request's trace needs nothing to be handed on but the request's id, which each hop logs anyway: the trace's id is the UUID in
//! `req-<uuid>`, and the id of its first span is the UUID's latter half. So whoever has an answer or a line of a log has the trace, and
//! an operation that is resumed after a crash, or a host that hears of a server later, still finds its place in it.
//!
//! A span named `http.request` is the request itself, the first. Of the fields that a span may have,
//! - `request_id` puts it into the request's trace, unless a span around it has;
//! - `method`, `path`, `route` and `status` are sent under OpenTelemetry's names for HTTP; every other under `humilis.`.

mod identity;
mod logs;
mod spans;

pub use logs::{LogConfig, LogError, LogFormat, start_logs};

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{
    SpanExporter, WithExportConfig as _, WithTonicConfig as _,
    tonic_types::transport::{Certificate, ClientTlsConfig},
};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchSpanProcessor, SpanProcessor},
};
use serde::Deserialize;
use spans::Spans;
use std::{error::Error, fmt, fs, path::PathBuf, sync::Arc, time::Duration};
use tracing::{Level, Metadata};
use tracing_subscriber::{Layer, filter::FilterFn, registry::LookupSpan};

/// How long what is left may take to be sent at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where traces go.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceConfig {
    /// The collector's OTLP over gRPC, `http://` or `https://`; empty: no traces.
    pub endpoint: String,
    /// Whose certificates an `https://` collector may have, a PEM file; empty: the system's.
    pub ca: PathBuf,
    /// What share of the requests is traced, 0 to 1. All programs take the same ones.
    pub sample: f64,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self { endpoint: String::new(), ca: PathBuf::new(), sample: 1.0 }
    }
}

impl Eq for TraceConfig {}

/// Who sends the traces.
#[derive(Clone, Copy, Debug)]
pub struct Service<'a> {
    /// The program's name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The machine's name.
    pub machine: &'a str,
}

/// What is configured cannot be meant.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// It is no share.
    #[error("trace.sample is {0}, not between 0 and 1")]
    Sample(f64),
}

/// Sends spans for as long as the program runs. Cheap to clone.
#[derive(Clone)]
pub struct Traces {
    processor: Arc<BatchSpanProcessor>,
    sample: f64,
    scope: InstrumentationScope,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("sample", &self.sample).finish_non_exhaustive()
    }
}

impl Traces {
    /// Starts sending, inside a tokio runtime; `None`: nobody wants traces, or they cannot be sent, which is said on standard error (there is no
    /// log yet) and costs nothing else: a lost certificate is no reason for a host to stay down.
    ///
    /// # Errors
    /// When the configuration cannot be meant.
    pub fn start(config: &TraceConfig, service: Service<'_>) -> Result<Option<Self>, TraceError> {
        if !(0.0..=1.0).contains(&config.sample) {
            return Err(TraceError::Sample(config.sample));
        }
        if config.endpoint.is_empty() {
            return Ok(None);
        }
        let exporter = match exporter(config) {
            Ok(exporter) => exporter,
            Err(error) => {
                eprintln!("no traces: {} cannot be used: {error}", config.endpoint);
                return Ok(None);
            }
        };
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let resource = Resource::builder().with_service_name(service.name).with_attributes([
            KeyValue::new("service.version", service.version),
            KeyValue::new("host.name", service.machine.to_owned()),
        ]);
        processor.set_resource(&resource.build());
        let scope = InstrumentationScope::builder("humilis").with_version(service.version).build();
        Ok(Some(Self { processor: Arc::new(processor), sample: config.sample, scope }))
    }

    /// What hears of spans; beside the logs' layer.
    #[must_use]
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    {
        // The libraries' own spans are theirs, and sending would speak of itself.
        let ours = |target: &str| ["controller", "hostd", "humilis"].iter().any(|name| target.starts_with(name));
        let heard = |meta: &Metadata<'_>| *meta.level() <= if meta.is_span() { Level::DEBUG } else { Level::WARN };
        let filter = FilterFn::new(move |meta| heard(meta) && ours(meta.target()));
        Spans::new(self.clone()).with_filter(filter.with_max_level_hint(Level::DEBUG))
    }

    /// Sends what is left, at the program's end.
    pub fn finish(&self) {
        if let Err(error) = self.processor.shutdown_with_timeout(FAREWELL) {
            tracing::info!(%error, "the last spans were not sent");
        }
    }
}

fn exporter(config: &TraceConfig) -> Result<SpanExporter, Box<dyn Error>> {
    let mut exporter = SpanExporter::builder().with_tonic().with_endpoint(&config.endpoint);
    if config.endpoint.starts_with("https:") {
        let tls = ClientTlsConfig::new();
        exporter = exporter.with_tls_config(if config.ca.as_os_str().is_empty() {
            tls.with_native_roots()
        } else {
            tls.ca_certificate(Certificate::from_pem(fs::read(&config.ca)?))
        });
    }
    Ok(exporter.build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Service<'static> = Service { name: "hostd", version: "0", machine: "a" };

    #[test]
    fn nobody_is_told_unless_an_operator_says_whom() {
        assert!(Traces::start(&TraceConfig::default(), SERVICE).unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let sample = toml::from_str("sample = 1.5").unwrap();
        assert!(matches!(Traces::start(&sample, SERVICE), Err(TraceError::Sample(_))));
        assert!(toml::from_str::<TraceConfig>("endpont = ''").is_err());
    }

    #[test]
    fn what_is_missing_costs_the_traces_and_nothing_else() {
        for lines in ["endpoint = 'https://a:1'\nca = '/nowhere'", "endpoint = 'no address'"] {
            let config = toml::from_str(lines).unwrap();
            assert!(Traces::start(&config, SERVICE).unwrap().is_none(), "{lines}");
        }
    }
}
