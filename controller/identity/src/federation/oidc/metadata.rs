//! What a provider says of itself, kept for a while: its discovery document and its keys.

use super::{OidcConfig, ProofError, fetch::Fetch, jwk::Keys};
use serde::Deserialize;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// How long both are kept.
const KEPT: Duration = Duration::from_secs(600);
/// How soon keys are read again for the sake of a key that is not known.
const SOONEST: Duration = Duration::from_secs(10);

/// What this controller uses of a discovery document.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Discovery {
    pub issuer: String,
    pub jwks_uri: String,
    pub authorization_endpoint: Option<String>,
    pub token_endpoint: Option<String>,
    pub userinfo_endpoint: Option<String>,
    pub introspection_endpoint: Option<String>,
}

/// The kept documents.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    discovery: Mutex<Option<(Instant, Arc<Discovery>)>>,
    keys: Mutex<Option<(Instant, Arc<Keys>)>>,
}

impl Metadata {
    /// The discovery document.
    pub(super) async fn discovery(&self, fetch: &Fetch, config: &OidcConfig) -> Result<Arc<Discovery>, ProofError> {
        // Held while it is fetched, so that many logins at once fetch once.
        let mut kept = self.discovery.lock().await;
        if let Some((_, document)) = kept.as_ref().filter(|(since, _)| since.elapsed() < KEPT) {
            return Ok(document.clone());
        }
        let url = config.discovery();
        let document: Discovery = serde_json::from_value(fetch.get(&url, None).await?)
            .map_err(|error| ProofError::Unavailable(format!("{url}: {error}")))?;
        if document.issuer != config.issuer {
            let reason = format!("{url} speaks for issuer {:?}, not {:?}", document.issuer, config.issuer);
            return Err(ProofError::Unavailable(reason));
        }
        let document = Arc::new(document);
        *kept = Some((Instant::now(), document.clone()));
        Ok(document)
    }

    /// The provider's keys; `again`: read anew, if that was not done just now.
    pub(super) async fn keys(&self, fetch: &Fetch, config: &OidcConfig, again: bool) -> Result<Arc<Keys>, ProofError> {
        let discovery = self.discovery(fetch, config).await?;
        let mut kept = self.keys.lock().await;
        let bound = if again { SOONEST } else { KEPT };
        if let Some((_, keys)) = kept.as_ref().filter(|(since, _)| since.elapsed() < bound) {
            return Ok(keys.clone());
        }
        let keys = Arc::new(Keys::read(&fetch.get(&discovery.jwks_uri, None).await?));
        *kept = Some((Instant::now(), keys.clone()));
        Ok(keys)
    }
}
