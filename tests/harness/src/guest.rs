//! Guests' processes, as hostd's records tell of them, and commands to the small guest of our own.

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

/// Where the small guest takes commands.
const COMMANDS: u16 = 23;

/// A command to the small guest at this address (`tests/guest/README.md`), and its answer.
///
/// # Errors
/// When it does not answer within some seconds.
pub fn command(address: &str, command: &str) -> Result<String> {
    let address = SocketAddr::new(address.parse()?, COMMANDS);
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(8)))?;
    stream.write_all(format!("{command}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).context("no answer")?;
    ensure!(!line.is_empty(), "the guest at {address} gave no answer");
    Ok(line.trim().to_owned())
}

/// A guest's process that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestProcess {
    /// The server's id.
    pub server: String,
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since the machine's boot: tells it from a later one of the same number.
    pub start_time: u64,
}

impl GuestProcess {
    /// All of the cloud in this folder.
    #[must_use]
    pub fn all(folder: &Path) -> Vec<Self> {
        let entries = fs::read_dir(folder.join("hostd/guests")).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries.filter_map(|entry| Self::read(&entry.path())).collect();
        found.sort_by(|a, b| a.server.cmp(&b.server));
        found
    }

    fn read(directory: &Path) -> Option<Self> {
        let record: Value = serde_json::from_slice(&fs::read(directory.join("record.json")).ok()?).ok()?;
        let process = &record["process"];
        let found = Self {
            server: directory.file_name()?.to_str()?.to_owned(),
            pid: i32::try_from(process["pid"].as_i64()?).ok()?,
            start_time: process["start_time"].as_u64()?,
        };
        found.runs().then_some(found)
    }

    /// Whether it still runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        // The name in parentheses may hold anything; the state follows it as field 3, the start as field 22.
        let Some((_, rest)) = stat.rsplit_once(')') else { return false };
        let mut fields = rest.split_whitespace();
        let dead = matches!(fields.next(), None | Some("Z" | "X"));
        !dead && fields.nth(18).and_then(|field| field.parse().ok()) == Some(self.start_time)
    }

    /// Ends it as a crash would.
    pub fn kill(&self) {
        if self.runs() {
            // It may have ended in between.
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
        }
    }
}
