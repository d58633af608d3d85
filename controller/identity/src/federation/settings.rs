//! What an operator sets of federation in the controller's configuration.

use super::{
    assertion::{FederationProtocol, ProofError, Protocols},
    oidc::{Oidc, OidcConfig},
};
use serde::Deserialize;
use std::{collections::HashMap, sync::Arc};

/// Section `identity.federation`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FederationConfig {
    /// Addresses to which a browser may be sent back with a token, whole: `https://horizon.example.org/auth/websso/`.
    pub trusted_dashboards: Vec<String>,
    /// Minutes for which memberships that a mapping gives outlive the token, where the provider says nothing; 0: they do not.
    pub default_authorization_ttl: i64,
    /// The attribute that names the identity provider, where its protocol names none: `HTTP_OIDC_ISS`.
    pub remote_id_attribute: String,
}

/// The same, ready for use.
#[derive(Clone, Debug, Default)]
pub struct FederationSettings {
    /// The protocols that are configured.
    pub protocols: Protocols,
    /// Where browsers may be sent back to.
    pub trusted_dashboards: Vec<String>,
    /// Minutes.
    pub default_authorization_ttl: i64,
    /// The attribute that names the provider.
    pub remote_id_attribute: Option<String>,
}

impl FederationSettings {
    /// From the sections `identity.federation` and `identity.oidc.<name>`.
    ///
    /// # Errors
    /// When a section makes no sense; the text names it.
    pub fn read(general: FederationConfig, oidc: HashMap<String, OidcConfig>) -> Result<Self, ProofError> {
        let mut protocols: Vec<(_, Arc<dyn FederationProtocol>)> = Vec::new();
        for (name, config) in oidc {
            let wrong = |reason: String| ProofError::Refused(format!("identity.oidc.{name}: {reason}"));
            let provider = config.identity_provider.parse().map_err(|_| wrong("identity_provider".to_owned()))?;
            let protocol = config.protocol.parse().map_err(|_| wrong("protocol".to_owned()))?;
            let key = (provider, protocol);
            if protocols.iter().any(|(known, _)| *known == key) {
                return Err(wrong("another section has this provider and protocol".to_owned()));
            }
            let oidc = Oidc::new(config).map_err(|error| wrong(error.to_string()))?;
            protocols.push((key, Arc::new(oidc)));
        }
        Ok(Self {
            protocols: Protocols::new(protocols),
            trusted_dashboards: general.trusted_dashboards.iter().map(|origin| lower_host(origin)).collect(),
            default_authorization_ttl: general.default_authorization_ttl,
            remote_id_attribute: Some(general.remote_id_attribute).filter(|name| !name.is_empty()),
        })
    }

    /// Whether a browser may be sent there with a token.
    #[must_use]
    pub fn trusts(&self, origin: &str) -> bool {
        self.trusted_dashboards.contains(&lower_host(origin))
    }
}

/// Host names do not tell case apart, paths do.
fn lower_host(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    format!("{}://{}{}", scheme.to_ascii_lowercase(), rest[..end].to_ascii_lowercase(), &rest[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_dashboards_are_trusted() {
        let general = FederationConfig {
            trusted_dashboards: vec!["https://Horizon.test/auth/websso/".to_owned()],
            ..FederationConfig::default()
        };
        let settings = FederationSettings::read(general, HashMap::new()).unwrap();
        assert!(settings.trusts("https://horizon.TEST/auth/websso/"));
        for other in [
            "https://horizon.test/auth/websso",
            "https://horizon.test/Auth/websso/",
            "http://horizon.test/auth/websso/",
            "https://horizon.test.evil.test/auth/websso/",
            "",
        ] {
            assert!(!settings.trusts(other), "{other}");
        }
    }

    #[test]
    fn a_section_that_makes_no_sense_is_named() {
        let good = OidcConfig {
            identity_provider: "acme".to_owned(),
            issuer: "https://idp.test".to_owned(),
            client_id: "cloud".to_owned(),
            ..OidcConfig::default()
        };
        let read = |sections: Vec<OidcConfig>| {
            let named = sections.into_iter().enumerate().map(|(i, section)| (format!("s{i}"), section)).collect();
            FederationSettings::read(FederationConfig::default(), named)
        };
        assert!(read(vec![good.clone()]).is_ok());
        assert!(read(vec![good.clone(), good.clone()]).is_err());
        assert!(read(vec![OidcConfig { issuer: "http://idp.test".to_owned(), ..good.clone() }]).is_err());
        let unnamed = read(vec![OidcConfig { client_id: String::new(), ..good }]).unwrap_err().to_string();
        assert!(unnamed.contains("identity.oidc.s0") && unnamed.contains("client_id"), "{unnamed}");
    }
}
