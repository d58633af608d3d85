//! Projects, and domains, which are projects that own users, groups and other projects.
//!
//! ```text
//! domain (is_domain, no parent)
//!   +- project (parent: the domain)
//!        +- project (parent: a project)
//! ```
//! A domain can be deleted once it is disabled; a project once it has no children.

pub(crate) mod api;
pub(crate) mod policy;
mod relatives;
mod service;
pub(crate) mod store;
pub(crate) mod wire;

pub(crate) use relatives::Direction;

use crate::wire::Attributes;
use controller_base::id::{DomainId, ProjectId};

/// A project or a domain.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Project {
    pub id: ProjectId,
    /// The owning domain; none for a domain.
    pub domain_id: Option<DomainId>,
    pub parent_id: Option<ProjectId>,
    pub name: String,
    pub description: String,
    pub enabled: bool,
    pub is_domain: bool,
    pub tags: Vec<String>,
    pub options: Attributes,
    pub extra: Attributes,
    pub generation: i64,
}

impl Project {
    /// The domain that it belongs to: its own for a domain.
    pub(crate) fn owning_domain(&self) -> DomainId {
        let own = || self.id.as_str().parse().ok();
        // A project's id is a valid domain id: both are the same kind of text.
        self.domain_id.clone().or_else(own).unwrap_or_else(DomainId::random)
    }
}
