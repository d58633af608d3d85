//! Bodies of application credentials and access rules.

use super::ApplicationCredential;
use crate::IdentityError;
use controller_base::{Secret, Timestamp, id::UserId};
use controller_web::{BaseUrl, token::AccessRule};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    pub application_credential: Fields,
}

/// Of a new credential.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fields {
    pub name: String,
    pub description: Option<String>,
    pub secret: Option<Secret>,
    pub expires_at: Option<String>,
    pub unrestricted: Option<bool>,
    #[serde(default)]
    pub roles: Vec<RoleName>,
    pub access_rules: Option<Vec<RuleFields>>,
    /// The caller's project counts.
    #[serde(rename = "project_id")]
    _project_id: Option<String>,
    #[serde(rename = "id")]
    _id: Option<String>,
    #[serde(rename = "system")]
    _system: Option<String>,
}

/// A role as a request names one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleName {
    pub id: Option<String>,
    pub name: Option<String>,
}

/// An access rule: its words, or the id of one that is there.
#[derive(Debug, Deserialize)]
pub(crate) struct RuleFields {
    pub id: Option<String>,
    service: Option<String>,
    path: Option<String>,
    method: Option<String>,
}

const METHODS: [&str; 6] = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"];
const LONGEST_PATH: usize = 225;
const LONGEST_SERVICE: usize = 64;

impl RuleFields {
    pub(crate) fn read(self) -> Result<AccessRule, IdentityError> {
        let refuse = |field: &str| {
            IdentityError::invalid(format!("Invalid input for field 'access_rules': '{field}' is missing or malformed"))
        };
        let path = self.path.filter(|path| path.starts_with('/') && path.chars().count() <= LONGEST_PATH);
        let word = |text: &String| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=LONGEST_SERVICE).contains(&text.len()) && text.bytes().all(plain)
        };
        Ok(AccessRule {
            id: UserId::random().to_string(),
            service: self.service.filter(word).ok_or_else(|| refuse("service"))?,
            path: path.ok_or_else(|| refuse("path"))?,
            method: self.method.filter(|method| METHODS.contains(&method.as_str())).ok_or_else(|| refuse("method"))?,
        })
    }
}

/// When something shall end: a moment to come.
pub(crate) fn end(text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, IdentityError> {
    let Some(text) = text else { return Ok(None) };
    let malformed = "Timestamp not in expected format. The server could not comply with the request since it is either \
                     malformed or otherwise incorrect. The client is assumed to be in error.";
    let end = Timestamp::parse(text).ok_or_else(|| IdentityError::invalid(malformed))?;
    let past = "The 'expires_at' must not be before now. The server could not comply with the request since it is either \
                malformed or otherwise incorrect. The client is assumed to be in error.";
    if end < now { Err(IdentityError::invalid(past)) } else { Ok(Some(end)) }
}

/// `{"application_credential": ..}` without the key; `roles` are rendered already.
pub(crate) fn render(credential: &ApplicationCredential, roles: &[Value], url: &BaseUrl) -> Value {
    let path = format!("/v3/users/{}/application_credentials/{}", credential.user_id, credential.id);
    let mut body = json!({
        "id": credential.id, "name": credential.name, "description": credential.description,
        "user_id": credential.user_id, "project_id": credential.project_id, "system": null, "roles": roles,
        "expires_at": credential.expires_at.map(Timestamp::micros_naive), "unrestricted": credential.unrestricted,
        "links": {"self": url.join(&path)},
    });
    if let Some(rules) = &credential.access_rules {
        body["access_rules"] = rules.iter().map(bare_rule).collect();
    }
    body
}

/// As credentials and tokens show it.
pub(crate) fn bare_rule(rule: &AccessRule) -> Value {
    json!({"id": rule.id, "service": rule.service, "path": rule.path, "method": rule.method})
}

/// `{"access_rule": ..}` without the key.
pub(crate) fn render_rule(rule: &AccessRule, user: &UserId, url: &BaseUrl) -> Value {
    let mut body = bare_rule(rule);
    body["links"] = json!({"self": url.join(&format!("/v3/users/{user}/access_rules/{}", rule.id))});
    body
}
