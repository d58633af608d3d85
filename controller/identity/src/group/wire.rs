//! Bodies of `/v3/groups`.

use super::{Group, service::GroupChange};
use crate::{IdentityError, wire::Attributes};
use controller_base::id::{DomainId, GroupId};
use controller_web::{BaseUrl, body::maybe_null};
use serde::Deserialize;
use serde_json::{Value, json};

const LONGEST_NAME: usize = 64;

#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    pub group: Fields,
}

/// Of a new group or a change.
#[derive(Debug, Deserialize)]
pub(crate) struct Fields {
    name: Option<String>,
    domain_id: Option<String>,
    #[serde(default, deserialize_with = "maybe_null")]
    description: Option<Option<String>>,
    #[serde(flatten)]
    extra: Attributes,
}

impl Fields {
    /// A new group.
    pub(crate) fn into_group(self, default_domain: Option<&DomainId>) -> Result<Group, IdentityError> {
        let name = self.name.ok_or_else(|| IdentityError::invalid("'name' is a required property"))?;
        let given: Option<DomainId> = self.domain_id.map(|id| id.parse()).transpose()?;
        let missing = || IdentityError::invalid("A group needs a domain_id.");
        Ok(Group {
            id: GroupId::random(),
            domain_id: given.or_else(|| default_domain.cloned()).ok_or_else(missing)?,
            name: crate::wire::name("name", &name, LONGEST_NAME)?,
            description: self.description.flatten().unwrap_or_default(),
            extra: self.extra,
            generation: 1,
        })
    }

    /// A change; the domain may be repeated.
    pub(crate) fn into_change(self, group: &Group) -> Result<GroupChange, IdentityError> {
        if self.domain_id.is_some_and(|id| id != group.domain_id.as_str()) {
            return Err(IdentityError::invalid("Cannot change Domain ID"));
        }
        Ok(GroupChange {
            name: self.name.map(|name| crate::wire::name("name", &name, LONGEST_NAME)).transpose()?,
            description: self.description.map(Option::unwrap_or_default),
            extra: self.extra,
        })
    }
}

/// `{"group": ..}` without the key.
pub(crate) fn render(group: &Group, url: &BaseUrl) -> Value {
    let body = json!({
        "id": group.id, "name": group.name, "domain_id": group.domain_id, "description": group.description,
    });
    crate::wire::with_link(body, &group.extra, url, "groups", group.id.as_str())
}
