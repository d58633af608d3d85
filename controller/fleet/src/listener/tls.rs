//! TLS by hand: tonic's own cannot tell who the peer is when certificates are optional.

use super::ListenError;
use crate::{Authority, authority, host::Shown};
use controller_base::Timestamp;
use rustls::{RootCertStore, ServerConfig, pki_types::CertificateDer, server::WebPkiClientVerifier};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Who is at the other end: a host by its certificate, or someone unknown.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    pub(super) shown: Option<Shown>,
}

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
    for trusted in authority.trusted() {
        roots.add(trusted).map_err(tls)?;
    }
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
    config: watch::Receiver<Arc<ServerConfig>>,
    stop: CancellationToken,
) -> ReceiverStream<io::Result<Connection>> {
    let (accepted, incoming) = mpsc::channel(64);
    tokio::spawn(async move {
        loop {
            let connection = tokio::select! {
                () = stop.cancelled() => return,
                connection = listener.accept() => connection,
            };
            match connection {
                Ok((stream, from)) => {
                    let acceptor = TlsAcceptor::from(Arc::clone(&config.borrow()));
                    drop(tokio::spawn(handshake(acceptor, stream, from, accepted.clone())));
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "federation accept failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    });
    ReceiverStream::new(incoming)
}

async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    from: SocketAddr,
    accepted: mpsc::Sender<io::Result<Connection>>,
) {
    // Small messages must not wait for an acknowledgement; without the option they are only slower.
    drop(stream.set_nodelay(true));
    let address = from.ip().to_canonical();
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let peer = Peer { address, shown: certificate.and_then(|certificate| shown(certificate, address)) };
            // The server is stopping when nobody takes it.
            drop(accepted.send(Ok(Connection { stream, peer })).await);
        }
        Ok(Err(error)) => report(address, &error),
        Err(_) => tracing::debug!(%address, "federation handshake took too long"),
    }
}

/// What an operator can do about it is a warning; port scanners are not.
fn report(address: IpAddr, error: &io::Error) {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(reason) = inner.and_then(explain) else {
        return tracing::debug!(%address, error = error as &dyn std::error::Error, "federation handshake failed");
    };
    tracing::warn!(%address, reason, error = error as &dyn std::error::Error, "a machine was turned away");
}

/// For people.
fn explain(error: &rustls::Error) -> Option<&'static str> {
    use rustls::{CertificateError as C, Error as E};
    match error {
        E::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            Some("its certificate has expired: it was away for too long, and has to join again with a new token")
        }
        E::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => {
            Some("its certificate does not hold yet: compare the clocks of this machine and that one")
        }
        E::InvalidCertificate(_) => Some("its certificate is not of this federation, or not its own"),
        E::AlertReceived(_) => Some(
            "it does not take this controller for its own: its fingerprint or CA is another one's, or the name it dials",
        ),
        _ => None,
    }
}

/// The host that a certificate names. rustls has checked the chain, and that the other end holds the key.
fn shown(der: &CertificateDer<'_>, address: IpAddr) -> Option<Shown> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let host = certificate.subject().iter_common_name().next()?.as_str().ok()?.parse().ok()?;
    let expires_at = authority::expiry(der)?;
    Some(Shown { host, certificate: authority::fingerprint(der), expires_at, address })
}

impl Connected for Connection {
    type ConnectInfo = Peer;
    fn connect_info(&self) -> Peer {
        self.peer.clone()
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
