//! Limits of what projects and domains may have of other services' resources: a registered limit with the default for all, and
//! limits that differ from it. The services themselves count and refuse; here stands only how much is allowed.
//!
//! ```text
//!  registered limit (service, region, resource name, default)
//!    +- limit of a domain     strict_two_level: a project's limit is never above its domain's
//!    +- limit of a project
//! ```

pub(crate) mod api;
pub(crate) mod policy;
mod service;
pub(crate) mod store;
mod wire;

use controller_base::id::{RegionId, ServiceId};

/// How limits of projects and domains relate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Model {
    /// Not at all.
    #[default]
    Flat,
    /// A project's limit must not be above its domain's.
    StrictTwoLevel,
}

impl Model {
    /// Keystone's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::StrictTwoLevel => "strict_two_level",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Flat => "Limit enforcement and validation does not take project hierarchy into consideration.",
            Self::StrictTwoLevel => {
                "This model requires project hierarchy never exceeds a depth of two, and a project's limit never exceeds its \
                 domain's."
            }
        }
    }
}

/// What holds for everybody who has no limit of their own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RegisteredLimit {
    pub id: String,
    pub service_id: ServiceId,
    pub region_id: Option<RegionId>,
    pub resource_name: String,
    pub default_limit: i64,
    pub description: Option<String>,
    pub generation: i64,
}

/// Whose a limit is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Project(String),
    Domain(String),
}

impl Owner {
    pub(crate) fn project(&self) -> Option<&str> {
        match self {
            Self::Project(id) => Some(id),
            Self::Domain(_) => None,
        }
    }

    pub(crate) fn domain(&self) -> Option<&str> {
        match self {
            Self::Domain(id) => Some(id),
            Self::Project(_) => None,
        }
    }
}

/// The limit of one project or domain, with what it says of its registered limit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limit {
    pub id: String,
    pub registered_id: String,
    pub owner: Owner,
    pub resource_limit: i64,
    pub description: Option<String>,
    pub service_id: ServiceId,
    pub region_id: Option<RegionId>,
    pub resource_name: String,
    pub generation: i64,
}
