//! What Prometheus is told: counters of this process, kept here, and what the cloud is at the moment of asking ([`cloud`]).
//!
//! Labels take bounded values only: routes as they were declared, kinds, states, hosts; never a project, a user or a guest.

pub mod cloud;
mod page;
mod process;

pub use page::Page;

use controller_web::service::Observer;
use http::{Method, StatusCode};
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
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
            Opts::new("humilis_http_requests_total", "Finished requests to the APIs."),
            &["service", "method", "route", "status"],
        )?;
        let buckets = vec![0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0];
        let options =
            HistogramOpts::new("humilis_http_request_duration_seconds", "How long requests to the APIs took.");
        let durations = HistogramVec::new(options.buckets(buckets), &["service", "method", "route"])?;
        let registry = Registry::new();
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        Ok(Self { registry, requests, durations })
    }

    /// A page with what was counted.
    #[must_use]
    pub fn page(&self) -> Page {
        let mut page = Page::default();
        page.encode(&self.registry);
        process::add(&mut page);
        page
    }
}

impl Observer for Metrics {
    fn request(&self, service: &'static str, route: &str, method: &Method, status: StatusCode, took: Duration) {
        self.requests.with_label_values(&[service, method.as_str(), route, status.as_str()]).inc();
        self.durations.with_label_values(&[service, method.as_str(), route]).observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted() {
        let metrics = Metrics::new().unwrap();
        metrics.request("compute", "/servers/{id}", &Method::GET, StatusCode::OK, Duration::from_millis(3));
        let text = metrics.page().text();
        let line =
            r#"humilis_http_requests_total{method="GET",route="/servers/{id}",service="compute",status="200"} 1"#;
        assert!(text.contains(line), "{text}");
        assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
    }
}
