//! Prometheus metrics in text form, and the audit for `hostd audit`, each on a listener of this host alone.

use crate::{audit::Audit, metrics::Metrics};
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
                    tokio::spawn(timeout(DEADLINE, answer(stream, "/metrics", move || page(metrics))));
                }
                Err(error) => paused(&error).await,
            }
        }
    });
    Ok(())
}

async fn page(metrics: Metrics) -> Result<String, String> {
    tokio::task::spawn_blocking(move || metrics.text()).await.map_err(|error| error.to_string())
}

/// Serves the audit at a socket in the state directory, which root alone can reach.
pub fn serve_audit(path: &Path, audit: Audit) -> io::Result<()> {
    hostd_kit::durable::remove(path)?;
    let listener = UnixListener::bind(path)?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let audit = audit.clone();
                    let lines = move || async move { audit.text().await.map_err(|error| error.to_string()) };
                    tokio::spawn(timeout(DEADLINE, answer(stream, "/audit", lines)));
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

/// Answers one HTTP/1 request for `path`.
async fn answer<S, F, T>(mut stream: S, path: &str, body: F) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: FnOnce() -> T,
    T: Future<Output = Result<String, String>>,
{
    let request = head(&mut stream).await?;
    let wanted = format!("GET {path} ");
    let (status, body) = if !request.starts_with(wanted.as_bytes()) {
        ("404 Not Found", String::new())
    } else {
        match body().await {
            Ok(body) => ("200 OK", body),
            Err(error) => ("500 Internal Server Error", error),
        }
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

/// Asks a running hostd for its audit.
pub async fn ask_audit(path: &Path) -> io::Result<String> {
    let mut stream = tokio::net::UnixStream::connect(path).await?;
    stream.write_all(b"GET /audit HTTP/1.1\r\nHost: hostd\r\n\r\n").await?;
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
        answer(far, "/metrics", || async { Ok("body".to_owned()) }).await.unwrap();
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
