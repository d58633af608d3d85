//! Clients that never stop asking, and the longest time that they were not answered.

use crate::install::wire::{Wire, address};
use anyhow::{Context as _, Result};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

/// Asks in turn, and writes when each was answered: a read, a write that adds, one that takes it away again.
const LOOP: &str = r#"
ask() { # WORD CURL'S WORDS
    word=$1; shift
    status=$(curl --silent --output /dev/null --max-time 2 --cacert "$CA" --write-out '%{http_code}' -H "x-auth-token: $TOKEN" "$@")
    case $status in 2*|4*) echo "$(date +%s.%N) $word" ;; *) sleep 0.1 ;; esac
}
key='{"keypair": {"name": "load", "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAz2f8crPIbHpFT22GtD7SRajkkdDlKI1NqMf/Q6e82w load"}}'
while :; do
    ask GET "$URL/servers/detail"
    ask POST -H 'content-type: application/json' --data "$key" "$URL/os-keypairs"
    ask DELETE -X DELETE "$URL/os-keypairs/load"
done
"#;

/// A program that writes a line with a time at each answer; ended when dropped.
pub struct Watch {
    child: Child,
    file: PathBuf,
}

impl Watch {
    /// Clients of the controller's API.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn api(wire: &Wire, folder: &Path, token: &str) -> Result<Self> {
        let mut shell = wire.command("sh");
        shell.args(["-c", LOOP]).env("TOKEN", token.trim()).env("CA", folder.join("ca.pem"));
        shell.env("URL", format!("https://{}:8443/compute/v2.1", address(1)));
        Self::start(shell, folder.join("api.log"))
    }

    /// Somebody who pings a guest five times a second.
    ///
    /// # Errors
    /// When he cannot be started.
    pub fn guest(wire: &Wire, folder: &Path, name: &str, floating: &str) -> Result<Self> {
        let mut ping = wire.command("ping");
        ping.args(["-D", "-n", "-i", "0.2", floating]);
        Self::start(ping, folder.join(format!("{name}.log")))
    }

    fn start(mut command: std::process::Command, file: PathBuf) -> Result<Self> {
        let out = File::create(&file)?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(Stdio::null()).spawn();
        Ok(Self { child: child.context("cannot start a client")?, file })
    }

    /// How often it was answered, and the longest time between two answers with this word in their lines.
    ///
    /// # Errors
    /// When there is nothing to read.
    pub fn gap(&self, word: &str) -> Result<(usize, Duration)> {
        let text = fs::read_to_string(&self.file).context("a client wrote nothing")?;
        let moments = moments(&text, word);
        let longest = moments.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        Ok((moments.len(), Duration::from_secs_f64(longest)))
    }
}

/// Times at the lines' beginnings, as they are or in brackets.
fn moments(text: &str, word: &str) -> Vec<f64> {
    let lines = text.lines().filter(|line| line.contains(word));
    let time = |line: &str| line.split(' ').next()?.trim_matches(['[', ']']).parse().ok();
    lines.filter_map(time).collect()
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_of_both_kinds_of_lines() {
        let ping = "PING 1.2.3.4\n[10.5] 64 bytes from 1.2.3.4: icmp_seq=1\n[12.0] From 1.2.3.1 unreachable\n[13.5] 64 bytes from";
        assert_eq!(moments(ping, "bytes from"), [10.5, 13.5]);
        assert_eq!(moments("1.5 GET\n1.75 POST\n2.5 GET\n", "GET"), [1.5, 2.5]);
    }
}
