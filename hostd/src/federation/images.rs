//! Images from the controller, and from other hosts that it names.

use super::{Connected, trust::Named};
use crate::identity::Identity;
use async_trait::async_trait;
use hostd_images::{Image, ImageSource, Parts, Peer, SourceError};
use humilis_proto::federation::{
    FetchImageRequest, FetchSharedImageRequest, FindImageRequest, ImageChunk, federation_client::FederationClient,
    peers_client::PeersClient,
};
use std::{net::SocketAddr, ops::Range, sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};
use tonic::{
    Code, Status, Streaming,
    transport::{Channel, ClientTlsConfig, Endpoint, Identity as TlsIdentity},
};

/// Pieces that may wait to be written.
const QUEUE: usize = 4;
/// How long a fetch waits for a connection before it is tried again.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long finding out who has an image may take, and reaching who has it.
const FINDING: Duration = Duration::from_secs(5);
const REACHING: Duration = Duration::from_secs(3);

/// Images by whichever channel is the newest.
pub struct Images {
    channel: Connected,
    identity: watch::Receiver<Identity>,
}

impl Images {
    /// Images by the channel that is put there; other hosts are shown this identity.
    #[must_use]
    pub fn new(channel: Connected, identity: watch::Receiver<Identity>) -> Self {
        Self { channel, identity }
    }
}

#[async_trait]
impl ImageSource for Images {
    fn open(&self, image: &Image, from: Option<&Peer>, range: Range<u64>) -> Parts {
        let (send, parts) = mpsc::channel(QUEUE);
        let (offset, length) = (range.start, range.end - range.start);
        match from {
            Some(peer) => {
                let request = FetchSharedImageRequest { sha256: image.digest.to_string(), offset, length };
                let identity = self.identity.borrow().clone();
                tokio::spawn(forward(from_host(peer.clone(), identity, request), send));
            }
            None => {
                let request = FetchImageRequest { image_id: image.id.clone(), offset, length };
                tokio::spawn(forward(from_controller(self.channel.clone(), request), send));
            }
        }
        parts
    }

    async fn peers(&self, image: &Image) -> Vec<Peer> {
        let Some(channel) = self.channel.borrow().clone() else { return Vec::new() };
        let ask = FindImageRequest { image_id: image.id.clone(), sha256: image.digest.to_string() };
        let mut client = FederationClient::new(channel);
        let Ok(Ok(answer)) = tokio::time::timeout(FINDING, client.find_image(ask)).await else {
            // A controller that does not know the question, or is busy, has the image itself.
            return Vec::new();
        };
        let peer = |holder: humilis_proto::federation::ImageHolder| {
            // Nobody is asked but under an address.
            let address: SocketAddr = holder.address.parse().ok()?;
            Some(Peer { host: holder.host_id, address: address.to_string() })
        };
        answer.into_inner().holders.into_iter().filter_map(peer).collect()
    }
}

type Sender = mpsc::Sender<Result<Vec<u8>, SourceError>>;
type Chunks = Result<Streaming<ImageChunk>, SourceError>;

async fn forward(open: impl Future<Output = Chunks> + Send, send: Sender) {
    if let Err(error) = pass(open, &send).await {
        // Nobody waits any more: then nobody needs the error.
        let _ = send.send(Err(error)).await;
    }
}

async fn pass(open: impl Future<Output = Chunks> + Send, send: &Sender) -> Result<(), SourceError> {
    let mut chunks = tokio::select! {
        opened = open => opened?,
        () = send.closed() => return Ok(()),
    };
    while let Some(chunk) = chunks.message().await.map_err(|status| refused(&status))? {
        if send.send(Ok(chunk.data)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

async fn from_controller(mut channel: Connected, request: FetchImageRequest) -> Chunks {
    let connected = tokio::time::timeout(PATIENCE, channel.wait_for(Option::is_some)).await;
    let connected = connected.ok().and_then(Result::ok).and_then(|channel| channel.clone());
    let channel = connected.ok_or_else(|| SourceError::Interrupted("no controller is connected".into()))?;
    let opened = FederationClient::new(channel).fetch_image(request).await;
    opened.map(tonic::Response::into_inner).map_err(|status| refused(&status))
}

async fn from_host(peer: Peer, identity: Identity, request: FetchSharedImageRequest) -> Chunks {
    let channel = reach(&peer, &identity).await.map_err(|error| SourceError::Interrupted(format!("{error:#}")))?;
    let opened = PeersClient::new(channel).fetch_shared_image(request).await;
    opened.map(tonic::Response::into_inner).map_err(|status| refused(&status))
}

/// A connection to that host and no other.
async fn reach(peer: &Peer, identity: &Identity) -> anyhow::Result<Channel> {
    let tls = ClientTlsConfig::new().identity(TlsIdentity::from_pem(&identity.certificate, &identity.key));
    let named = Arc::new(Named::new(&peer.host, identity)?);
    let endpoint = Endpoint::from_shared(format!("https://{}", peer.address))?.tls_config_with_verifier(tls, named)?;
    let connected = tokio::time::timeout(REACHING, endpoint.tcp_nodelay(true).connect()).await;
    Ok(connected.map_err(|_| anyhow::anyhow!("it cannot be reached"))??)
}

fn refused(status: &Status) -> SourceError {
    match status.code() {
        Code::NotFound | Code::InvalidArgument => SourceError::NotFound,
        Code::PermissionDenied => SourceError::Denied,
        _ => SourceError::Interrupted(status.message().to_owned()),
    }
}
