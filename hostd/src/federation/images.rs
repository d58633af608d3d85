//! Images from the controller.

use hostd_images::{Image, ImageSource, Parts, SourceError};
use humilis_proto::federation::{FetchImageRequest, federation_client::FederationClient};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tonic::{Code, Status, transport::Channel};

/// Pieces that may wait to be written.
const QUEUE: usize = 4;
/// How long a fetch waits for a connection before it is tried again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Images from whichever channel is the newest.
pub struct ControllerImages {
    channel: watch::Receiver<Option<Channel>>,
}

impl ControllerImages {
    /// Images by the channel that is put there.
    #[must_use]
    pub fn new(channel: watch::Receiver<Option<Channel>>) -> Self {
        Self { channel }
    }
}

impl ImageSource for ControllerImages {
    fn open(&self, image: &Image, offset: u64) -> Parts {
        let (send, parts) = mpsc::channel(QUEUE);
        let request = FetchImageRequest { image_id: image.id.clone(), offset };
        tokio::spawn(fetch(self.channel.clone(), request, send));
        parts
    }
}

type Sender = mpsc::Sender<Result<Vec<u8>, SourceError>>;

async fn fetch(channel: watch::Receiver<Option<Channel>>, request: FetchImageRequest, send: Sender) {
    if let Err(error) = forward(channel, request, &send).await {
        // Nobody waits any more: then nobody needs the error.
        let _ = send.send(Err(error)).await;
    }
}

async fn forward(
    mut channel: watch::Receiver<Option<Channel>>,
    request: FetchImageRequest,
    send: &Sender,
) -> Result<(), SourceError> {
    let connected = tokio::time::timeout(PATIENCE, channel.wait_for(Option::is_some)).await;
    let connected = connected.ok().and_then(Result::ok).and_then(|channel| channel.clone());
    let channel = connected.ok_or_else(|| SourceError::Interrupted("no controller is connected".into()))?;
    let mut client = FederationClient::new(channel);
    let mut chunks = client.fetch_image(request).await.map_err(|status| refused(&status))?.into_inner();
    while let Some(chunk) = chunks.message().await.map_err(|status| refused(&status))? {
        if send.send(Ok(chunk.data)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn refused(status: &Status) -> SourceError {
    match status.code() {
        Code::NotFound | Code::InvalidArgument => SourceError::NotFound,
        _ => SourceError::Interrupted(status.message().to_owned()),
    }
}
