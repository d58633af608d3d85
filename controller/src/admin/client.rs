//! The command line's way to the running controller: the operators' API over its socket, or from another machine over its port.

use super::socket_path;
use crate::config::Config;
use anyhow::{Context as _, anyhow};
use hyper_util::rt::TokioIo;
use std::{env, fs};
use tokio::net::UnixStream;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{self, Certificate, ClientTlsConfig, Endpoint},
};

/// The address of a controller that runs elsewhere, `https://NAME:8447`.
const ADDRESS: &str = "HUMILIS_ADMIN_URL";
/// The file with the authority that vouches for its certificate.
const AUTHORITY: &str = "HUMILIS_CA_FILE";
/// What `openstack token issue` gave.
const TOKEN: &str = "HUMILIS_TOKEN";

/// A channel that shows a token with each call, where one is needed.
pub type Channel = InterceptedService<transport::Channel, Token>;

/// What is shown.
#[derive(Clone, Debug)]
pub struct Token(Option<MetadataValue<Ascii>>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("x-auth-token", token.clone());
        }
        Ok(request)
    }
}

/// A channel to the running controller: to the one that the environment names, else to this machine's.
///
/// # Errors
/// It does not run, or the socket is not ours to open.
pub async fn connect(config: &Config) -> anyhow::Result<Channel> {
    match env::var(ADDRESS) {
        Ok(url) if !url.is_empty() => elsewhere(url).await,
        _ => here(config).await,
    }
}

async fn here(config: &Config) -> anyhow::Result<Channel> {
    let path = socket_path(&config.state_directory);
    let away = format!("the controller does not answer on {}", path.display());
    // The address is not used: the socket is the way.
    let endpoint = Endpoint::from_static("http://controller");
    let connect = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let channel = endpoint.connect_with_connector(connect).await.map_err(|error| because(&away, &error))?;
    Ok(InterceptedService::new(channel, Token(None)))
}

async fn elsewhere(url: String) -> anyhow::Result<Channel> {
    let token = env::var(TOKEN).with_context(|| format!("{TOKEN} is not set: what `openstack token issue` gives"))?;
    let mut token: MetadataValue<Ascii> = token.trim().parse().with_context(|| format!("{TOKEN} is no token"))?;
    token.set_sensitive(true);
    let away = format!("the controller does not answer on {url}");
    let mut endpoint = Endpoint::from_shared(url).with_context(|| format!("{ADDRESS} is no address"))?;
    if let Ok(file) = env::var(AUTHORITY) {
        let pem = fs::read(&file).with_context(|| format!("cannot read {file}"))?;
        endpoint = endpoint.tls_config(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))?;
    }
    let channel = endpoint.connect().await.map_err(|error| because(&away, &error))?;
    Ok(InterceptedService::new(channel, Token(Some(token))))
}

fn because(away: &str, error: &transport::Error) -> anyhow::Error {
    let cause = std::iter::successors(std::error::Error::source(error), |error| error.source()).last();
    anyhow!("{away}{}", cause.map(|cause| format!(": {cause}")).unwrap_or_default())
}

/// What the controller says, for people.
#[must_use]
pub fn told(status: Status) -> anyhow::Error {
    anyhow!("the controller says: {}", status.message())
}
