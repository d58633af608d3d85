//! Prometheus metrics in text form, and what `hostd audit` and `hostd status` ask, each on a listener of this host alone.

use crate::{audit::Audit, metrics::Metrics, status::Status};
use std::{io, path::Path};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixListener},
    time::{Duration, timeout},
};

/// A request line and headers that are longer are no request.
const MAX_REQUEST: usize = 8 * 1024;
/// How long one connection may last.
const DEADLINE: Duration = Duration::from_secs(10);

/// Serves the metrics at `address`.
pub async fn serve(address: &str, metrics: Metrics) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let metrics = metrics.clone();
                    tokio::spawn(timeout(DEADLINE, answer(stream, async move |path: &str| page(path, metrics).await)));
                }
                Err(error) => paused(&error).await,
            }
        }
    });
    Ok(())
}

async fn page(path: &str, metrics: Metrics) -> Option<Result<String, String>> {
    let text = async || tokio::task::spawn_blocking(move || metrics.text()).await.map_err(|error| error.to_string());
    if path == "/metrics" { Some(text().await) } else { None }
}

/// What this host's own programs may ask.
#[derive(Clone)]
pub struct Own {
    /// What is here, and why.
    pub audit: Audit,
    /// How it is.
    pub status: Status,
}

impl Own {
    async fn page(&self, path: &str) -> Option<Result<String, String>> {
        match path {
            "/audit" => Some(self.audit.text().await.map_err(|error| error.to_string())),
            "/status" => {
                let status = self.status.clone();
                Some(tokio::task::spawn_blocking(move || status.text()).await.map_err(|error| error.to_string()))
            }
            _ => None,
        }
    }
}

/// Serves it at a socket in the state directory, which root alone can reach.
pub fn serve_own(path: &Path, own: Own) -> io::Result<()> {
    hostd_kit::durable::remove(path)?;
    let listener = UnixListener::bind(path)?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let own = own.clone();
                    tokio::spawn(timeout(DEADLINE, answer(stream, async move |path: &str| own.page(path).await)));
                }
                Err(error) => paused(&error).await,
            }
        }
    });
    Ok(())
}

/// Out of descriptors, most likely: there may be some again soon.
async fn paused(error: &io::Error) {
    tracing::warn!(%error, "a connection cannot be accepted");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Answers one HTTP/1 request with the page of its path.
async fn answer<S, F>(mut stream: S, page: F) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: AsyncFnOnce(&str) -> Option<Result<String, String>>,
{
    let request = head(&mut stream).await?;
    let request = String::from_utf8_lossy(&request);
    let path = request.strip_prefix("GET ").and_then(|rest| rest.split_once(' ')).map(|(path, _)| path);
    let page = match path {
        Some(path) => page(path).await,
        None => None,
    };
    let (status, body) = match page {
        Some(Ok(body)) => ("200 OK", body),
        Some(Err(error)) => ("500 Internal Server Error", error),
        None => ("404 Not Found", String::new()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if request.len() > MAX_REQUEST || stream.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(request)
}

/// Asks a running hostd for one of its own pages.
pub async fn ask(socket: &Path, page: &str) -> io::Result<String> {
    let mut stream = tokio::net::UnixStream::connect(socket).await?;
    stream.write_all(format!("GET {page} HTTP/1.1\r\nHost: hostd\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    if head.starts_with("HTTP/1.1 200 ") { Ok(body.to_owned()) } else { Err(io::Error::other(body.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(request: &str) -> String {
        let (mut near, far) = tokio::io::duplex(4096);
        near.write_all(request.as_bytes()).await.unwrap();
        let page = async |path: &str| (path == "/metrics").then(|| Ok("body".to_owned()));
        answer(far, page).await.unwrap();
        let mut text = String::new();
        near.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn the_path_alone_is_answered() {
        assert!(ask("GET /metrics HTTP/1.1\r\n\r\n").await.ends_with("\r\n\r\nbody"));
        assert!(ask("GET /else HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 404 "));
        assert!(ask("POST /metrics HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 404 "));
    }
}
