//! Which endpoints a project sees in its catalog: endpoints and groups of endpoints that an operator gives to projects
//! (`OS-EP-FILTER`). A project to which nothing was given sees all.
//!
//! Owns `identity_project_endpoint`, `identity_endpoint_group` and `identity_project_endpoint_group`. A group is a filter over the
//! endpoints' service, region and interface, so that an endpoint that comes later is in it at once.

pub(crate) mod api;
pub(crate) mod policy;
pub(crate) mod service;
pub(crate) mod store;
mod wire;

use crate::catalog::Endpoint;
use serde_json::{Map, Value};

/// Endpoints by what they have in common.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EndpointGroup {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    /// `service_id`, `region_id`, `interface`; all must fit.
    pub filters: Map<String, Value>,
    pub generation: i64,
}

impl EndpointGroup {
    /// Whether an endpoint is in it.
    pub(crate) fn holds(&self, endpoint: &Endpoint) -> bool {
        self.filters.iter().all(|(key, wanted)| {
            let own = match key.as_str() {
                "service_id" => Some(endpoint.service_id.as_str()),
                "region_id" => endpoint.region_id.as_ref().map(controller_base::id::RegionId::as_str),
                "interface" => Some(endpoint.interface.as_str()),
                _ => None,
            };
            own == wanted.as_str()
        })
    }
}
