//! TLS by hand: tonic's own cannot tell who the peer is when certificates are optional.

use super::ListenError;
use crate::Authority;
use controller_base::Timestamp;
use controller_base::id::HostId;
use rustls::{RootCertStore, ServerConfig, pki_types::CertificateDer, server::WebPkiClientVerifier};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Who is at the other end: a member by its certificate, or someone unknown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) Option<HostId>);

/// An accepted connection.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
}

pub(super) fn config(
    authority: &Authority,
    names: &[String],
    now: Timestamp,
) -> Result<Arc<ServerConfig>, ListenError> {
    let identity = authority.server_identity(names, now)?;
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).map_err(tls)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(tls)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain, identity.key)
        .map_err(tls)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn tls(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ListenError {
    ListenError::Tls(io::Error::other(error))
}

/// Connections whose handshake succeeded; each handshake has a task of its own, so that a slow peer delays nobody.
pub(super) fn accept(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    stop: CancellationToken,
) -> ReceiverStream<io::Result<Connection>> {
    let (accepted, incoming) = mpsc::channel(64);
    let acceptor = TlsAcceptor::from(config);
    tokio::spawn(async move {
        loop {
            let connection = tokio::select! {
                () = stop.cancelled() => return,
                connection = listener.accept() => connection,
            };
            match connection {
                Ok((stream, _)) => drop(tokio::spawn(handshake(acceptor.clone(), stream, accepted.clone()))),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "federation accept failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    });
    ReceiverStream::new(incoming)
}

async fn handshake(acceptor: TlsAcceptor, stream: TcpStream, accepted: mpsc::Sender<io::Result<Connection>>) {
    // Small messages must not wait for an acknowledgement; without the option they are only slower.
    drop(stream.set_nodelay(true));
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let peer = Peer(stream.get_ref().1.peer_certificates().and_then(|chain| member(chain.first()?)));
            // The server is stopping when nobody takes it.
            drop(accepted.send(Ok(Connection { stream, peer })).await);
        }
        Ok(Err(error)) => tracing::debug!(error = &error as &dyn std::error::Error, "federation handshake failed"),
        Err(_) => tracing::debug!("federation handshake took too long"),
    }
}

/// The host that a certificate names. rustls has checked the chain.
fn member(certificate: &CertificateDer<'_>) -> Option<HostId> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    certificate.subject().iter_common_name().next()?.as_str().ok()?.parse().ok()
}

impl Connected for Connection {
    type ConnectInfo = Peer;
    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
