//! `controller events`: who changed what, from the running controller.

use crate::{admin::client, config::Config};
use anyhow::bail;
use humilis_proto::admin::{
    Event, EventFilter, FollowEventsRequest, ListEventsRequest, Outcome, events_client::EventsClient,
};
use std::process::ExitCode;

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
    /// With --follow: begin behind the event of this id instead of now.
    #[arg(long, value_name = "ID", requires = "follow")]
    after: Option<String>,
    /// A JSON object a line, CADF.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let mut events = EventsClient::new(client::connect(&config).await?).max_decoding_message_size(usize::MAX);
    let filter = Some(arguments.filter()?);
    if arguments.follow {
        let asked = FollowEventsRequest { filter, after_id: arguments.after.clone().unwrap_or_default() };
        let mut stream = events.follow_events(asked).await.map_err(client::told)?.into_inner();
        while let Some(event) = stream.message().await.map_err(client::told)? {
            arguments.print(&event)?;
        }
        bail!("the controller has stopped");
    }
    let asked = ListEventsRequest { filter, last_seconds: arguments.last.unwrap_or(0), limit: arguments.limit };
    for event in events.list_events(asked).await.map_err(client::told)?.into_inner().events {
        arguments.print(&event)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn filter(&self) -> anyhow::Result<EventFilter> {
        let outcome = match self.outcome.as_deref() {
            None => Outcome::Unspecified,
            Some("success") => Outcome::Success,
            Some("failure") => Outcome::Failure,
            Some(other) => bail!("{other:?} is no outcome: success or failure"),
        };
        let given = |text: &Option<String>| text.clone().unwrap_or_default();
        let (user_id, target_id) = (given(&self.user), given(&self.target));
        Ok(EventFilter { r#type: given(&self.kind), user_id, target_id, outcome: outcome.into() })
    }

    fn print(&self, event: &Event) -> anyhow::Result<()> {
        if self.json {
            println!("{}", event.cadf);
        } else {
            println!("{}", brief(&serde_json::from_str(&event.cadf)?));
        }
        Ok(())
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
