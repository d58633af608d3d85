//! `controller events`: who changed what, from the running controller.

use super::audit::connect;
use crate::config::Config;
use anyhow::bail;
use std::process::ExitCode;
use tokio::io::{AsyncBufReadExt as _, BufReader};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only events of this type, or below it: identity.user, identity.authenticate.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only this user's doings.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Only what was done to this.
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    /// Only "success" or "failure".
    #[arg(long)]
    outcome: Option<String>,
    /// Only of the last seconds.
    #[arg(long, value_name = "SECONDS")]
    last: Option<u32>,
    /// The newest so many.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Show events as they come.
    #[arg(long)]
    follow: bool,
    /// A JSON object a line, CADF.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let mut lines = BufReader::new(connect(&config, &arguments.path()).await?).lines();
    let status = lines.next_line().await?.unwrap_or_default();
    while lines.next_line().await?.is_some_and(|header| !header.is_empty()) {}
    if !status.contains(" 200") {
        bail!("the controller answered: {}", lines.next_line().await?.unwrap_or_default());
    }
    while let Some(line) = lines.next_line().await? {
        if arguments.json {
            println!("{line}");
        } else {
            println!("{}", brief(&serde_json::from_str(&line)?));
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn path(&self) -> String {
        let limit = self.limit.to_string();
        let last = self.last.map(|seconds| seconds.to_string());
        let named = [
            ("type", self.kind.as_deref()),
            ("user", self.user.as_deref()),
            ("target", self.target.as_deref()),
            ("outcome", self.outcome.as_deref()),
            ("last", last.as_deref()),
            ("limit", Some(limit.as_str())),
            ("follow", self.follow.then_some("1")),
        ];
        let params = controller_web::Params::default();
        let params = named.into_iter().fold(params, |params, (name, value)| params.with(name, value));
        format!("/events?{}", params.encode())
    }
}

/// Time, outcome, what, by whom, on what.
fn brief(event: &serde_json::Value) -> String {
    let text = |path: &str| event.pointer(path).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let who = match (text("/initiator/name"), text("/initiator/id")) {
        (name, id) if name.is_empty() && id.is_empty() => "nobody known".to_owned(),
        (name, id) if name.is_empty() => id,
        (name, _) => name,
    };
    let reason = match text("/reason/reasonCode") {
        code if code.is_empty() => String::new(),
        code => format!(" ({code})"),
    };
    format!(
        "{} {}{reason} {} by {who} on {}",
        text("/eventTime"),
        text("/outcome"),
        text("/event_type"),
        text("/target/id")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let event = serde_json::json!({"eventTime": "T", "outcome": "failure", "event_type": "identity.user.deleted",
            "initiator": {"id": "1", "name": "admin"}, "target": {"id": "u"}, "reason": {"reasonCode": "403"}});
        assert_eq!(brief(&event), "T failure (403) identity.user.deleted by admin on u");
    }
}
