//! Bodies of `/v3/users`.

use super::{User, service::UserChange};
use crate::{IdentityError, wire::Attributes};
use controller_base::{
    Secret, Timestamp,
    id::{DomainId, ProjectId, UserId},
};
use controller_web::{BaseUrl, body::maybe_null};
use serde::Deserialize;
use serde_json::{Value, json};

const LONGEST_NAME: usize = 255;

#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    pub user: Fields,
}

/// Of a new user or a change.
#[derive(Debug, Deserialize)]
pub(crate) struct Fields {
    name: Option<String>,
    domain_id: Option<String>,
    enabled: Option<bool>,
    #[serde(default, deserialize_with = "maybe_null")]
    default_project_id: Option<Option<String>>,
    #[serde(default, deserialize_with = "maybe_null")]
    password: Option<Option<Secret>>,
    options: Option<Attributes>,
    #[serde(flatten)]
    extra: Attributes,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PasswordBody {
    pub user: PasswordFields,
}

/// Of a change of one's own password.
#[derive(Debug, Deserialize)]
pub(crate) struct PasswordFields {
    pub original_password: Secret,
    pub password: Secret,
}

impl Fields {
    /// A new user, and its password.
    pub(crate) fn into_user(
        mut self,
        default_domain: Option<&DomainId>,
        now: Timestamp,
    ) -> Result<(User, Option<Secret>), IdentityError> {
        let name = self.name.ok_or_else(|| IdentityError::invalid("'name' is a required property"))?;
        let given: Option<DomainId> = self.domain_id.map(|id| id.parse()).transpose()?;
        let missing = || IdentityError::invalid("A user needs a domain_id.");
        clean(&mut self.extra);
        let user = User {
            id: UserId::random(),
            domain_id: given.or_else(|| default_domain.cloned()).ok_or_else(missing)?,
            name: crate::wire::name("name", &name, LONGEST_NAME)?,
            enabled: self.enabled.unwrap_or(true),
            default_project_id: self.default_project_id.flatten().map(|id| id.parse::<ProjectId>()).transpose()?,
            password_hash: None,
            password_changed_at: None,
            password_expires_at: None,
            options: checked(self.options)?.unwrap_or_default(),
            extra: self.extra,
            created_at: now,
            generation: 1,
        };
        Ok((user, self.password.flatten()))
    }

    /// A change; the domain may be repeated.
    pub(crate) fn into_change(mut self, user: &User) -> Result<UserChange, IdentityError> {
        if self.domain_id.is_some_and(|id| id != user.domain_id.as_str()) {
            return Err(IdentityError::invalid("Cannot change Domain ID"));
        }
        clean(&mut self.extra);
        let project = |id: Option<String>| id.map(|id| id.parse::<ProjectId>()).transpose();
        Ok(UserChange {
            name: self.name.map(|name| crate::wire::name("name", &name, LONGEST_NAME)).transpose()?,
            enabled: self.enabled,
            default_project_id: self.default_project_id.map(project).transpose()?,
            password: self.password,
            options: checked(self.options)?,
            extra: self.extra,
        })
    }
}

fn checked(options: Option<Attributes>) -> Result<Option<Attributes>, IdentityError> {
    options.iter().try_for_each(super::options::check)?;
    Ok(options)
}

/// Attributes that only the service sets.
fn clean(extra: &mut Attributes) {
    for key in ["id", "links", "password_expires_at", "password_hash"] {
        extra.remove(key);
    }
}

/// `{"user": ..}` without the key.
pub(crate) fn render(user: &User, url: &BaseUrl) -> Value {
    let mut body = json!({
        "id": user.id, "name": user.name, "domain_id": user.domain_id, "enabled": user.enabled,
        "options": user.options, "password_expires_at": user.password_expires_at.map(Timestamp::micros_naive),
    });
    if let Some(project) = &user.default_project_id {
        body["default_project_id"] = project.as_str().into();
    }
    crate::wire::with_link(body, &user.extra, url, "users", user.id.as_str())
}
