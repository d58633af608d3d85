//! The authorization code flow with PKCE, for browsers.

use super::{
    Oidc,
    jwt::{Claims, Expected},
};
use crate::federation::assertion::{Journey, ProofError};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use controller_base::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// What the answer must match.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    nonce: String,
    verifier: String,
}

fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

impl Oidc {
    /// Where a browser is sent.
    pub(super) async fn authorization_request(&self, callback: &str, state: &str) -> Result<Journey, ProofError> {
        let discovery = self.metadata.discovery(&self.fetch, &self.config).await?;
        let missing = || ProofError::Unavailable("the provider has no authorization endpoint".to_owned());
        let url = discovery.authorization_endpoint.as_deref().ok_or_else(missing)?;
        let mut url = super::fetch::address(url).map_err(ProofError::Unavailable)?;
        let memory = Memory { nonce: random(), verifier: random() };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&memory.verifier));
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.config.client_id),
            ("redirect_uri", callback),
            ("scope", &self.config.scopes.join(" ")),
            ("state", state),
            ("nonce", &memory.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let memory = serde_json::to_value(memory).map_err(|error| ProofError::Unavailable(error.to_string()))?;
        Ok(Journey { location: url.into(), memory })
    }

    /// Who came back with a code.
    pub(super) async fn by_code(
        &self,
        answer: &HashMap<String, String>,
        callback: &str,
        memory: &Value,
        now: Timestamp,
    ) -> Result<Claims, ProofError> {
        let refused = |reason: &str| ProofError::Refused(reason.to_owned());
        if let Some(error) = answer.get("error") {
            return Err(refused(&format!("the provider answers {:?}", error.chars().take(64).collect::<String>())));
        }
        // RFC 9207: where the answer names its issuer, it is this one.
        if answer.get("iss").is_some_and(|issuer| *issuer != self.config.issuer) {
            return Err(refused("the answer is another issuer's"));
        }
        let memory = Memory::deserialize(memory).map_err(|_| refused("the browser was sent off by something else"))?;
        let code = answer.get("code").ok_or_else(|| refused("the answer has no code"))?;
        let discovery = self.metadata.discovery(&self.fetch, &self.config).await?;
        let missing = || ProofError::Unavailable("the provider has no token endpoint".to_owned());
        let url = discovery.token_endpoint.as_deref().ok_or_else(missing)?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", callback),
            ("code_verifier", &memory.verifier),
        ];
        let client = (self.config.client_id.as_str(), &self.config.client_secret);
        let given = self.fetch.post(url, &form, client).await?;
        let token = |name: &str| given.get(name).and_then(Value::as_str);
        let id_token = token("id_token").ok_or_else(|| refused("the provider gave no ID token"))?;
        let expected = Expected { audiences: vec![&self.config.client_id], nonce: Some(&memory.nonce) };
        let claims = self.verified(id_token, &expected, now).await?;
        match token("access_token").filter(|_| discovery.userinfo_endpoint.is_some()) {
            Some(access) => self.with_userinfo(claims, access).await,
            None => Ok(claims),
        }
    }
}
