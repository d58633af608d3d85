//! PUT and DELETE /servers/{id}.

use super::super::model::{Server, TaskState};
use super::super::service::{Note, target};
use super::super::wire::schema;
use super::super::{change, delete_operation, store};
use super::show::groups;
use crate::failure::{bad_request, conflict, no_server};
use crate::{Compute, Failure, action_log};
use axum::extract::{Path, State};
use controller_web::{Context, Json};
use http::StatusCode;
use serde_json::{Value, json};

pub(super) async fn update(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:servers:update").await?;
    schema::UPDATE.check(&body, context.microversion().minor)?;
    let wanted = &body["server"];
    if wanted.get("OS-DCF:diskConfig").is_some_and(|config| *config != server.spec.disk_config.as_str()) {
        return Err(bad_request("OS-DCF:diskConfig of an existing server cannot be changed."));
    }
    let now = context.now();
    let note = Note { context: &context, action: "update", ongoing: false };
    let server = compute.change(server.id, note, |server| Ok(change::retold(updated(server, wanted), now))).await?;
    let ports = compute.ports_of(&server).await?;
    let view = super::view(&compute, &context, &target(&server)).await?;
    Ok(Json(json!({"server": view.updated(&server, &ports, groups(&server))})))
}

fn updated(server: &Server, wanted: &Value) -> Server {
    let text = |name: &str| wanted.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut next = server.clone();
    if let Some(name) = text("name") {
        next.name = name;
    }
    if let Some(hostname) = text("hostname") {
        next.hostname = hostname;
    }
    if wanted.get("description").is_some() {
        next.description = text("description");
    }
    // "" and null take the address away.
    if wanted.get("accessIPv4").is_some() {
        next.access_ipv4 = text("accessIPv4").and_then(|address| address.parse().ok());
    }
    if wanted.get("accessIPv6").is_some() {
        next.access_ipv6 = text("accessIPv6").and_then(|address| address.parse().ok());
    }
    next
}

pub(super) async fn delete(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:servers:delete").await?;
    compute.delete_server(&context, server).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Compute {
    async fn delete_server(&self, context: &Context, seen: Server) -> Result<(), Failure> {
        let mut tx = self.db.begin().await?;
        let found = store::get(&mut tx, seen.id).await?.filter(|server| server.deleted_at.is_none());
        let server = found.ok_or_else(|| no_server(&seen.id.to_string()))?;
        if server.task == Some(TaskState::Deleting) {
            return Ok(());
        }
        if server.lock.is_some() && !context.is_admin() {
            return Err(conflict(format!("Instance {} is locked", server.id)));
        }
        let next = change::delete(&server, context.now());
        if !store::update(&mut tx, &next).await? {
            return Err(conflict("The server is being changed by others; try again."));
        }
        let note = Note { context, action: "delete", ongoing: true };
        action_log::store::insert(&mut tx, &note.entry(&next, self)).await?;
        delete_operation::start(self, &mut tx, next.id).await?;
        self.touch_on_commit(&mut tx, &next);
        tx.commit().await?;
        Ok(())
    }
}
