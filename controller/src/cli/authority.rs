//! `controller authority`: the federation's certificate authority, and how it is replaced while hosts are connected.

use super::{audit::request, host::table};
use crate::config::Config;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Which authorities are trusted, and which hosts have not yet followed a change.
    Show,
    /// Make a new authority beside this one: both are trusted, and hosts get certificates of the new one.
    Begin,
    /// Trust the new authority alone, and delete the old one's key.
    Finish {
        /// Also when hosts have not followed; they have to join again.
        #[arg(long)]
        force: bool,
    },
}

pub async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let (method, path) = match arguments.command {
        Command::Show => ("GET", "/authority"),
        Command::Begin => ("POST", "/authority/begin"),
        Command::Finish { force: false } => ("POST", "/authority/finish"),
        Command::Finish { force: true } => ("POST", "/authority/finish?force=1"),
    };
    print!("{}", render(&request(&config, method, path).await?)?);
    Ok(ExitCode::SUCCESS)
}

fn render(lines: &str) -> anyhow::Result<String> {
    let mut rows = vec![["AUTHORITY", "UNTIL", "USE"].map(str::to_owned).to_vec()];
    let mut behind = String::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line)?;
        if let Some(names) = line["behind"].as_array().filter(|names| !names.is_empty()) {
            let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
            behind = format!("hosts that have not renewed yet: {}\n", names.join(", "));
        } else if let Some(fingerprint) = line["fingerprint"].as_str() {
            let mut uses = vec!["trusted"];
            uses.extend(line["serves"].as_bool().filter(|yes| *yes).map(|_| "shown by the controller"));
            uses.extend(line["signs_hosts"].as_bool().filter(|yes| *yes).map(|_| "signs hosts"));
            let until = line["expires_at"].as_str().unwrap_or_default();
            rows.push(vec![format!("sha256:{fingerprint}"), until.to_owned(), uses.join(", ")]);
        }
    }
    Ok(table(&rows) + &behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_behind_is_named() {
        let lines = "{\"fingerprint\":\"ab\",\"expires_at\":\"T\",\"serves\":true,\"signs_hosts\":false}\n{\"behind\":[\"a\",\"b\"]}\n";
        let text = render(lines).unwrap();
        assert!(text.contains("sha256:ab  T      trusted, shown by the controller\n"), "{text}");
        assert!(text.ends_with("hosts that have not renewed yet: a, b\n"));
    }
}
