//! `controller audit`: asks the running controller.

use crate::{config::Config, listener::admin};
use anyhow::{Context as _, bail};
use std::process::ExitCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A JSON object a line.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let findings = request(&config, "GET", "/audit").await?;
    for line in findings.lines() {
        if arguments.json {
            println!("{line}");
        } else {
            let finding: serde_json::Value = serde_json::from_str(line)?;
            let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
            println!("{} {} {}: {}", text("by"), text("kind"), text("subject"), text("what"));
        }
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One request over the operators' socket; HTTP/1.0, so that the answer ends with the connection.
pub(super) async fn request(config: &Config, method: &str, path: &str) -> anyhow::Result<String> {
    let mut stream = begin(config, method, path).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the controller broke off")?;
    if !head.lines().next().is_some_and(|line| line.contains(" 200")) {
        bail!("the controller says: {}", body.trim());
    }
    Ok(body.to_owned())
}

/// The answer to one request over the operators' socket.
pub(super) async fn connect(config: &Config, path: &str) -> anyhow::Result<UnixStream> {
    begin(config, "GET", path).await
}

async fn begin(config: &Config, method: &str, path: &str) -> anyhow::Result<UnixStream> {
    let socket = admin::path(&config.state_directory);
    let away = || format!("the controller does not answer on {}", socket.display());
    let mut stream = UnixStream::connect(&socket).await.with_context(away)?;
    stream.write_all(format!("{method} {path} HTTP/1.0\r\nHost: controller\r\n\r\n").as_bytes()).await?;
    Ok(stream)
}
