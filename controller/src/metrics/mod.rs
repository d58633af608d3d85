//! What Prometheus is told.

use controller_web::service::Observer;
use http::{Method, StatusCode};
use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};
use std::time::Duration;

/// The metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
}

impl Metrics {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// A metric's name is malformed.
    pub fn new() -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            Opts::new("humilis_http_requests_total", "Finished REST requests"),
            &["service", "method", "status"],
        )?;
        let buckets = vec![0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0];
        let options = HistogramOpts::new("humilis_http_request_seconds", "Duration of REST requests").buckets(buckets);
        let durations = HistogramVec::new(options, &["service", "method"])?;
        let registry = Registry::new();
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        Ok(Self { registry, requests, durations })
    }

    /// All of them in Prometheus's text form.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            tracing::warn!(%error, "metrics cannot be shown");
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

impl Observer for Metrics {
    fn request(&self, service: &'static str, _: &str, method: &Method, status: StatusCode, took: Duration) {
        self.requests.with_label_values(&[service, method.as_str(), status.as_str()]).inc();
        self.durations.with_label_values(&[service, method.as_str()]).observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted() {
        let metrics = Metrics::new().unwrap();
        metrics.request("compute", "/servers", &Method::GET, StatusCode::OK, Duration::from_millis(3));
        let line = r#"humilis_http_requests_total{method="GET",service="compute",status="200"} 1"#;
        assert!(metrics.render().contains(line));
    }
}
