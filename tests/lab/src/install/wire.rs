//! A network namespace with what bare machines are plugged into: a network that gives addresses, and an external one, whose outside
//! this machine plays.

use anyhow::{Context as _, Result};
use humilis_harness::exec;
use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

/// This machine on the machines' network.
const OURS: &str = "10.79.0.1";
/// This machine in the external network.
pub const OUTSIDE: &str = "172.24.4.1";

/// The namespace; gone with all in it when dropped.
#[derive(Debug)]
pub struct Wire {
    name: String,
    dhcp: Child,
}

/// The address that machine NUMBER gets.
#[must_use]
pub fn address(number: u8) -> String {
    format!("10.79.0.{}", 10 + number)
}

/// Hardware address of a machine's device: 0 on the machines' network, 1 on the external one.
#[must_use]
pub fn mac(number: u8, device: u8) -> String {
    format!("52:54:00:79:{device:02x}:{number:02x}")
}

impl Wire {
    /// Lays it for machines 1 to MACHINES.
    ///
    /// # Errors
    /// When something cannot be made.
    pub fn lay(folder: &Path, machines: u8) -> Result<Self> {
        let name = format!("humilis-install-{}", std::process::id());
        ip(&format!("netns add {name}"))?;
        ip(&format!("-n {name} link set lo up"))?;
        for (bridge, ours) in [("under", OURS), ("outer", OUTSIDE)] {
            ip(&format!("-n {name} link add {bridge} type bridge"))?;
            ip(&format!("-n {name} addr add {ours}/24 dev {bridge}"))?;
            ip(&format!("-n {name} link set {bridge} up"))?;
        }
        for number in 1..=machines {
            for (tap, bridge) in taps(number).iter().zip(["under", "outer"]) {
                ip(&format!("-n {name} tuntap add {tap} mode tap"))?;
                ip(&format!("-n {name} link set {tap} master {bridge} up"))?;
            }
        }
        let dhcp = dhcp(&name, folder, machines)?;
        Ok(Self { name, dhcp })
    }

    /// A program in it.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }
}

/// The taps of a machine, one on each network.
#[must_use]
pub fn taps(number: u8) -> [String; 2] {
    [format!("u{number}"), format!("x{number}")]
}

/// A server that gives each machine its address.
fn dhcp(name: &str, folder: &Path, machines: u8) -> Result<Child> {
    let leases: String =
        (1..=machines).map(|number| format!("static_lease {} {}\n", mac(number, 0), address(number))).collect();
    let (config, file) = (folder.join("udhcpd.conf"), folder.join("udhcpd.leases"));
    fs::write(&file, "")?;
    let text = format!(
        "interface under\nstart 10.79.0.100\nend 10.79.0.200\noption subnet 255.255.255.0\noption router {OURS}\n\
         lease_file {}\npidfile {}\n{leases}",
        file.display(),
        folder.join("udhcpd.pid").display()
    );
    fs::write(&config, text)?;
    let mut server = Command::new("ip");
    server.args(["netns", "exec", name, "busybox", "udhcpd", "-f"]).arg(config);
    server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot start udhcpd")
}

impl Drop for Wire {
    fn drop(&mut self) {
        drop(self.dhcp.kill());
        drop(self.dhcp.wait());
        drop(ip(&format!("netns del {}", self.name)));
    }
}

fn ip(words: &str) -> Result<()> {
    exec::read(Command::new("ip").args(words.split_whitespace())).map(drop)
}
