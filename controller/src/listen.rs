//! The APIs' port: TLS where it is wanted, one task per handshake, so that a slow client delays nobody.

use crate::config::Config;
use anyhow::{Context as _, Result};
use axum::serve::Listener;
use controller_base::Timestamp;
use controller_fleet::{Authority, authority::ServerIdentity};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Accepted connections whose handshake succeeded.
pub struct Tls {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl Tls {
    /// Accepts on `listener` from now on.
    pub fn new(listener: TcpListener, config: Arc<ServerConfig>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (accepted, ready) = mpsc::channel(128);
        tokio::spawn(accept(listener, TlsAcceptor::from(config), accepted));
        Ok(Self { ready, address })
    }
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

type Accepted = mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>;

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, accepted: Accepted) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => drop(tokio::spawn(handshake(acceptor.clone(), stream, peer, accepted.clone()))),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        if accepted.is_closed() {
            return;
        }
    }
}

async fn handshake(acceptor: TlsAcceptor, stream: TcpStream, peer: SocketAddr, accepted: Accepted) {
    // Without the option answers are only slower.
    drop(stream.set_nodelay(true));
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        // The server is stopping when nobody takes it.
        Ok(Ok(stream)) => drop(accepted.send((stream, peer)).await),
        Ok(Err(error)) => tracing::debug!(%peer, error = &error as &dyn std::error::Error, "handshake failed"),
        Err(_) => tracing::debug!(%peer, "handshake took too long"),
    }
}

/// The TLS side of the APIs: the operator's certificate, or one of the federation's authority.
pub fn tls_config(config: &Config, authority: &Authority, now: Timestamp) -> Result<Arc<ServerConfig>> {
    let identity = if config.api.certificate.as_os_str().is_empty() {
        authority.server_identity(&config.api_names(), now).context("cannot make the APIs' certificate")?
    } else {
        let chain =
            CertificateDer::pem_file_iter(&config.api.certificate).context("cannot read the APIs' certificate")?;
        let chain = chain.collect::<Result<Vec<_>, _>>().context("the APIs' certificate is malformed")?;
        let key = PrivateKeyDer::from_pem_file(&config.api.key).context("cannot read the APIs' key")?;
        ServerIdentity { chain, key }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key)
        .context("the APIs' certificate cannot be used")?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(tls))
}
