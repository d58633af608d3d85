//! The command line's way to the running controller: the same API over the operators' socket.

use super::socket_path;
use crate::config::Config;
use anyhow::anyhow;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
pub use tonic::transport::Channel;
use tonic::{Status, transport::Endpoint};

/// A channel to the running controller.
///
/// # Errors
/// It does not run, or the socket is not ours to open.
pub async fn connect(config: &Config) -> anyhow::Result<Channel> {
    let path = socket_path(&config.state_directory);
    let away = format!("the controller does not answer on {}", path.display());
    // The address is not used: the socket is the way.
    let endpoint = Endpoint::from_static("http://controller");
    let connect = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    endpoint.connect_with_connector(connect).await.map_err(|error| {
        let cause = std::iter::successors(std::error::Error::source(&error), |error| error.source()).last();
        anyhow!("{away}{}", cause.map(|cause| format!(": {cause}")).unwrap_or_default())
    })
}

/// What the controller says, for people.
#[must_use]
pub fn told(status: Status) -> anyhow::Error {
    anyhow!("the controller says: {}", status.message())
}
