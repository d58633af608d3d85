//! A page in Prometheus's text form.

use prometheus::{Encoder as _, Registry, TextEncoder};
use std::fmt::{Display, Write as _};

/// Text under construction.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Begins a family of samples.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A sample of the family that was begun.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    /// A family of one sample.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// What a registry holds.
    pub fn encode(&mut self, registry: &Registry) {
        let mut out = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&registry.gather(), &mut out) {
            tracing::warn!(%error, "metrics cannot be shown");
        }
        self.0.push_str(&String::from_utf8_lossy(&out));
    }

    /// The text.
    #[must_use]
    pub fn text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_quoted() {
        let mut page = Page::default();
        page.family("a_total", "counter", "A.");
        page.sample("a_total", &[("host", "a\"b\\")], 1);
        assert_eq!(page.text(), "# HELP a_total A.\n# TYPE a_total counter\na_total{host=\"a\\\"b\\\\\"} 1\n");
    }
}
