//! Operators' changes of `os-services`: until 2.52 by verbs with a host's name, since 2.53 by the service's id.

use super::wire::Member;
use crate::failure::{bad_request, not_found};
use crate::schema::{Format, Minor, Schema, as_bool, formatted, object, text};
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use controller_ports::fleet::HostChange;
use controller_web::{Context, Json, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::LazyLock;

const UPDATE: &str = "os_compute_api:os-services:update";
const DELETE: &str = "os_compute_api:os-services:delete";

static CHANGE: LazyLock<Schema> = LazyLock::new(|| {
    object()
        .field("status", Schema::Enum(&["enabled", "disabled"]))
        .field("disabled_reason", text(1, 255))
        .field("forced_down", Schema::Boolean)
        .done()
});
static ENABLE: LazyLock<Schema> = LazyLock::new(|| named().done());
static LOG_REASON: LazyLock<Schema> = LazyLock::new(|| named().required("disabled_reason", text(1, 255)).done());
static FORCE_DOWN: LazyLock<Schema> = LazyLock::new(|| named().required("forced_down", Schema::Boolean).done());

fn named() -> crate::schema::Object {
    object().required("host", formatted(1, 255, Format::Name)).required("binary", text(1, 255))
}

pub(super) fn routes() -> Routes<Compute> {
    Routes::new().put("/v2.1/os-services/{id}", UPDATE, update).delete("/v2.1/os-services/{id}", DELETE, delete)
}

async fn update(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    context.enforce(UPDATE, &Target::none())?;
    let version = context.microversion().minor;
    if version < 53 {
        compute.change_by_verb(&id, &body, version).await
    } else {
        compute.change_by_id(&id, &body, version).await
    }
}

async fn delete(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    context.enforce(DELETE, &Target::none())?;
    let member = compute.service_of(&id).await?;
    compute.fleet.change_host(member.host.id, HostChange::Remove).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Compute {
    async fn change_by_id(&self, id: &str, body: &Value, version: Minor) -> Result<Json<Value>, Failure> {
        CHANGE.check(body, version)?;
        let member = self.service_of(id).await?;
        for change in changes(body)? {
            self.fleet.change_host(member.host.id, change).await?;
        }
        let member = self.service_of(id).await?;
        let zones = self.zones(&mut *self.db.read().await?).await?;
        Ok(Json(json!({"service": member.service(zones.of(&member.host.hostname), version)})))
    }

    async fn change_by_verb(&self, verb: &str, body: &Value, version: Minor) -> Result<Json<Value>, Failure> {
        let (schema, change) = match verb {
            "enable" => (&ENABLE, HostChange::Undrain),
            "disable" => (&ENABLE, HostChange::Drain(String::new())),
            "disable-log-reason" => (&LOG_REASON, HostChange::Drain(said(body))),
            "force-down" if version >= 11 => (&FORCE_DOWN, forced(body.get("forced_down"))),
            _ => return Err(not_found("Unknown action")),
        };
        schema.check(body, version)?;
        let (host, binary) = (&body["host"], &body["binary"]);
        let members = self.members().await?;
        let member = members.into_iter().find(|member| *host == *member.host.hostname && *binary == "nova-compute");
        let member = member.ok_or_else(|| not_found(format!("Could not find binary {binary} on host {host}.")))?;
        let mut out = json!({"host": host, "binary": binary});
        match &change {
            HostChange::Undrain => out["status"] = json!("enabled"),
            HostChange::Drain(_) => out["status"] = json!("disabled"),
            _ => out["forced_down"] = body["forced_down"].clone(),
        }
        if verb == "disable-log-reason" {
            out["disabled_reason"] = body["disabled_reason"].clone();
        }
        self.fleet.change_host(member.host.id, change).await?;
        Ok(Json(json!({"service": out})))
    }

    async fn service_of(&self, id: &str) -> Result<Member, Failure> {
        let found = self.members().await?.into_iter().find(|member| member.is(id));
        found.ok_or_else(|| not_found(format!("Service {id} could not be found.")))
    }
}

/// What the body of 2.53 asks for.
fn changes(body: &Value) -> Result<Vec<HostChange>, Failure> {
    let status = body["status"].as_str();
    if body.get("disabled_reason").is_some() && status != Some("disabled") {
        return Err(bad_request("Specifying disabled_reason requires that status is 'disabled'."));
    }
    let mut changes = Vec::new();
    match status {
        Some("disabled") => changes.push(HostChange::Drain(said(body))),
        Some(_) => changes.push(HostChange::Undrain),
        None => {}
    }
    changes.extend(body.get("forced_down").map(|down| forced(Some(down))));
    if changes.is_empty() {
        return Err(bad_request("No updates were requested. Fields 'status' or 'forced_down' should be specified."));
    }
    Ok(changes)
}

fn said(body: &Value) -> String {
    body["disabled_reason"].as_str().unwrap_or_default().to_owned()
}

fn forced(down: Option<&Value>) -> HostChange {
    if down.and_then(as_bool).unwrap_or(false) { HostChange::Fence(String::new()) } else { HostChange::Unfence }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_what_changes() {
        let drain = HostChange::Drain("disk".to_owned());
        assert_eq!(changes(&json!({"status": "disabled", "disabled_reason": "disk"})).unwrap(), [drain]);
        let both = changes(&json!({"status": "enabled", "forced_down": true})).unwrap();
        assert_eq!(both, [HostChange::Undrain, HostChange::Fence(String::new())]);
        assert_eq!(changes(&json!({"forced_down": "false"})).unwrap(), [HostChange::Unfence]);
        assert!(changes(&json!({})).is_err());
        assert!(changes(&json!({"status": "enabled", "disabled_reason": "disk"})).is_err());
    }
}
