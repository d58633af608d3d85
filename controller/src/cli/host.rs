//! `controller host`: the members of the federation, and the tokens with which machines become members.

use super::{audit::request, token};
use crate::config::Config;
use controller_web::Params;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// All hosts.
    List {
        /// A JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// One host.
    Show {
        /// Its name or id.
        host: String,
        /// As a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Let a host in that waits for it, or one whose disk is in another machine now.
    Approve {
        /// Its name or id.
        host: String,
    },
    /// No new guests there; those that are there run on.
    Drain {
        /// Its name or id.
        host: String,
        /// Why, for other operators.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// New guests there again.
    Undrain {
        /// Its name or id.
        host: String,
    },
    /// Cut a host off: its stream ends, and it gets no new one and no new certificate. Its guests are left alone.
    Fence {
        /// Its name or id.
        host: String,
        /// Why, for other operators.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Let a fenced host in again.
    Unfence {
        /// Its name or id.
        host: String,
    },
    /// Forget a host without servers; its certificate opens nothing any more.
    Remove {
        /// Its name or id.
        host: String,
    },
    /// Join tokens.
    Token(token::Arguments),
}

pub async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let none = String::new();
    let (host, verb, reason) = match arguments.command {
        Command::List { json } => return list(&config, json).await,
        Command::Show { host, json } => return show(&config, &host, json).await,
        Command::Token(arguments) => return token::run(arguments, config).await,
        Command::Approve { host } => (host, "approve", none),
        Command::Drain { host, reason } => (host, "drain", reason),
        Command::Undrain { host } => (host, "undrain", none),
        Command::Fence { host, reason } => (host, "fence", reason),
        Command::Unfence { host } => (host, "unfence", none),
        Command::Remove { host } => (host, "remove", none),
    };
    let params =
        Params::default().with("reason", Some(&reason).filter(|reason| !reason.is_empty()).map(String::as_str));
    print!("{}", request(&config, "POST", &format!("/hosts/{host}/{verb}?{}", params.encode())).await?);
    Ok(ExitCode::SUCCESS)
}

async fn list(config: &Config, json: bool) -> anyhow::Result<ExitCode> {
    let lines = request(config, "GET", "/hosts").await?;
    if json {
        print!("{lines}");
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![
        ["NAME", "ID", "STATE", "ADDRESS", "VERSION", "GUESTS", "CERTIFICATE UNTIL", "LAST SEEN"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for line in lines.lines() {
        let host: Value = serde_json::from_str(line)?;
        let columns = ["name", "id", "state", "address", "version", "guests", "certificate_expires_at", "last_seen"];
        rows.push(columns.map(|name| shown(&host[name])).to_vec());
    }
    print!("{}", table(&rows));
    Ok(ExitCode::SUCCESS)
}

async fn show(config: &Config, host: &str, json: bool) -> anyhow::Result<ExitCode> {
    let text = request(config, "GET", &format!("/hosts/{host}")).await?;
    if json {
        println!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    let host: Value = serde_json::from_str(&text)?;
    let fields = host.as_object().into_iter().flatten();
    let rows: Vec<_> = fields.map(|(name, value)| vec![name.clone(), shown(value)]).collect();
    print!("{}", table(&rows));
    Ok(ExitCode::SUCCESS)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(truth) => if *truth { "yes" } else { "no" }.to_owned(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// Columns as wide as their widest entry.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}")).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tables_columns_stand_below_each_other() {
        let rows = [["NAME", "STATE"], ["a-long-name", "away"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "NAME         STATE\na-long-name  away\n");
    }

    #[test]
    fn values_are_for_people() {
        let said = serde_json::json!([null, "", "a", true, 3, ["x", "y"]]);
        let words: Vec<_> = said.as_array().unwrap().iter().map(shown).collect();
        assert_eq!(words, ["-", "-", "a", "yes", "3", "x, y"]);
    }
}
