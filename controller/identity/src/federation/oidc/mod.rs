//! OpenID Connect, checked by the controller itself: no web server's module stands in front.
//!
//! ```text
//!  client with a token of the provider --Authorization: Bearer--> JWT: signature, issuer, audience, time
//!                                                                 other: introspection or userinfo
//!  browser --websso--> provider --code--> callback --code, verifier--> ID token: the same, and the nonce
//! ```
//!
//! Invariants: only RS256, PS256 and ES256 are signatures, never `none` or a shared secret; a key signs only what its type can; what
//! is fetched comes over TLS (or from loopback), is bounded in size and time, and no redirect is followed.
//!
//! Sources: OpenID Connect Core 1.0 and Discovery 1.0, RFC 7515-7519, RFC 7636 (PKCE), RFC 7662 (introspection). The attributes are named
//! as mod_auth_openidc names them.

mod attributes;
mod code;
mod config;
mod fetch;
mod jwk;
mod jwt;
mod metadata;
mod opaque;

pub use config::{OidcConfig, OpaqueTokens};

use super::assertion::{Assertion, FederationProtocol, Journey, ProofError};
use async_trait::async_trait;
use controller_base::Timestamp;
use fetch::Fetch;
use jwt::{Claims, Expected};
use metadata::Metadata;
use serde_json::Value;
use std::collections::HashMap;

/// OpenID Connect at one provider.
#[derive(Debug)]
pub struct Oidc {
    config: OidcConfig,
    fetch: Fetch,
    metadata: Metadata,
}

impl Oidc {
    /// Nothing is fetched before the first login.
    ///
    /// # Errors
    /// When the configuration makes no sense or a certificate cannot be read.
    pub fn new(config: OidcConfig) -> Result<Self, ProofError> {
        config.check().map_err(ProofError::Refused)?;
        let fetch = Fetch::new(config.ca_file.as_deref())?;
        Ok(Self { metadata: Metadata::default(), config, fetch })
    }

    async fn by_token(&self, token: &str, now: Timestamp) -> Result<Claims, ProofError> {
        if !jwt::looks_like_one(token) {
            return self.opaque(token, now).await;
        }
        let audiences = self.config.audiences.iter().map(String::as_str).chain([self.config.client_id.as_str()]);
        let expected = Expected { audiences: audiences.collect(), nonce: None };
        let claims = self.verified(token, &expected, now).await?;
        if self.config.userinfo { self.with_userinfo(claims, token).await } else { Ok(claims) }
    }

    /// Checks a JWT; a key that is not known yet may have come since the keys were read.
    async fn verified(&self, token: &str, expected: &Expected<'_>, now: Timestamp) -> Result<Claims, ProofError> {
        let unverified = jwt::Unverified::read(token)?;
        let keys = self.metadata.keys(&self.fetch, &self.config, false).await?;
        let claims = match unverified.verify(&keys) {
            Err(jwt::KeyError::Unknown) => {
                let keys = self.metadata.keys(&self.fetch, &self.config, true).await?;
                unverified.verify(&keys)
            }
            other => other,
        };
        let claims = claims.map_err(|error| ProofError::Refused(error.to_string()))?;
        jwt::check(&claims, &self.config.issuer, expected, now)?;
        Ok(claims)
    }

    fn assertion(&self, claims: &Claims) -> Assertion {
        attributes::assertion(claims, &self.config)
    }
}

#[async_trait]
impl FederationProtocol for Oidc {
    async fn by_header(&self, authorization: &str, now: Timestamp) -> Result<Assertion, ProofError> {
        let (scheme, token) = authorization.split_once(' ').unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
            return Err(ProofError::Refused("no bearer token".to_owned()));
        }
        Ok(self.assertion(&self.by_token(token.trim(), now).await?))
    }

    async fn send_off(&self, callback: &str, state: &str) -> Result<Journey, ProofError> {
        self.authorization_request(callback, state).await
    }

    async fn by_answer(
        &self,
        answer: &HashMap<String, String>,
        callback: &str,
        memory: &Value,
        now: Timestamp,
    ) -> Result<Assertion, ProofError> {
        Ok(self.assertion(&self.by_code(answer, callback, memory, now).await?))
    }
}
