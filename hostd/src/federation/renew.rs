//! A new certificate before the old one expires.

use super::{AddressError, channel};
use crate::identity::{Identity, IdentityError, KeyRequest};
use hostd_kit::paths::Layout;
use humilis_proto::federation::{RenewRequest, federation_client::FederationClient};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Before an attempt that failed is repeated.
pub const RETRY: Duration = Duration::from_secs(60);

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The address cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The controller refused or cannot be reached.
    #[error("the controller did not renew: {}", .0.message())]
    Refused(#[source] Box<tonic::Status>),
    /// The identity cannot be made or written.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Between two renewals at least.
const LEAST: Duration = Duration::from_secs(1);

/// How long until the certificate has lived two thirds of its life.
#[must_use]
pub fn due(identity: &Identity) -> Duration {
    let Ok((from, to)) = identity.validity() else { return LEAST };
    let at = from + to.saturating_sub(from) / 3 * 2;
    Duration::from_secs(u64::try_from(at).unwrap_or(0)).saturating_sub(now()).max(LEAST)
}

/// The time since the epoch.
#[must_use]
pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Gets a certificate for a new key and writes both down.
///
/// # Errors
/// See [`RenewError`]; the old identity holds on.
pub async fn renew(layout: &Layout, identity: &Identity) -> Result<Identity, RenewError> {
    let request = KeyRequest::new()?;
    let mut client = FederationClient::new(channel(identity)?);
    let answer = client.renew(RenewRequest { csr: request.csr }).await;
    let answer = answer.map_err(|status| RenewError::Refused(Box::new(status)))?.into_inner();
    let renewed = Identity { key: request.key, certificate: answer.certificate, ca: answer.ca, ..identity.clone() };
    renewed.validity()?;
    renewed.store(layout)?;
    tracing::info!("the certificate was renewed");
    Ok(renewed)
}
