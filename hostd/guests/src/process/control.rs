//! One connection to a guest's process: requests down, everything that comes up as events.

use std::{io, path::Path};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinHandle,
};
use vmm_control::{
    frame,
    message::{Reply, Request, VERSION},
};

/// Replies that may wait for the guest's actor.
const QUEUE: usize = 16;

/// A connection.
#[derive(Debug)]
pub struct Control {
    requests: OwnedWriteHalf,
    replies: mpsc::Receiver<Reply>,
    reader: JoinHandle<()>,
}

impl Control {
    /// Connects, greets and asks for the state.
    ///
    /// # Errors
    /// Those of the socket: nobody listens any more.
    pub async fn connect(path: &Path) -> io::Result<Self> {
        let stream = super::spawn::connect(path)?;
        stream.set_nonblocking(true)?;
        let (reading, requests) = UnixStream::from_std(stream)?.into_split();
        let (send, replies) = mpsc::channel(QUEUE);
        let reader = tokio::spawn(read(reading, send));
        let mut control = Self { requests, replies, reader };
        control.send(&[Request::Hello { version: VERSION }, Request::Status]).await?;
        Ok(control)
    }

    /// Sends requests in one piece.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn send(&mut self, requests: &[Request]) -> io::Result<()> {
        let frames: io::Result<Vec<_>> = requests.iter().map(frame::encode).collect();
        self.requests.write_all(&frames?.concat()).await
    }

    /// The next reply; `None` when the connection has ended. May be called again after it was cancelled.
    pub async fn reply(&mut self) -> Option<Reply> {
        self.replies.recv().await
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(mut stream: OwnedReadHalf, replies: mpsc::Sender<Reply>) {
    // A broken connection ends the channel, which is all that its reader needs to know.
    while let Ok(reply) = next(&mut stream).await {
        if replies.send(reply).await.is_err() {
            return;
        }
    }
}

async fn next(stream: &mut OwnedReadHalf) -> io::Result<Reply> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let mut body = vec![0; frame::body_length(head)?];
    stream.read_exact(&mut body).await?;
    frame::decode(&body)
}
