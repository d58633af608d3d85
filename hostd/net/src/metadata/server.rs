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
use super::render::takes_password;
use super::{GuestMetadata, MediaType, MetadataSource, NotKept, documents};
use crate::service::Current;

/// Connections at once, of one network.
const AT_ONCE: usize = 128;
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(15);
/// Largest head of a request.
const LARGEST_HEAD: usize = 8192;
/// Longest password that a guest may make, as in Nova.
const LARGEST_PASSWORD: usize = 1020;
/// What most answers are.
const TEXT: &str = "text/plain; charset=UTF-8";

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
            let answer = match &request {
                Some(request) if request.method == Method::Post => self.post(request, &mut pending).await?,
                request => self.answer(request.as_ref()),
            };
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

    async fn read_body(&mut self, pending: &mut Vec<u8>, length: usize) -> io::Result<Vec<u8>> {
        while pending.len() < length {
            if timeout(SILENCE, self.stream.read_buf(pending)).await?? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(pending.drain(..length).collect())
    }

    fn guest(&self) -> Option<Arc<GuestMetadata>> {
        self.source.guest(self.plan.borrow().askers.get(&self.from)?)
    }

    fn answer(&self, request: Option<&Request>) -> Vec<u8> {
        let Some(known) = request else { return told("400 Bad Request", None) };
        if known.method == Method::Other {
            return told("405 Method Not Allowed", request);
        }
        let Some(guest) = self.guest() else { return told("404 Not Found", request) };
        let plan = Arc::clone(&self.plan.borrow());
        let interfaces: Vec<_> = guest.ports.iter().filter_map(|port| plan.interfaces.get(port).cloned()).collect();
        match documents(&guest, &interfaces, &known.path) {
            Some(document) => {
                let media_type = match document.media_type {
                    MediaType::Text => TEXT,
                    MediaType::Json => "application/json",
                };
                http::answer("200 OK", media_type, &document.body, request)
            }
            None => told("404 Not Found", request),
        }
    }

    /// The one thing that can be posted is the guest's password; statuses are Nova's.
    async fn post(&mut self, request: &Request, pending: &mut Vec<u8>) -> io::Result<Vec<u8>> {
        // What is left unread would end the connection before the answer is there.
        let length = if request.body_length <= LARGEST_HEAD { request.body_length } else { 0 };
        let body = self.read_body(pending, length).await?;
        let status = match self.guest() {
            None => "404 Not Found",
            Some(guest) if !takes_password(&guest, &request.path) => "405 Method Not Allowed",
            Some(guest) if !guest.guest_password.is_empty() => "409 Conflict",
            Some(_) if request.body_length > LARGEST_PASSWORD => "400 Request is too large.",
            Some(guest) => match String::from_utf8(body) {
                Err(_) => "400 Bad Request",
                Ok(password) => kept(self.source.keep_password(&guest, password).await),
            },
        };
        Ok(match status {
            "200 OK" => http::answer(status, TEXT, b"", Some(request)),
            _ => told(status, Some(request)),
        })
    }
}

fn kept(outcome: Result<(), NotKept>) -> &'static str {
    match outcome {
        Ok(()) => "200 OK",
        Err(NotKept::AlreadySet) => "409 Conflict",
        Err(NotKept::NotFound) => "404 Not Found",
        Err(NotKept::Unavailable) => "503 Service Unavailable",
    }
}

/// A status that is its own text.
fn told(status: &str, request: Option<&Request>) -> Vec<u8> {
    http::answer(status, TEXT, status.as_bytes(), request)
}
