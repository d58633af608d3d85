//! Bodies of `/v3/credentials` and `/v3/policies`.

use super::{Credential, PolicyBlob};
use crate::{IdentityError, wire::Attributes};
use controller_base::id::UserId;
use controller_web::{BaseUrl, TokenInfo, body::maybe_null, token::Delegation};
use serde::Deserialize;
use serde_json::{Value, json};

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
        let was = credential.kind.clone();
        credential.kind = self.kind.unwrap_or(credential.kind);
        if credential.kind == "ec2" && credential.project_id.is_none() {
            return Err(IdentityError::invalid("'project_id' is a required property"));
        }
        if let Some(blob) = self.blob {
            if was == "ec2" {
                keeps_scope(&credential.blob, &blob)?;
            }
            credential.blob = blob;
        }
        crate::wire::merge(&mut credential.extra, self.extra);
        Ok(credential)
    }
}

/// What binds an access key to the token that made it.
const BINDINGS: [&str; 4] = ["trust_id", "app_cred_id", "access_token_id", "access_id"];

fn keeps_scope(old: &str, new: &str) -> Result<(), IdentityError> {
    let (old, new) = (blob(old)?, blob(new)?);
    match BINDINGS.iter().find(|key| old.get(**key) != new.get(**key)) {
        Some(key) => Err(IdentityError::invalid(format!("{key} can not be updated for credential"))),
        None => Ok(()),
    }
}

/// The blob of an EC2 credential: an object with an access key.
fn blob(text: &str) -> Result<Value, IdentityError> {
    let value: Value = serde_json::from_str(text).map_err(|_| IdentityError::invalid("Invalid blob in credential"))?;
    if value.get("access").is_none_or(|access| !access.is_string()) {
        return Err(IdentityError::invalid("Invalid blob in credential"));
    }
    Ok(value)
}

impl Credential {
    /// An access key that was made with a delegated token gives tokens of the same delegation.
    pub(crate) fn bound_to(mut self, token: &TokenInfo) -> Result<Self, IdentityError> {
        let (key, id) = match &token.delegation {
            None => return Ok(self),
            Some(Delegation::Trust(trust)) => ("trust_id", trust.id.as_str()),
            Some(Delegation::ApplicationCredential(credential)) => ("app_cred_id", credential.id.as_str()),
        };
        let mut blob = blob(&self.blob)?;
        blob[key] = id.into();
        self.blob = blob.to_string();
        Ok(self)
    }
}

/// An EC2 credential is found by its access key: its id is that key's SHA-256.
fn id(kind: &str, blob: &str) -> Result<String, IdentityError> {
    if kind != "ec2" {
        return Ok(UserId::random().to_string());
    }
    let blob = self::blob(blob)?;
    Ok(crate::ec2::credential_id(blob["access"].as_str().unwrap_or_default()))
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
