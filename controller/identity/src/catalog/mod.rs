//! The catalog: regions, services and their endpoints, and what a token shows of them.

pub(crate) mod api;
pub(crate) mod policy;
mod service;
pub(crate) mod store;
mod wire;

pub(crate) use wire::render_endpoint;

use crate::wire::Attributes;
use controller_base::id::{EndpointId, RegionId, ServiceId};

/// A region.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Region {
    pub id: RegionId,
    pub parent_id: Option<RegionId>,
    pub description: String,
    pub extra: Attributes,
    pub generation: i64,
}

impl Region {
    /// A region of which only the id is known.
    pub(crate) fn new(id: RegionId) -> Self {
        Self { id, parent_id: None, description: String::new(), extra: Attributes::new(), generation: 1 }
    }
}

/// A service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Service {
    pub id: ServiceId,
    pub kind: String,
    pub name: String,
    pub description: Option<String>,
    pub enabled: bool,
    pub extra: Attributes,
    pub generation: i64,
}

/// Where a service is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Endpoint {
    pub id: EndpointId,
    pub service_id: ServiceId,
    pub region_id: Option<RegionId>,
    /// `public`, `internal` or `admin`.
    pub interface: String,
    /// May hold `$(project_id)s` and the like.
    pub url: String,
    pub enabled: bool,
    pub extra: Attributes,
    pub generation: i64,
}

/// An enabled service with its enabled endpoints, as somebody sees them.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub service: Service,
    pub endpoints: Vec<Endpoint>,
}
