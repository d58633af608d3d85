//! Bodies of `/v3/projects` and `/v3/domains`.

use super::{Project, service::ProjectChange};
use crate::{IdentityError, wire::Attributes};
use controller_base::id::{DomainId, ProjectId};
use controller_web::{BaseUrl, body::maybe_null};
use serde::Deserialize;
use serde_json::{Value, json};

const LONGEST_NAME: usize = 64;
const LONGEST_TAG: usize = 255;
const MOST_TAGS: usize = 80;

#[derive(Debug, Deserialize)]
pub(crate) struct Create {
    pub project: Fields,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CreateDomain {
    pub domain: Fields,
}

/// Of a new project, a new domain, or a change.
#[derive(Debug, Deserialize)]
pub(crate) struct Fields {
    name: Option<String>,
    #[serde(default, deserialize_with = "maybe_null")]
    description: Option<Option<String>>,
    enabled: Option<bool>,
    #[serde(default)]
    pub domain_id: Option<String>,
    #[serde(default)]
    parent_id: Option<String>,
    is_domain: Option<bool>,
    tags: Option<Vec<String>>,
    options: Option<Attributes>,
    explicit_domain_id: Option<String>,
    #[serde(flatten)]
    extra: Attributes,
}

impl Fields {
    /// A new project; `default_domain` is that of the caller.
    pub(crate) fn into_project(mut self, default_domain: Option<&DomainId>) -> Result<Project, IdentityError> {
        if self.is_domain == Some(true) {
            if self.domain_id.is_some() || self.parent_id.is_some() {
                let reason = "only root projects are allowed to act as domains.";
                return Err(IdentityError::invalid(format!("Cannot create the project as a domain: {reason}")));
            }
            return self.into_domain();
        }
        let given: Option<DomainId> = self.domain_id.take().map(|id| id.parse()).transpose()?;
        let missing = || IdentityError::invalid("A project needs a domain_id.");
        let domain = given.or_else(|| default_domain.cloned()).ok_or_else(missing)?;
        let parent = self.parent_id.take().unwrap_or_else(|| domain.to_string()).parse()?;
        self.finish(ProjectId::random(), Some(domain), Some(parent))
    }

    /// A new domain.
    pub(crate) fn into_domain(mut self) -> Result<Project, IdentityError> {
        let id = self.explicit_domain_id.take().map_or(Ok(ProjectId::random()), |id| id.parse())?;
        self.finish(id, None, None)
    }

    fn finish(
        self,
        id: ProjectId,
        domain_id: Option<DomainId>,
        parent_id: Option<ProjectId>,
    ) -> Result<Project, IdentityError> {
        let name = self.name.ok_or_else(|| IdentityError::invalid("'name' is a required property"))?;
        Ok(Project {
            id,
            is_domain: domain_id.is_none(),
            domain_id,
            parent_id,
            name: crate::wire::name("name", &name, LONGEST_NAME)?,
            description: self.description.flatten().unwrap_or_default(),
            enabled: self.enabled.unwrap_or(true),
            tags: tags(self.tags.unwrap_or_default())?,
            options: {
                crate::wire::immutable_option(self.options.as_ref())?;
                self.options.unwrap_or_default()
            },
            extra: self.extra,
            generation: 1,
        })
    }

    /// A change; what must stay the same may be repeated.
    pub(crate) fn into_change(self, project: &Project) -> Result<ProjectChange, IdentityError> {
        let same = |given: &Option<String>, stored: Option<&str>| given.is_none() || given.as_deref() == stored;
        if !same(&self.domain_id, project.domain_id.as_ref().map(DomainId::as_str)) {
            return Err(IdentityError::invalid("Cannot change Domain ID"));
        }
        if !same(&self.parent_id, project.parent_id.as_ref().map(ProjectId::as_str)) {
            return Err(IdentityError::Forbidden("Update of `parent_id` is not allowed.".to_owned()));
        }
        if self.is_domain.is_some_and(|is_domain| is_domain != project.is_domain) {
            return Err(IdentityError::invalid("Update of `is_domain` is not allowed."));
        }
        crate::wire::immutable_option(self.options.as_ref())?;
        Ok(ProjectChange {
            name: self.name.map(|name| crate::wire::name("name", &name, LONGEST_NAME)).transpose()?,
            description: self.description.map(Option::unwrap_or_default),
            enabled: self.enabled,
            tags: self.tags.map(tags).transpose()?,
            options: self.options,
            extra: self.extra,
        })
    }
}

/// Tags that a project may have.
pub(crate) fn tags(mut tags: Vec<String>) -> Result<Vec<String>, IdentityError> {
    tags.sort();
    let count = tags.len();
    tags.dedup();
    if tags.len() < count {
        return Err(IdentityError::invalid("Invalid input for field 'tags': the tags have non-unique elements"));
    }
    if tags.len() > MOST_TAGS {
        return Err(IdentityError::invalid(format!("A project has at most {MOST_TAGS} tags.")));
    }
    for tag in &tags {
        if tag.is_empty() || tag.chars().count() > LONGEST_TAG || tag.contains([',', '/']) {
            return Err(IdentityError::invalid(format!("Invalid tag: '{tag}'")));
        }
    }
    Ok(tags)
}

/// `{"project": ..}` without the key.
pub(crate) fn render(project: &Project, url: &BaseUrl) -> Value {
    let body = json!({
        "id": project.id, "name": project.name, "description": project.description, "enabled": project.enabled,
        "domain_id": project.domain_id, "parent_id": project.parent_id, "is_domain": project.is_domain,
        "tags": project.tags, "options": project.options,
    });
    crate::wire::with_link(body, &project.extra, url, "projects", project.id.as_str())
}

/// `{"domain": ..}` without the key.
pub(crate) fn render_domain(domain: &Project, url: &BaseUrl) -> Value {
    let body = json!({
        "id": domain.id, "name": domain.name, "description": domain.description, "enabled": domain.enabled,
        "tags": domain.tags, "options": domain.options,
    });
    crate::wire::with_link(body, &domain.extra, url, "domains", domain.id.as_str())
}
