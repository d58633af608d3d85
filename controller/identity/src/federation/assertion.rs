//! What a protocol of federation is: something that checks a proof which an identity provider gave, and tells what it says.

use super::mapping::rules::Attributes;
use crate::IdentityError;
use async_trait::async_trait;
use controller_base::{
    Timestamp,
    id::{FederationProtocolId, IdentityProviderId},
};
use std::{collections::HashMap, fmt, sync::Arc};

/// What an identity provider says of somebody, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assertion {
    /// The attributes for the mapping rules.
    pub attributes: Attributes,
    /// The user's name where rules name none.
    pub remote_user: Option<String>,
}

/// Why a proof was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// It proves nothing; the text is for the log.
    #[error("the proof is refused: {0}")]
    Refused(String),
    /// The identity provider could not be asked.
    #[error("the identity provider does not answer as it should: {0}")]
    Unavailable(String),
}

impl From<ProofError> for IdentityError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Refused(reason) => {
                tracing::info!(reason, "federated login refused");
                Self::Unauthorized("the identity provider's proof is refused")
            }
            ProofError::Unavailable(reason) => Self::Internal(reason),
        }
    }
}

/// A browser on its way to the identity provider.
#[derive(Clone, Debug)]
pub struct Journey {
    /// Where it is sent.
    pub location: String,
    /// What the answer must match; it comes back sealed.
    pub memory: serde_json::Value,
}

/// A protocol at one identity provider. Called by the login alone, after the provider was found to be enabled.
#[async_trait]
pub trait FederationProtocol: Send + Sync + fmt::Debug {
    /// What the text of an `Authorization` header proves at `now`.
    async fn by_header(&self, authorization: &str, now: Timestamp) -> Result<Assertion, ProofError>;

    /// Sends a browser off; the provider shall answer to `callback` with `state`.
    async fn send_off(&self, callback: &str, state: &str) -> Result<Journey, ProofError>;

    /// What the query of the provider's answer proves, for a browser that was sent off with this memory.
    async fn by_answer(
        &self,
        answer: &HashMap<String, String>,
        callback: &str,
        memory: &serde_json::Value,
        now: Timestamp,
    ) -> Result<Assertion, ProofError>;
}

/// The protocols that this controller's configuration knows, by identity provider and protocol.
#[derive(Clone, Debug, Default)]
pub struct Protocols(Arc<HashMap<(IdentityProviderId, FederationProtocolId), Arc<dyn FederationProtocol>>>);

impl Protocols {
    /// These.
    #[must_use]
    pub fn new(
        known: impl IntoIterator<Item = ((IdentityProviderId, FederationProtocolId), Arc<dyn FederationProtocol>)>,
    ) -> Self {
        Self(Arc::new(known.into_iter().collect()))
    }

    /// The protocol of a provider.
    #[must_use]
    pub fn get(
        &self,
        provider: &IdentityProviderId,
        protocol: &FederationProtocolId,
    ) -> Option<Arc<dyn FederationProtocol>> {
        self.0.get(&(provider.clone(), protocol.clone())).cloned()
    }

    /// The providers that have a protocol of this name.
    #[must_use]
    pub fn providers(&self, protocol: &FederationProtocolId) -> Vec<IdentityProviderId> {
        self.0.keys().filter(|(_, name)| name == protocol).map(|(provider, _)| provider.clone()).collect()
    }
}
