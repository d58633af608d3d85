//! Updates: what the controller wants, the bundles that it has, and how far they are.

use super::Connected;
use crate::delivery::{Broken, Bytes, Order, Progress, Report, Source};
use humilis_proto::federation::{self as wire, UpdateState, federation_client::FederationClient};
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::{Code, Status};

/// Pieces that may wait to be written.
const QUEUE: usize = 4;
/// How long a fetch waits for a connection before it is tried again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bundles from whichever channel is the newest.
pub struct ControllerUpdates {
    channel: Connected,
}

impl ControllerUpdates {
    /// Bundles by the channel that is put there.
    #[must_use]
    pub fn new(channel: Connected) -> Self {
        Self { channel }
    }
}

impl Source for ControllerUpdates {
    fn open(&self, version: &str, offset: u64) -> Bytes {
        let (send, bytes) = mpsc::channel(QUEUE);
        let request = wire::FetchUpdateRequest { version: version.to_owned(), offset };
        let channel = self.channel.clone();
        tokio::spawn(async move {
            if let Err(error) = forward(channel, request, &send).await {
                // Nobody waits any more: then nobody needs the error.
                let _ = send.send(Err(error)).await;
            }
        });
        bytes
    }
}

async fn forward(
    mut channel: Connected,
    request: wire::FetchUpdateRequest,
    send: &mpsc::Sender<Result<Vec<u8>, Broken>>,
) -> Result<(), Broken> {
    let connected = tokio::time::timeout(PATIENCE, channel.wait_for(Option::is_some)).await;
    let connected = connected.ok().and_then(Result::ok).and_then(|channel| channel.clone());
    let channel = connected.ok_or_else(|| Broken::Interrupted("no controller is connected".into()))?;
    let mut client = FederationClient::new(channel);
    let mut chunks = client.fetch_update(request).await.map_err(|status| broken(&status))?.into_inner();
    while let Some(chunk) = chunks.message().await.map_err(|status| broken(&status))? {
        if send.send(Ok(chunk.data)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn broken(status: &Status) -> Broken {
    match status.code() {
        Code::NotFound | Code::InvalidArgument => Broken::NotFound,
        _ => Broken::Interrupted(status.message().to_owned()),
    }
}

/// What the controller wants, in hostd's words.
pub(super) fn order(update: wire::Update) -> Order {
    Order { version: update.version, size: update.size }
}

/// What the controller is told, if there is anything to tell.
pub(super) fn progress(report: &Report) -> Option<wire::UpdateProgress> {
    let (version, progress) = report.clone()?;
    let (state, reason) = match progress {
        Progress::Fetching => (UpdateState::Fetching, String::new()),
        Progress::Installing => (UpdateState::Installing, String::new()),
        Progress::Restarting => (UpdateState::Restarting, String::new()),
        Progress::Trial => (UpdateState::Trial, String::new()),
        Progress::Done => (UpdateState::Done, String::new()),
        Progress::Failed(reason) => (UpdateState::Failed, reason),
    };
    Some(wire::UpdateProgress { version, state: state.into(), reason })
}
