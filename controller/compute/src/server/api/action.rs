//! POST /servers/{id}/action.

use super::super::change;
use super::super::model::{Lock, Server, VmState};
use super::super::service::Note;
use super::super::wire::schema::action as schema;
use crate::failure::{bad_request, conflict, forbidden, not_found, not_implemented};
use crate::schema::as_integer;
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use controller_ports::fleet::AskError;
use controller_ports::network::AttachError;
use controller_web::{Context, Json};
use http::StatusCode;
use serde_json::{Value, json};

/// Most bytes of a console that are fetched.
const CONSOLE_BYTES: u64 = 100 << 10;

/// Nova's actions that this cloud does not have yet.
const NOT_YET: &[&str] = &[
    "changePassword",
    "confirmResize",
    "createBackup",
    "createImage",
    "evacuate",
    "forceDelete",
    "injectNetworkInfo",
    "migrate",
    "os-migrateLive",
    "pause",
    "rebuild",
    "rescue",
    "resetNetwork",
    "resize",
    "restore",
    "resume",
    "revertResize",
    "shelve",
    "shelveOffload",
    "suspend",
    "trigger_crash_dump",
    "unpause",
    "unrescue",
    "unshelve",
];

pub(super) async fn action(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Response, Failure> {
    let name = single_key(&body)?;
    let run = Action { compute: &compute, context: &context, id: &id, body: &body };
    match name {
        "os-start" => run.start().await,
        "os-stop" => run.stop().await,
        "reboot" => run.reboot().await,
        "lock" => run.lock().await,
        "unlock" => run.unlock().await,
        "os-resetState" => run.reset_state().await,
        "addSecurityGroup" => run.security_group(true).await,
        "removeSecurityGroup" => run.security_group(false).await,
        "addFixedIp" => compute.change_address(&context, &id, &body, true).await,
        "removeFixedIp" => compute.change_address(&context, &id, &body, false).await,
        "os-getConsoleOutput" => return run.console().await,
        missing if NOT_YET.contains(&missing) => return Err(not_implemented(missing)),
        other => return Err(bad_request(format!("There is no such action: {other}"))),
    }?;
    Ok(StatusCode::ACCEPTED.into_response())
}

fn single_key(body: &Value) -> Result<&str, Failure> {
    let keys: Vec<&String> = body.as_object().into_iter().flat_map(|map| map.keys()).collect();
    match keys.as_slice() {
        [name] => Ok(name),
        [] => Err(bad_request("Malformed request body: an action is wanted")),
        _ => Err(bad_request("Malformed request body: exactly one action is wanted")),
    }
}

struct Action<'a> {
    compute: &'a Compute,
    context: &'a Context,
    id: &'a str,
    body: &'a Value,
}

impl Action<'_> {
    async fn server(&self, rule: &str) -> Result<Server, Failure> {
        self.compute.allowed(self.context, self.id, rule).await
    }

    fn check(&self, schema: &crate::schema::Schema) -> Result<(), Failure> {
        Ok(schema.check(self.body, self.context.microversion().minor)?)
    }

    async fn change(
        &self,
        rule: &str,
        action: &'static str,
        ongoing: bool,
        mutate: impl Fn(&Server) -> Result<Server, Failure> + Send + Sync,
    ) -> Result<(), Failure> {
        let server = self.server(rule).await?;
        let note = Note { context: self.context, action, ongoing };
        self.compute.change(server.id, note, mutate).await?;
        Ok(())
    }

    async fn start(&self) -> Result<(), Failure> {
        self.check(&schema::bare("os-start"))?;
        let now = self.context.now();
        self.change("os_compute_api:servers:start", "start", true, |server| Ok(change::start(server, now)?)).await
    }

    async fn stop(&self) -> Result<(), Failure> {
        self.check(&schema::bare("os-stop"))?;
        let now = self.context.now();
        self.change("os_compute_api:servers:stop", "stop", true, |server| Ok(change::stop(server, now)?)).await
    }

    async fn reboot(&self) -> Result<(), Failure> {
        self.check(&schema::REBOOT)?;
        let kind = self.body["reboot"]["type"].as_str().unwrap_or_default();
        let (hard, now) = (kind.eq_ignore_ascii_case("hard"), self.context.now());
        let reboot = |server: &Server| Ok(change::reboot(server, hard, now)?);
        self.change("os_compute_api:servers:reboot", "reboot", true, reboot).await
    }

    async fn lock(&self) -> Result<(), Failure> {
        self.check(&schema::LOCK)?;
        let reason = self.body["lock"]["locked_reason"].as_str().map(str::to_owned);
        let (user, admin) = (self.context.user_id(), self.context.is_admin());
        let lock = |server: &Server| {
            let lock = Lock { by_admin: admin && server.user_id != *user, reason: reason.clone() };
            Ok(Server { lock: Some(lock), ..server.clone() })
        };
        self.change("os_compute_api:os-lock-server:lock", "lock", false, lock).await
    }

    async fn unlock(&self) -> Result<(), Failure> {
        self.check(&schema::bare("unlock"))?;
        let server = self.server("os_compute_api:os-lock-server:unlock").await?;
        let by_admin = server.lock.as_ref().is_some_and(|lock| lock.by_admin);
        let rule = "os_compute_api:os-lock-server:unlock:unlock_override";
        if by_admin && !self.context.allows(rule, &super::super::service::target(&server)) {
            return Err(forbidden(format!("Policy doesn't allow {rule} to be performed.")));
        }
        self.compute.unlock(&server, self.context).await
    }

    async fn reset_state(&self) -> Result<(), Failure> {
        self.check(&schema::RESET_STATE)?;
        let (active, now) = (self.body["os-resetState"]["state"] == "active", self.context.now());
        let reset = |server: &Server| {
            if active && server.launched_at.is_none() {
                return Err(conflict(format!("Instance {} never ran and cannot be set to active", server.id)));
            }
            Ok(change::reset(server, if active { VmState::Active } else { VmState::Error }, now))
        };
        self.change("os_compute_api:os-admin-actions:reset_state", "resetState", false, reset).await
    }

    async fn security_group(&self, add: bool) -> Result<(), Failure> {
        self.check(&schema::SECURITY_GROUP)?;
        let (rule, key) = if add {
            ("os_compute_api:os-security-groups:add", "addSecurityGroup")
        } else {
            ("os_compute_api:os-security-groups:remove", "removeSecurityGroup")
        };
        let server = self.server(rule).await?;
        let group = self.body[key]["name"].as_str().unwrap_or_default();
        let changed = self.compute.networks.change_security_group(&server.project_id, server.id, group, add).await;
        changed.map_err(|error| match error {
            AttachError::SecurityGroupNotFound(name) => {
                not_found(format!("Security group {name} not found for project {}.", server.project_id))
            }
            other => other.into(),
        })
    }

    async fn console(&self) -> Result<Response, Failure> {
        self.check(&schema::CONSOLE)?;
        let server = self.server("os_compute_api:os-console-output").await?;
        let not_ready = || conflict(format!("Instance {} is not ready", server.id));
        let host = server.host.as_ref().filter(|_| server.desired.published).ok_or_else(not_ready)?;
        let answer = self.compute.fleet.console_output(host.id, server.id, CONSOLE_BYTES).await;
        let bytes = answer.map_err(|error| match error {
            AskError::Refused { .. } => not_ready(),
            other => other.into(),
        })?;
        let length = self.body["os-getConsoleOutput"].get("length").and_then(as_integer);
        let output = json!({"output": last_lines(&printable(&bytes), length)});
        Ok(Json(output).into_response())
    }
}

impl Compute {
    /// Takes the lock away; the lock itself is not in the way.
    async fn unlock(&self, server: &Server, context: &Context) -> Result<(), Failure> {
        self.advance(server.id, |server| server.lock.is_some().then(|| Server { lock: None, ..server.clone() }))
            .await?;
        let note = Note { context, action: "unlock", ongoing: false };
        let mut tx = self.db.begin().await?;
        crate::action_log::store::insert(&mut tx, &note.entry(server, self)).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// The console as text, without control characters that JSON's readers choke on.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')).collect()
}

/// The last lines; `None` or less than zero: all.
fn last_lines(text: &str, length: Option<i64>) -> String {
    let Some(count) = length.and_then(|length| usize::try_from(length).ok()) else {
        return text.to_owned();
    };
    if count == 0 {
        return String::new();
    }
    let lines: Vec<&str> = text.trim_end_matches('\n').split('\n').collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_consoles_end_is_given() {
        assert_eq!(last_lines("a\nb\nc\n", Some(2)), "b\nc");
        assert_eq!(last_lines("a\nb\n", Some(9)), "a\nb");
        assert_eq!(last_lines("a\nb\n", None), "a\nb\n");
        assert_eq!(last_lines("a\nb\n", Some(-1)), "a\nb\n");
        assert_eq!(last_lines("a", Some(0)), "");
        assert_eq!(printable(b"a\x1b[0m\0b\n"), "a[0mb\n");
    }

    #[test]
    fn exactly_one_action() {
        assert_eq!(single_key(&json!({"lock": null})).unwrap(), "lock");
        assert!(single_key(&json!({})).is_err() && single_key(&json!({"a": 1, "b": 2})).is_err());
        assert!(single_key(&json!([])).is_err());
    }
}
