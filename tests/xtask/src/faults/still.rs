//! Servers that nobody touches and whose processes nobody kills: they must not notice anything.

use super::stream::Parts;
use crate::demo;
use anyhow::{Context as _, Result, bail, ensure};
use humilis_harness::{exec, guest::GuestProcess, rest::Client};
use serde_json::json;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const UPTIME_PORT: u16 = 23;

/// One of them.
#[derive(Debug)]
pub struct Still {
    pub id: String,
    address: String,
    floating_ip: String,
    process: GuestProcess,
    since: Instant,
}

impl Still {
    /// Makes one, and asks it for the first time.
    pub async fn make(client: &Client, folder: &Path, parts: &Parts, public: &str, number: usize) -> Result<Self> {
        let body = parts.server(&format!("still-{number}"), &parts.image);
        let made = client.call("POST", "compute", "/servers", Some(body)).await?;
        let id = made["server"]["id"].as_str().context("the server has no id")?.to_owned();
        demo::active(client, &id, Duration::from_secs(60)).await?;
        let ports = client.call("GET", "network", &format!("/v2.0/ports?device_id={id}"), None).await?;
        let body = json!({"floatingip": {"floating_network_id": public, "port_id": ports["ports"][0]["id"]}});
        let made = client.call("POST", "network", "/v2.0/floatingips", Some(body)).await?["floatingip"].clone();
        let address = made["floating_ip_address"].as_str().context("the floating IP has no address")?.to_owned();
        let floating_ip = made["id"].as_str().context("the floating IP has no id")?.to_owned();
        let process = process(folder, &id).context("an ACTIVE server has no process")?;
        uptime(&address, Duration::from_secs(60))?;
        Ok(Self { id, address, floating_ip, process, since: Instant::now() })
    }

    /// What it noticed: nothing, if all is well.
    pub fn check(&self, folder: &Path) -> Result<()> {
        let now = process(folder, &self.id);
        ensure!(now.as_ref() == Some(&self.process), "its process was {:?} and is {now:?}", self.process);
        let uptime = uptime(&self.address, Duration::from_secs(30))?;
        let age = self.since.elapsed();
        // Its clock may be somewhat slow.
        ensure!(uptime >= age * 9 / 10, "it is up for {uptime:?}, but answered {age:?} ago already");
        Ok(())
    }

    /// Takes its floating address away.
    pub async fn release(&self, client: &Client) -> Result<()> {
        client.call("DELETE", "network", &format!("/v2.0/floatingips/{}", self.floating_ip), None).await.map(drop)
    }
}

fn process(folder: &Path, id: &str) -> Option<GuestProcess> {
    GuestProcess::all(folder).into_iter().find(|process| process.server == id)
}

/// How long the guest says that it is up.
fn uptime(address: &str, limit: Duration) -> Result<Duration> {
    let end = Instant::now() + limit;
    loop {
        match ask(address) {
            Ok(uptime) => return Ok(uptime),
            Err(error) if Instant::now() >= end => {
                bail!("it does not answer at {address}: {error:#}\n{}", neighbours(address));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// What tells a guest that is slow from a network that is broken.
fn neighbours(address: &str) -> String {
    let mut said = String::new();
    for words in [&["ip", "neigh", "show", "to", address][..], &["ping", "-c", "2", "-W", "2", address]] {
        let answer = exec::read(Command::new(words[0]).args(&words[1..]));
        said += &answer.unwrap_or_else(|error| format!("{error:#}\n"));
    }
    said
}

fn ask(address: &str) -> Result<Duration> {
    let address = SocketAddr::new(address.parse()?, UPTIME_PORT);
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(3)))?;
    stream.write_all(b"uptime\n")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(Duration::from_millis(line.trim().parse().with_context(|| format!("it answered {line:?}"))?))
}
