//! The metadata service over HTTP.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::http::{self, Method, Request};
use super::{MediaType, MetadataSource, documents};
use crate::service::Current;

/// Connections at once, of one network.
const AT_ONCE: usize = 128;
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(15);
/// Largest head of a request.
const LARGEST_HEAD: usize = 8192;

/// Serves until the task is ended.
pub(crate) async fn serve(listener: TcpListener, plan: Current, source: Arc<dyn MetadataSource>) {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let Ok((stream, from)) = listener.accept().await else { continue };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        let connection =
            Connection { stream, from: from.ip().to_canonical(), plan: plan.clone(), source: Arc::clone(&source) };
        tasks.spawn(async move {
            if let Err(error) = connection.serve().await {
                tracing::debug!(%error, %from, "metadata connection ended");
            }
            drop(slot);
        });
    }
}

struct Connection {
    stream: TcpStream,
    from: IpAddr,
    plan: Current,
    source: Arc<dyn MetadataSource>,
}

impl Connection {
    async fn serve(mut self) -> io::Result<()> {
        let mut pending = Vec::new();
        while let Some(head) = self.read_head(&mut pending).await? {
            let request = http::parse(&head).ok();
            let answer = self.answer(request.as_ref());
            timeout(SILENCE, self.stream.write_all(&answer)).await??;
            match request {
                // A body is of no interest; what follows it could be misread.
                Some(request) if request.keep_alive && request.body_length == 0 => {}
                _ => break,
            }
        }
        self.stream.shutdown().await
    }

    /// The next head; `None` at the end of the connection.
    async fn read_head(&mut self, pending: &mut Vec<u8>) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = pending.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = pending.drain(..end + 4).collect();
                return String::from_utf8(head).map(Some).map_err(|_| io::ErrorKind::InvalidData.into());
            }
            if pending.len() > LARGEST_HEAD || timeout(SILENCE, self.stream.read_buf(pending)).await?? == 0 {
                return Ok(None);
            }
        }
    }

    fn answer(&self, request: Option<&Request>) -> Vec<u8> {
        let failure = |status: &str| http::answer(status, "text/plain; charset=UTF-8", status.as_bytes(), request);
        let Some(known) = request else { return failure("400 Bad Request") };
        if known.method == Method::Other {
            return failure("405 Method Not Allowed");
        }
        let plan = Arc::clone(&self.plan.borrow());
        let Some(guest) = plan.askers.get(&self.from).and_then(|port| self.source.guest(port)) else {
            return failure("404 Not Found");
        };
        let interfaces: Vec<_> = guest.ports.iter().filter_map(|port| plan.interfaces.get(port).cloned()).collect();
        match documents(&guest, &interfaces, &known.path) {
            Some(document) => {
                let media_type = match document.media_type {
                    MediaType::Text => "text/plain; charset=UTF-8",
                    MediaType::Json => "application/json",
                };
                http::answer("200 OK", media_type, &document.body, request)
            }
            None => failure("404 Not Found"),
        }
    }
}
