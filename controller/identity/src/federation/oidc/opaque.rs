//! Access tokens that only the provider can read: it is asked.

use super::{
    Oidc, OpaqueTokens, ProofError,
    jwt::{self, Claims},
};
use controller_base::Timestamp;
use serde_json::Value;

fn refused(reason: &str) -> ProofError {
    ProofError::Refused(reason.to_owned())
}

fn claims(answer: Value) -> Result<Claims, ProofError> {
    match answer {
        Value::Object(claims) => Ok(claims),
        _ => Err(ProofError::Unavailable("the provider's answer is no JSON object".to_owned())),
    }
}

impl Oidc {
    pub(super) async fn opaque(&self, token: &str, now: Timestamp) -> Result<Claims, ProofError> {
        match self.config.opaque_tokens {
            OpaqueTokens::Refuse => Err(refused("the token is no JWT")),
            OpaqueTokens::Introspection => self.introspected(token, now).await,
            OpaqueTokens::Userinfo => {
                let mut claims = self.userinfo(token).await?;
                claims.insert("iss".to_owned(), self.config.issuer.clone().into());
                Ok(claims)
            }
        }
    }

    /// RFC 7662: it is active, has not ended, and was given to this client or is meant for it.
    async fn introspected(&self, token: &str, now: Timestamp) -> Result<Claims, ProofError> {
        let discovery = self.metadata.discovery(&self.fetch, &self.config).await?;
        let missing = || ProofError::Unavailable("the provider has no introspection".to_owned());
        let url = discovery.introspection_endpoint.as_deref().ok_or_else(missing)?;
        let form = [("token", token), ("token_type_hint", "access_token")];
        let client = (self.config.client_id.as_str(), &self.config.client_secret);
        let mut found = claims(self.fetch.post(url, &form, client).await?)?;
        if found.get("active") != Some(&Value::Bool(true)) {
            return Err(refused("the provider says that the token is not active"));
        }
        if found.get("exp").is_some_and(|end| !end.is_null()) {
            jwt::times(&found, now)?;
        }
        let issuer = found.get("iss").and_then(Value::as_str);
        if issuer.is_some_and(|issuer| issuer != self.config.issuer) {
            return Err(refused("the token is another issuer's"));
        }
        let given_to = found.get("client_id").and_then(Value::as_str);
        let meant_for = jwt::texts(found.get("aud"));
        let ours = |name: &&str| *name == self.config.client_id || self.config.audiences.iter().any(|own| own == name);
        if !given_to.iter().chain(&meant_for).any(ours) {
            return Err(refused("the token is meant for somebody else"));
        }
        found.insert("iss".to_owned(), self.config.issuer.clone().into());
        if self.config.userinfo { self.with_userinfo(found, token).await } else { Ok(found) }
    }

    /// What the provider says of the token's user.
    async fn userinfo(&self, token: &str) -> Result<Claims, ProofError> {
        let discovery = self.metadata.discovery(&self.fetch, &self.config).await?;
        let missing = || ProofError::Unavailable("the provider has no userinfo".to_owned());
        let url = discovery.userinfo_endpoint.as_deref().ok_or_else(missing)?;
        let found = claims(self.fetch.get(url, Some(token)).await?)?;
        if found.get("sub").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(refused("the provider does not say whose token it is"));
        }
        Ok(found)
    }

    /// These claims, and those that the provider knows beyond them of the same user.
    pub(super) async fn with_userinfo(&self, mut claims: Claims, token: &str) -> Result<Claims, ProofError> {
        let more = self.userinfo(token).await?;
        if claims.get("sub").is_some_and(|sub| Some(sub) != more.get("sub")) {
            return Err(refused("the provider speaks of another user"));
        }
        for (name, value) in more {
            claims.entry(name).or_insert(value);
        }
        Ok(claims)
    }
}
