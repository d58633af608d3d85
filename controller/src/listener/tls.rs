//! The REST APIs' certificate, made or read anew every day and when the authority changes.

use crate::{
    config::{ApiConfig, Tls},
    wiring::Cloud,
};
use anyhow::Context as _;
use controller_base::Timestamp;
use controller_fleet::Authority;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often, if nothing else happens.
const REFRESH: Duration = Duration::from_secs(86_400);

/// Keeps the certificate young until `stop`.
pub async fn refresh(
    cloud: Arc<Cloud>,
    fresh: watch::Sender<Option<TlsAcceptor>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let platform = &cloud.platform;
    let mut changes = platform.authority.changes();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Ok(()) = changes.changed() => {}
            () = tokio::time::sleep(REFRESH) => {}
        }
        match acceptor(&platform.config.api, &platform.authority, platform.clock.now()) {
            Ok(acceptor) => drop(fresh.send_replace(acceptor)),
            Err(error) => tracing::error!("the certificate of the REST APIs stays as it was: {error:#}"),
        }
    }
}

/// What accepts TLS, if TLS is wanted.
pub fn acceptor(config: &ApiConfig, authority: &Authority, now: Timestamp) -> anyhow::Result<Option<TlsAcceptor>> {
    let (chain, key) = match config.tls {
        Tls::Off => return Ok(None),
        Tls::Authority => {
            let own = authority.server_identity(&config.certificate_names(), now)?;
            (own.chain, own.key)
        }
        Tls::Files => files(config)?,
    };
    let mut server = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(server))))
}

fn files(config: &ApiConfig) -> anyhow::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let (certificate, key) = (&config.certificate, &config.key);
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read {}", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| format!("cannot read {}", key.display()))?;
    Ok((chain, key))
}
