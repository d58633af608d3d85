//! The REST APIs' certificate.

use crate::config::{ApiConfig, Tls};
use anyhow::Context as _;
use controller_base::Timestamp;
use controller_fleet::Authority;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

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
