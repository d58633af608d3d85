//! An update's bytes for a host.

use crate::update::{Depot, DepotError};
use humilis_proto::federation::{FetchUpdateRequest, ImageChunk};
use std::{io::Read, sync::Arc};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Bytes of a piece.
const PIECE: usize = 256 * 1024;
/// Pieces that may wait for the network.
const QUEUE: usize = 4;

/// Begins to send; it ends at the bundle's end, or when the host is expelled.
pub(super) async fn send(
    depot: Arc<Depot>,
    request: FetchUpdateRequest,
    expelled: impl Future<Output = ()> + Send + 'static,
) -> Result<ReceiverStream<Result<ImageChunk, Status>>, Status> {
    let FetchUpdateRequest { version, offset } = request;
    let opened = tokio::task::spawn_blocking(move || depot.read(&version, offset)).await;
    let mut bytes = opened.map_err(|_| Status::unavailable("try again"))?.map_err(status)?;
    let (pieces, stream) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        tokio::pin!(expelled);
        loop {
            let mut piece = vec![0; PIECE];
            let read = tokio::task::spawn_blocking(move || {
                let got = bytes.read(&mut piece).map(|got| {
                    piece.truncate(got);
                    piece
                });
                (got, bytes)
            });
            let Ok((got, back)) = read.await else { return };
            bytes = back;
            let message = match got {
                Ok(data) if data.is_empty() => return,
                Ok(data) => Ok(ImageChunk { data }),
                Err(error) => Err(status(error.into())),
            };
            let ended = message.is_err();
            tokio::select! {
                sent = pieces.send(message) => if sent.is_err() || ended { return },
                () = &mut expelled => return,
            }
        }
    });
    Ok(ReceiverStream::new(stream))
}

fn status(error: DepotError) -> Status {
    match error {
        DepotError::NotFound(_) => Status::not_found(error.to_string()),
        error => {
            tracing::error!(error = &error as &dyn std::error::Error, "an update cannot be read");
            Status::unavailable("the update cannot be read")
        }
    }
}
