//! Bodies of `/v3/credentials` and `/v3/policies`.

use super::{Credential, PolicyBlob};
use crate::{IdentityError, wire::Attributes};
use controller_base::id::UserId;
use controller_web::{BaseUrl, body::maybe_null};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    pub credential: Fields,
}

/// Of a new credential or a change.
#[derive(Debug, Deserialize)]
pub(crate) struct Fields {
    user_id: Option<String>,
    #[serde(default, deserialize_with = "maybe_null")]
    project_id: Option<Option<String>>,
    #[serde(rename = "type")]
    kind: Option<String>,
    blob: Option<String>,
    #[serde(flatten)]
    extra: Attributes,
}

impl Fields {
    /// A new credential; without a user it is the caller's.
    pub(crate) fn into_credential(self, caller: &UserId) -> Result<Credential, IdentityError> {
        let required = |name: &str| IdentityError::invalid(format!("'{name}' is a required property"));
        let kind = self.kind.ok_or_else(|| required("type"))?;
        let blob = self.blob.ok_or_else(|| required("blob"))?;
        let project_id = self.project_id.flatten().map(|id| id.parse()).transpose()?;
        if kind == "ec2" && project_id.is_none() {
            return Err(required("project_id"));
        }
        Ok(Credential {
            id: id(&kind, &blob)?,
            user_id: self.user_id.map_or_else(|| Ok(caller.clone()), |id| id.parse())?,
            project_id,
            kind,
            blob,
            extra: self.extra,
            generation: 1,
        })
    }

    pub(crate) fn change(self, mut credential: Credential) -> Result<Credential, IdentityError> {
        if self.user_id.is_some_and(|id| id != credential.user_id.as_str()) {
            return Err(IdentityError::Forbidden("A credential keeps its user.".to_owned()));
        }
        if let Some(project) = self.project_id {
            credential.project_id = project.map(|id| id.parse()).transpose()?;
        }
        credential.kind = self.kind.unwrap_or(credential.kind);
        credential.blob = self.blob.unwrap_or(credential.blob);
        crate::wire::merge(&mut credential.extra, self.extra);
        Ok(credential)
    }
}

/// An EC2 credential is found by its access key: its id is that key's SHA-256.
fn id(kind: &str, blob: &str) -> Result<String, IdentityError> {
    if kind != "ec2" {
        return Ok(UserId::random().to_string());
    }
    let blob: Value = serde_json::from_str(blob).map_err(|_| IdentityError::invalid("Invalid blob in credential"))?;
    let access = blob.get("access").and_then(Value::as_str);
    let access = access.ok_or_else(|| IdentityError::invalid("Invalid blob in credential"))?;
    Ok(Sha256::digest(access.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(crate) fn render(credential: &Credential, url: &BaseUrl) -> Value {
    let body = json!({
        "id": credential.id, "user_id": credential.user_id, "project_id": credential.project_id,
        "type": credential.kind, "blob": credential.blob,
    });
    crate::wire::with_link(body, &credential.extra, url, "credentials", &credential.id)
}

#[derive(Debug, Deserialize)]
pub(crate) struct PolicyBody {
    pub policy: PolicyFields,
}

/// Of a new policy blob or a change.
#[derive(Debug, Deserialize)]
pub(crate) struct PolicyFields {
    #[serde(rename = "type")]
    kind: Option<String>,
    blob: Option<String>,
    #[serde(flatten)]
    extra: Attributes,
}

impl PolicyFields {
    pub(crate) fn into_policy(self) -> Result<PolicyBlob, IdentityError> {
        let required = |name: &str| IdentityError::invalid(format!("'{name}' is a required property"));
        Ok(PolicyBlob {
            id: UserId::random().to_string(),
            kind: self.kind.ok_or_else(|| required("type"))?,
            blob: self.blob.ok_or_else(|| required("blob"))?,
            extra: self.extra,
            generation: 1,
        })
    }

    pub(crate) fn change(self, mut policy: PolicyBlob) -> PolicyBlob {
        policy.kind = self.kind.unwrap_or(policy.kind);
        policy.blob = self.blob.unwrap_or(policy.blob);
        crate::wire::merge(&mut policy.extra, self.extra);
        policy
    }
}

pub(crate) fn render_policy(policy: &PolicyBlob, url: &BaseUrl) -> Value {
    let body = json!({"id": policy.id, "type": policy.kind, "blob": policy.blob});
    crate::wire::with_link(body, &policy.extra, url, "policies", &policy.id)
}
