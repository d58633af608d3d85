//! Who this guest is, as its config drive or the metadata service says.

use alloc::string::{String, ToString};
use core::fmt;
use serde_json::Value;

/// The guest's identity; empty until something was learnt.
#[derive(Default)]
pub struct Host {
    /// The server's UUID.
    pub instance: String,
    /// The host name.
    pub name: String,
    /// The EC2 form of the id, such as `i-00000001`.
    pub ec2: String,
}

impl Host {
    /// Learns from OpenStack's `meta_data.json`; false if the document is none.
    pub fn learn(&mut self, document: &[u8]) -> bool {
        let Ok(Value::Object(fields)) = serde_json::from_slice(document) else {
            return false;
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(ToString::to_string);
        let (Some(instance), Some(name)) = (text("uuid"), text("hostname").or_else(|| text("name"))) else {
            return false;
        };
        self.instance = instance;
        self.name = name;
        true
    }
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |text| if str::is_empty(text) { "-" } else { text };
        write!(out, "instance-id={} hostname={}", or_dash(&self.instance), or_dash(&self.name))
    }
}
