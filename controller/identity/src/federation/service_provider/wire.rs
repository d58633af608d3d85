//! Bodies of `/v3/OS-FEDERATION/service_providers`, and the list in tokens.

use super::ServiceProvider;
use crate::IdentityError;
use controller_base::id::ServiceProviderId;
use controller_web::{BaseUrl, body::maybe_null};
use serde::Deserialize;
use serde_json::{Value, json};

/// Keystone's default.
const RELAY_STATE_PREFIX: &str = "ss:mem:";
/// Keystone's bound.
const LONGEST_URL: usize = 225;

/// Of a new service provider or a change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fields {
    auth_url: Option<String>,
    sp_url: Option<String>,
    #[serde(default, deserialize_with = "maybe_null")]
    description: Option<Option<String>>,
    enabled: Option<bool>,
    #[serde(default, deserialize_with = "maybe_null")]
    relay_state_prefix: Option<Option<String>>,
}

impl Fields {
    /// A new service provider.
    pub(crate) fn into_provider(self, id: ServiceProviderId) -> Result<ServiceProvider, IdentityError> {
        let needed = |name: &str, given: Option<String>| {
            let given = given.ok_or_else(|| IdentityError::invalid(format!("'{name}' is a required property")))?;
            url(name, given)
        };
        Ok(ServiceProvider {
            id,
            auth_url: needed("auth_url", self.auth_url)?,
            sp_url: needed("sp_url", self.sp_url)?,
            description: self.description.flatten(),
            enabled: self.enabled.unwrap_or(false),
            relay_state_prefix: self.relay_state_prefix.unwrap_or_else(|| Some(RELAY_STATE_PREFIX.to_owned())),
            generation: 1,
        })
    }

    /// The service provider as it shall be.
    pub(crate) fn apply(self, provider: &mut ServiceProvider) -> Result<(), IdentityError> {
        if let Some(given) = self.auth_url {
            provider.auth_url = url("auth_url", given)?;
        }
        if let Some(given) = self.sp_url {
            provider.sp_url = url("sp_url", given)?;
        }
        provider.enabled = self.enabled.unwrap_or(provider.enabled);
        provider.description = self.description.unwrap_or_else(|| provider.description.take());
        provider.relay_state_prefix = self.relay_state_prefix.unwrap_or_else(|| provider.relay_state_prefix.take());
        Ok(())
    }
}

fn url(name: &str, given: String) -> Result<String, IdentityError> {
    let scheme = given.strip_prefix("https://").or_else(|| given.strip_prefix("http://"));
    let well_formed = scheme.is_some_and(|rest| !rest.is_empty()) && given.parse::<http::Uri>().is_ok();
    if well_formed && given.len() <= LONGEST_URL {
        return Ok(given);
    }
    Err(IdentityError::invalid(format!(
        "Invalid input for field '{name}': {given:?} is no URL of at most 225 characters"
    )))
}

/// `{"service_provider": ..}` without the key.
pub(crate) fn render(provider: &ServiceProvider, url: &BaseUrl) -> Value {
    json!({
        "id": provider.id, "auth_url": provider.auth_url, "sp_url": provider.sp_url, "enabled": provider.enabled,
        "description": provider.description, "relay_state_prefix": provider.relay_state_prefix,
        "links": {"self": url.join(&format!("/v3/OS-FEDERATION/service_providers/{}", provider.id))},
    })
}

/// As tokens list it.
pub(crate) fn in_token(provider: &ServiceProvider) -> Value {
    json!({"id": provider.id, "auth_url": provider.auth_url, "sp_url": provider.sp_url})
}
