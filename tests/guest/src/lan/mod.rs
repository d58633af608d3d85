//! A network of a story's own: a namespace with a bridge, a DHCP server and a metadata service, on which the story stands as a
//! neighbour of its guests.
//!
//! The namespace has no name; it goes when the last descriptor and thread of it go.

mod dhcp;
mod metadata;
mod ping;
mod tap;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::PATIENCE;

/// The story's own address, which is the guests' gateway.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The metadata service's.
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// The instance id that it tells.
pub const INSTANCE: &str = "d8e02d56-2648-49a3-bf97-6be8f1204f38";
/// The host name that it tells.
pub const HOSTNAME: &str = "story.example";
/// How long a service sleeps before it looks whether it shall end.
const GLANCE: Duration = Duration::from_millis(50);
const MTU: u16 = 1442;
const BRIDGE: &str = "lan";

/// The network.
pub struct Lan {
    namespace: File,
    plugs: AtomicU8,
    over: Arc<AtomicBool>,
    services: Vec<JoinHandle<()>>,
}

impl Lan {
    /// A network with its services.
    ///
    /// # Errors
    /// Without the right to make namespaces, or without `ip`.
    pub fn new() -> Result<Self> {
        let namespace = scoped(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            ip("link set lo up")?;
            ip(&format!("link add {BRIDGE} type bridge forward_delay 0 mcast_snooping 0"))?;
            ip(&format!("address add {GATEWAY}/24 dev {BRIDGE}"))?;
            ip(&format!("address add {METADATA}/32 dev {BRIDGE}"))?;
            ip(&format!("link set {BRIDGE} up"))?;
            Ok(File::open("/proc/thread-self/ns/net")?)
        })?;
        let mut lan =
            Self { namespace, plugs: AtomicU8::new(0), over: Arc::new(AtomicBool::new(false)), services: Vec::new() };
        let (dhcp, metadata) = lan.within(|| Ok((dhcp::Server::bind()?, metadata::Server::bind()?)))?;
        let over = [Arc::clone(&lan.over), Arc::clone(&lan.over)];
        let [dhcp_over, metadata_over] = over;
        lan.services.push(thread::spawn(move || dhcp.serve(&dhcp_over)));
        lan.services.push(thread::spawn(move || metadata.serve(&metadata_over)));
        Ok(lan)
    }

    /// The MTU of its guests.
    pub fn mtu(&self) -> u16 {
        MTU
    }

    /// A new tap on the bridge, and a hardware address for it.
    pub(crate) fn plug(&self) -> Result<(OwnedFd, [u8; 6])> {
        let number = self.plugs.fetch_add(1, Ordering::Relaxed);
        let name = format!("tap{number}");
        let tap = self.within(|| {
            let tap = tap::open(&name)?;
            ip(&format!("link set {name} master {BRIDGE} mtu {MTU} up"))?;
            Ok(tap)
        })?;
        Ok((tap, [0x52, 0x54, 0, 0, 0, number + 1]))
    }

    /// Runs code in the namespace, on a thread of its own; sockets made there stay there.
    ///
    /// # Errors
    /// Those of the code.
    pub fn within<T: Send>(&self, code: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        scoped(|| {
            setns(&self.namespace, CloneFlags::CLONE_NEWNET)?;
            code()
        })
    }

    /// Connects to a guest.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn connect(&self, address: Ipv4Addr, port: u16) -> Result<TcpStream> {
        self.within(|| {
            let stream = TcpStream::connect_timeout(&SocketAddr::from((address, port)), PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        })
    }

    /// Sends an ICMP echo request; returns how long its answer took.
    ///
    /// # Errors
    /// When none comes.
    pub fn ping(&self, address: Ipv4Addr) -> Result<Duration> {
        self.within(|| ping::ping(address))
    }

    /// The names of the interfaces in the namespace.
    ///
    /// # Errors
    /// Those of `ip`.
    pub fn interfaces(&self) -> Result<Vec<String>> {
        let text = self.within(|| ip("-brief link show"))?;
        Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(ToString::to_string).collect())
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for service in self.services.drain(..) {
            // A service that panicked has said so on standard error.
            let _ = service.join();
        }
    }
}

fn scoped<T: Send>(code: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| scope.spawn(code).join()).map_err(|_| anyhow!("a thread of the network panicked"))?
}

fn ip(arguments: &str) -> Result<String> {
    let output = Command::new("ip").args(arguments.split(' ')).output().context("ip does not start")?;
    ensure!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn a_story_reaches_its_own_network_and_no_other() -> Result<()> {
        let lan = Lan::new()?;
        lan.ping(GATEWAY)?;
        ensure!(scoped(|| ping::ping(Ipv4Addr::new(10, 77, 0, 2))).is_err());
        Ok(())
    }

    #[test]
    fn the_metadata_service_knows_the_instance() -> Result<()> {
        let lan = Lan::new()?;
        let mut stream = lan.connect(METADATA, 80)?;
        stream.write_all(b"GET /openstack/latest/meta_data.json HTTP/1.1\r\nHost: x\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(INSTANCE), "{answer}");
        Ok(())
    }

    #[test]
    fn a_tap_goes_with_its_descriptor() -> Result<()> {
        let lan = Lan::new()?;
        let before = lan.interfaces()?;
        let (tap, _) = lan.plug()?;
        ensure!(lan.interfaces()?.len() == before.len() + 1);
        drop(tap);
        ensure!(lan.interfaces()? == before);
        Ok(())
    }
}
