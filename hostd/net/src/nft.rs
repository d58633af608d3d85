//! The nft program: one invocation is one atomic transaction.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::error::NetError;
use crate::netns::Namespaces;

/// The nft program.
#[derive(Clone, Debug)]
pub(crate) struct Nft {
    program: PathBuf,
}

impl Nft {
    pub(crate) fn new(program: PathBuf) -> Self {
        Self { program }
    }

    /// Carries out a transaction in the host's namespace.
    pub(crate) async fn apply(&self, script: String) -> Result<(), NetError> {
        let nft = self.clone();
        let output = tokio::task::spawn_blocking(move || nft.run(&["-f", "-"], &script));
        check(output.await.map_err(|e| NetError::Nft(e.to_string()))?)
    }

    /// Whether the kernel would take the transaction.
    pub(crate) async fn accepts(&self, script: String) -> Result<bool, NetError> {
        let nft = self.clone();
        let output = tokio::task::spawn_blocking(move || nft.run(&["-c", "-f", "-"], &script));
        let output = output.await.map_err(|e| NetError::Nft(e.to_string()))?;
        Ok(output.map_err(NetError::io("run nft"))?.status.success())
    }

    /// Carries out a transaction in a named namespace.
    pub(crate) async fn apply_in(&self, namespaces: &Namespaces, name: &str, script: String) -> Result<(), NetError> {
        let nft = self.clone();
        check(Ok(namespaces.enter(name, move || nft.run(&["-f", "-"], &script)).await?))
    }

    /// What nft prints for the listing, as JSON; `null` if there is nothing of that name.
    pub(crate) async fn list(&self, what: &'static [&'static str]) -> Result<serde_json::Value, NetError> {
        let nft = self.clone();
        let output = tokio::task::spawn_blocking(move || nft.run(what, ""));
        let output = output.await.map_err(|e| NetError::Nft(e.to_string()))?.map_err(NetError::io("run nft"))?;
        if !output.status.success() && output.stdout.is_empty() {
            return Ok(serde_json::Value::Null);
        }
        serde_json::from_slice(&output.stdout).map_err(|e| NetError::Nft(e.to_string()))
    }

    fn run(&self, arguments: &[&str], script: &str) -> io::Result<Output> {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(script.as_bytes())?;
        }
        child.wait_with_output()
    }
}

fn check(output: io::Result<Output>) -> Result<(), NetError> {
    let output = output.map_err(NetError::io("run nft"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(NetError::Nft(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
