//! The metadata service, as far as the guest asks it.

use super::{GLANCE, HOSTNAME, INSTANCE, METADATA};
use anyhow::Result;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

/// The server.
pub(super) struct Server(TcpListener);

impl Server {
    /// Binds in the caller's namespace.
    pub(super) fn bind() -> Result<Self> {
        let listener = TcpListener::bind((METADATA, 80))?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// Serves until it is over.
    pub(super) fn serve(&self, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            match self.0.accept() {
                // A guest that goes away in the middle is none of the story's business here.
                Ok((stream, _)) => drop(answer(stream)),
                Err(_) => std::thread::sleep(GLANCE),
            }
        }
    }
}

fn answer(mut stream: TcpStream) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(crate::PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while !lines.next().transpose()?.unwrap_or_default().is_empty() {}
    let (status, body) = match first.split(' ').nth(1) {
        Some("/openstack/latest/meta_data.json") => {
            ("200 OK", format!(r#"{{"uuid": "{INSTANCE}", "hostname": "{HOSTNAME}", "name": "story"}}"#))
        }
        Some("/latest/meta-data/instance-id") => ("200 OK", "i-00000001".to_string()),
        _ => ("404 Not Found", String::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes())?;
    Ok(())
}
