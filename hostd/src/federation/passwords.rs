//! Passwords that guests make for themselves, taken to the controller.

use super::Connected;
use futures::future::BoxFuture;
use hostd_net::metadata::{Keep, NotKept};
use humilis_proto::federation::{KeepPasswordRequest, federation_client::FederationClient};
use std::time::Duration;
use tonic::Code;

/// How long a guest waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes them by the channel that is put there.
#[must_use]
pub fn keeper(channel: Connected) -> Box<Keep> {
    Box::new(move |server_id, password| {
        let (channel, request) = (channel.clone(), KeepPasswordRequest { server_id, password });
        Box::pin(async move {
            tokio::time::timeout(PATIENCE, keep(channel, request)).await.unwrap_or(Err(NotKept::Unavailable))
        }) as BoxFuture<'static, _>
    })
}

async fn keep(mut channel: Connected, request: KeepPasswordRequest) -> Result<(), NotKept> {
    let connected = channel.wait_for(Option::is_some).await.ok().and_then(|channel| channel.clone());
    let mut client = FederationClient::new(connected.ok_or(NotKept::Unavailable)?);
    let answer = client.keep_password(request).await;
    answer.map(drop).map_err(|status| match status.code() {
        Code::AlreadyExists => NotKept::AlreadySet,
        Code::NotFound => NotKept::NotFound,
        code => {
            tracing::warn!(?code, reason = status.message(), "a guest's password was not kept");
            NotKept::Unavailable
        }
    })
}
