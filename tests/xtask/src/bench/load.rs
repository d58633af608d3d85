//! A load generator: one request again and again over connections that are kept, with as little work of its own as possible.

use anyhow::{Context as _, Result, bail};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

/// Requests that are not counted, on each connection.
const WARM: usize = 5;

/// What a load came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Answers per second.
    pub rate: f64,
    times: Vec<f64>,
}

impl Outcome {
    /// Milliseconds that this share of the answers took at most.
    pub fn quantile(&self, share: f64) -> f64 {
        let last = self.times.len().saturating_sub(1);
        self.times.get((last as f64 * share) as usize).copied().unwrap_or_default()
    }
}

/// Sends `request` for this long over so many connections; every answer must have the status.
pub async fn run(
    address: SocketAddr,
    request: &str,
    status: u16,
    connections: usize,
    length: Duration,
) -> Result<Outcome> {
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        workers.spawn(connection(address, request.to_owned().into_bytes(), status, length));
    }
    let mut times = Vec::new();
    while let Some(worker) = workers.join_next().await {
        times.extend(worker??);
    }
    times.sort_by(f64::total_cmp);
    Ok(Outcome { rate: times.len() as f64 / length.as_secs_f64(), times })
}

async fn connection(address: SocketAddr, request: Vec<u8>, status: u16, length: Duration) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut buffer, mut times) = (Vec::with_capacity(64 * 1024), Vec::new());
    for _ in 0..WARM {
        once(&mut stream, &request, status, &mut buffer).await?;
    }
    let end = Instant::now() + length;
    loop {
        let started = Instant::now();
        if started >= end {
            return Ok(times);
        }
        once(&mut stream, &request, status, &mut buffer).await?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
}

async fn once(stream: &mut TcpStream, request: &[u8], status: u16, buffer: &mut Vec<u8>) -> Result<()> {
    stream.write_all(request).await?;
    buffer.clear();
    let mut whole = None;
    while whole.is_none_or(|whole| buffer.len() < whole) {
        if stream.read_buf(buffer).await? == 0 {
            bail!("the connection was closed");
        }
        if whole.is_none()
            && let Some(head) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n")
        {
            whole = Some(head + 4 + check(&buffer[..head], status)?);
        }
    }
    Ok(())
}

/// The body's length, if the head has the status.
fn check(head: &[u8], status: u16) -> Result<usize> {
    let head = std::str::from_utf8(head).context("a head is no text")?;
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    if first.split(' ').nth(1) != Some(status.to_string().as_str()) {
        bail!("the answer is {first}");
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok()).flatten()
    });
    length.with_context(|| format!("an answer without a length: {first}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_status_and_length() {
        assert_eq!(check(b"HTTP/1.1 200 OK\r\nContent-Length: 12", 200).unwrap(), 12);
        assert!(check(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 12", 200).is_err());
        assert!(check(b"HTTP/1.1 200 OK\r\nx: y", 200).is_err());
    }
}
