//! Images for other hosts, from a port of this host's own: mTLS with the certificates by which both are members.

use super::trust::{host_of, roots};
use crate::{
    identity::Identity,
    sharing::{NotGiven, Sharing, Transfer},
};
use hostd_images::{Cache, Digest};
use humilis_proto::federation::{
    self as wire, FetchSharedImageRequest, ImageChunk, peers_server::Peers, peers_server::PeersServer,
};
use rustls::{ServerConfig, crypto::ring, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{fs::File, io, net::SocketAddr, os::unix::fs::FileExt, sync::Arc, time::Duration, time::Instant};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, transport::Server};

/// Bytes of a chunk, and chunks that may wait for the network.
const CHUNK: u64 = 256 * 1024;
const QUEUE: usize = 4;
/// How long a handshake may take, and how many may be under way.
const HANDSHAKE: Duration = Duration::from_secs(10);
const HANDSHAKES: usize = 64;
/// Before an address that is not there yet is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What this host gives.
#[derive(Clone)]
pub struct Giving {
    images: Cache,
    sharing: Sharing,
    /// Where it listens, once it does.
    address: watch::Receiver<Option<SocketAddr>>,
}

impl Giving {
    /// Serves other hosts at `listen`, as soon as the machine has that address; `None`: nobody.
    #[must_use]
    pub fn start(
        listen: Option<SocketAddr>,
        images: Cache,
        sharing: Sharing,
        identity: watch::Receiver<Identity>,
    ) -> Self {
        let (known, address) = watch::channel(None);
        let giving = Self { images, sharing, address };
        if let Some(listen) = listen {
            tokio::spawn(serve(listen, giving.clone(), identity, known));
        }
        giving
    }

    /// Where it listens, once it does.
    #[must_use]
    pub fn address(&self) -> watch::Receiver<Option<SocketAddr>> {
        self.address.clone()
    }

    /// What the controller is told.
    pub(super) async fn held(&mut self) -> wire::HeldImages {
        let address = self.address.borrow_and_update().map(|address| address.to_string()).unwrap_or_default();
        let images = self.images.clone();
        let shareable = tokio::task::spawn_blocking(move || images.shareable()).await.unwrap_or_default();
        let sha256 = shareable.iter().filter_map(|digest| hex::decode(digest.to_string()).ok()).collect();
        wire::HeldImages { address, sha256 }
    }

    /// Ends when the controller should be told anew.
    pub(super) async fn changed(&mut self, images: &mut watch::Receiver<()>) {
        let Self { address, .. } = self;
        let (moved, other) = (address.changed(), images.changed());
        // Neither sender ends before this, but for a host that listens nowhere.
        let changed = tokio::select! { Ok(()) = moved => true, Ok(()) = other => true, else => false };
        if !changed {
            std::future::pending::<()>().await;
        }
    }

    /// Tells when images come and go.
    pub(super) fn images(&self) -> watch::Receiver<()> {
        self.images.changes()
    }

    /// The controller says who shall get what.
    pub(super) async fn grant(&self, asked: wire::ShareImage) -> Result<(), String> {
        let image: Digest = asked.sha256.parse().map_err(|error| format!("{error}"))?;
        self.images.original(image).await.map_err(|error| error.to_string())?;
        self.sharing.grant(&asked.host_id, image, Instant::now()).map_err(|error| error.to_string())
    }
}

/// Listens for ever.
async fn serve(
    listen: SocketAddr,
    giving: Giving,
    identity: watch::Receiver<Identity>,
    known: watch::Sender<Option<SocketAddr>>,
) {
    let mut complained = false;
    loop {
        let error = match TcpListener::bind(listen).await {
            Ok(listener) => {
                known.send_replace(listener.local_addr().ok());
                let incoming = accept(listener, identity.clone());
                let served =
                    Server::builder().add_service(PeersServer::new(giving.clone())).serve_with_incoming(incoming);
                io::Error::other(served.await.err().map_or_else(|| "it ended".to_owned(), |error| error.to_string()))
            }
            Err(error) => error,
        };
        known.send_replace(None);
        if !std::mem::replace(&mut complained, true) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%listen, error, "other hosts get no images from here yet");
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Connections of members; each handshake has a task of its own.
fn accept(
    listener: TcpListener,
    identity: watch::Receiver<Identity>,
) -> ReceiverStream<io::Result<TlsStream<TcpStream>>> {
    let (accepted, incoming) = mpsc::channel(16);
    let room = Arc::new(Semaphore::new(HANDSHAKES));
    tokio::spawn(async move {
        while !accepted.is_closed() {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, from)) => {
                    let config = config(&identity.borrow());
                    let accepted = accepted.clone();
                    tokio::spawn(async move {
                        let _place = place;
                        match handshake(stream, config).await {
                            // Nobody serves any more: then nobody waits.
                            Ok(stream) => drop(accepted.send(Ok(stream)).await),
                            Err(error) => tracing::debug!(%from, %error, "a host was turned away"),
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a host was not heard");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    });
    ReceiverStream::new(incoming)
}

async fn handshake(
    stream: TcpStream,
    config: Result<Arc<ServerConfig>, rustls::Error>,
) -> io::Result<TlsStream<TcpStream>> {
    stream.set_nodelay(true)?;
    let acceptor = TlsAcceptor::from(config.map_err(io::Error::other)?);
    tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await?
}

/// Shows this host's newest certificate, and wants one of the federation.
fn config(identity: &Identity) -> Result<Arc<ServerConfig>, rustls::Error> {
    let malformed = |_| rustls::Error::General("this host's identity is malformed".to_owned());
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(malformed)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(malformed)?;
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(identity)?), Arc::clone(&provider));
    let verifier = verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?;
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_client_cert_verifier(verifier).with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

#[tonic::async_trait]
impl Peers for Giving {
    type FetchSharedImageStream = ReceiverStream<Result<ImageChunk, Status>>;

    async fn fetch_shared_image(
        &self,
        request: Request<FetchSharedImageRequest>,
    ) -> Result<Response<Self::FetchSharedImageStream>, Status> {
        let shown = request.peer_certs();
        let host = shown.as_ref().and_then(|chain| host_of(chain.first()?));
        let host = host.ok_or_else(|| Status::unauthenticated("a member's certificate is required"))?;
        let wire::FetchSharedImageRequest { sha256, offset, length } = request.into_inner();
        let image: Digest = sha256.parse().map_err(|error| Status::invalid_argument(format!("{error}")))?;
        let transfer = self.sharing.begin(&host, image, Instant::now()).map_err(|error| match error {
            NotGiven::NotGranted => Status::permission_denied(error.to_string()),
            NotGiven::Busy => Status::resource_exhausted(error.to_string()),
        })?;
        let file =
            self.images.original(image).await.map_err(|_| Status::not_found("the image is not here any more"))?;
        let (chunks, stream) = mpsc::channel(QUEUE);
        tokio::spawn(send(transfer, file, offset, length, chunks));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

async fn send(
    transfer: Transfer,
    file: File,
    offset: u64,
    length: u64,
    chunks: mpsc::Sender<Result<ImageChunk, Status>>,
) {
    let (file, end) = (Arc::new(file), offset.saturating_add(length));
    let mut at = offset;
    while at < end {
        let (from, some) = (Arc::clone(&file), (end - at).min(CHUNK));
        let read = tokio::task::spawn_blocking(move || {
            let mut data = vec![0; usize::try_from(some).map_err(io::Error::other)?];
            let got = from.read_at(&mut data, at)?;
            data.truncate(got);
            Ok::<_, io::Error>(data)
        });
        let message = match read.await.map_err(io::Error::other).flatten() {
            Ok(data) if data.is_empty() => return,
            Ok(data) => {
                at += data.len() as u64;
                transfer.count(data.len() as u64);
                Ok(ImageChunk { data })
            }
            Err(error) => Err(Status::internal(error.to_string())),
        };
        let failed = message.is_err();
        if chunks.send(message).await.is_err() || failed {
            return;
        }
    }
}
