//! Bodies of `/v3/roles`.

use super::{Role, service::RoleChange};
use crate::{IdentityError, wire::Attributes};
use controller_base::id::RoleId;
use controller_web::{BaseUrl, body::maybe_null};
use serde::Deserialize;
use serde_json::{Value, json};

const LONGEST_NAME: usize = 255;

#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    pub role: Fields,
}

/// Of a new role or a change.
#[derive(Debug, Deserialize)]
pub(crate) struct Fields {
    name: Option<String>,
    domain_id: Option<String>,
    #[serde(default, deserialize_with = "maybe_null")]
    description: Option<Option<String>>,
    options: Option<Attributes>,
    #[serde(flatten)]
    extra: Attributes,
}

impl Fields {
    /// A new role.
    pub(crate) fn into_role(self) -> Result<Role, IdentityError> {
        let name = self.name.ok_or_else(|| IdentityError::invalid("'name' is a required property"))?;
        Ok(Role {
            id: RoleId::random(),
            domain_id: self.domain_id.map(|id| id.parse()).transpose()?,
            name: crate::wire::name("name", &name, LONGEST_NAME)?,
            description: self.description.flatten(),
            options: {
                crate::wire::immutable_option(self.options.as_ref())?;
                self.options.unwrap_or_default()
            },
            extra: self.extra,
            generation: 1,
        })
    }

    /// A change.
    pub(crate) fn into_change(self) -> Result<RoleChange, IdentityError> {
        crate::wire::immutable_option(self.options.as_ref())?;
        Ok(RoleChange {
            name: self.name.map(|name| crate::wire::name("name", &name, LONGEST_NAME)).transpose()?,
            description: self.description,
            options: self.options,
            extra: self.extra,
        })
    }
}

/// `{"role": ..}` without the key.
pub(crate) fn render(role: &Role, url: &BaseUrl) -> Value {
    let body = json!({
        "id": role.id, "name": role.name, "domain_id": role.domain_id, "description": role.description,
        "options": role.options,
    });
    crate::wire::with_link(body, &role.extra, url, "roles", role.id.as_str())
}
