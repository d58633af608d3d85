//! Bodies of `/v3/OS-TRUST/trusts`.

use super::{Trust, service::NewTrust};
use crate::{IdentityError, app_credential::RoleName};
use controller_base::{
    Timestamp,
    id::{RoleId, UserId},
};
use controller_web::BaseUrl;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    pub trust: Fields,
}

/// Of a new trust.
#[derive(Debug, Deserialize)]
pub(crate) struct Fields {
    pub trustor_user_id: String,
    trustee_user_id: String,
    impersonation: bool,
    project_id: Option<String>,
    remaining_uses: Option<i64>,
    expires_at: Option<String>,
    allow_redelegation: Option<bool>,
    redelegation_count: Option<i64>,
    #[serde(default)]
    pub roles: Vec<RoleName>,
}

impl Fields {
    /// A new trust with these roles.
    pub(crate) fn into_trust(self, roles: Vec<RoleId>, now: Timestamp) -> Result<NewTrust, IdentityError> {
        let least = |name: &str, least: i64, number: Option<i64>| match number {
            Some(number) if number < least => Err(IdentityError::invalid(format!(
                "Invalid input for field '{name}': {number} is less than the minimum of {least}"
            ))),
            other => Ok(other),
        };
        let project = self.project_id.filter(|id| !id.is_empty());
        let trust = Trust {
            id: UserId::random().to_string(),
            trustor: self.trustor_user_id.parse()?,
            trustee: self.trustee_user_id.parse()?,
            project_id: project.map(|id| id.parse()).transpose()?,
            impersonation: self.impersonation,
            expires_at: crate::app_credential::end(self.expires_at.as_deref(), now)?,
            remaining_uses: least("remaining_uses", 1, self.remaining_uses)?,
            redelegated_trust_id: None,
            redelegation_count: 0,
            roles,
        };
        if trust.project_id.is_some() && trust.roles.is_empty() {
            return Err(IdentityError::forbidden_action("At least one role should be specified"));
        }
        Ok(NewTrust {
            trust,
            allow_redelegation: self.allow_redelegation.unwrap_or(false),
            redelegation_count: least("redelegation_count", 0, self.redelegation_count)?,
        })
    }
}

/// `{"trust": ..}` without the key; lists show no roles.
pub(crate) fn render(trust: &Trust, roles: Option<Vec<Value>>, url: &BaseUrl) -> Value {
    let path = format!("/v3/OS-TRUST/trusts/{}", trust.id);
    let mut body = json!({
        "id": trust.id, "trustor_user_id": trust.trustor, "trustee_user_id": trust.trustee,
        "project_id": trust.project_id, "impersonation": trust.impersonation,
        "expires_at": trust.expires_at.map(Timestamp::micros_z), "remaining_uses": trust.remaining_uses,
        "redelegated_trust_id": trust.redelegated_trust_id, "redelegation_count": trust.redelegation_count,
        "deleted_at": null, "links": {"self": url.join(&path)},
    });
    if let Some(roles) = roles {
        body["roles"] = roles.into();
        body["roles_links"] = controller_web::paging::whole(&url.join(&format!("{path}/roles")));
    }
    body
}
