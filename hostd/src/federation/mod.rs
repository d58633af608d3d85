//! hostd's side of the federation: becoming a member, staying one, and the one long-lived stream.
//!
//! It owns the connection to the controller. What shall be goes to [`crate::desired`]; wire types stay in here.
//!
//! ```text
//! enrol (once) -> connect -> Hello, all states -> { Desired -> ledger -> network, guests -> Ack
//!                    ^                             states up as they change; Call -> Result }
//!                    +---- 100 ms and more ------- broken
//! ```

pub mod convert;
pub mod enrol;
pub mod images;
pub mod passwords;
pub mod peers;
pub mod renew;
pub mod session;
pub mod trust;
pub mod updates;

use crate::identity::Identity;
use std::time::Duration;
use tokio::sync::watch;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

/// The channel to the controller while the stream is up.
pub type Connected = watch::Receiver<Option<Channel>>;

/// A whole desired state is one message.
pub const MAX_MESSAGE: usize = 256 * 1024 * 1024;

/// The connection cannot be described.
#[derive(Debug, thiserror::Error)]
#[error("{url} is no address of a controller")]
pub struct AddressError {
    url: String,
    #[source]
    source: tonic::transport::Error,
}

fn endpoint(url: &str) -> Result<Endpoint, AddressError> {
    let endpoint = Endpoint::from_shared(url.to_owned());
    let endpoint = endpoint.map_err(|source| AddressError { url: url.to_owned(), source })?;
    Ok(endpoint
        .connect_timeout(Duration::from_secs(5))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true))
}

/// A channel of a member; it connects when it is used.
///
/// # Errors
/// When the address or the certificates cannot be used.
pub fn channel(identity: &Identity) -> Result<Channel, AddressError> {
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&identity.ca))
        .identity(tonic::transport::Identity::from_pem(&identity.certificate, &identity.key));
    let endpoint = endpoint(&identity.url)?.tls_config(tls);
    let endpoint = endpoint.map_err(|source| AddressError { url: identity.url.clone(), source })?;
    Ok(endpoint.connect_lazy())
}
