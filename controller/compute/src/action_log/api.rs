//! `os-instance-actions`: the log of a server. Each request is one action with one event.

use super::Entry;
use super::store::{self, ListFilter};
use crate::failure::{bad_request, no_server, not_found};
use crate::schema::Minor;
use crate::server::filter::moment;
use crate::server::model::Server;
use crate::server::service::target;
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use controller_base::Timestamp;
use controller_base::id::ServerId;
use controller_web::{Context, Json, Params, Routes, paging};
use serde_json::{Value, json};

const LIST: &str = "os_compute_api:os-instance-actions:list";
const SHOW: &str = "os_compute_api:os-instance-actions:show";
const EVENTS: &str = "os_compute_api:os-instance-actions:events";

pub(crate) fn routes() -> Routes<Compute> {
    Routes::new().get("/v2.1/servers/{id}/os-instance-actions", LIST, index).get(
        "/v2.1/servers/{id}/os-instance-actions/{request}",
        SHOW,
        show,
    )
}

async fn index(
    State(compute): State<Compute>,
    context: Context,
    params: Params,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let server = logged(&compute, &context, &id, LIST).await?;
    let version = context.microversion().minor;
    let mut connection = compute.db.read().await?;
    let mut filter = ListFilter::default();
    if version >= 58 {
        let window = paging::page(&params, compute.config.max_limit)?;
        filter.limit = window.limit;
        filter.changed_since = params.get("changes-since").map(moment).transpose().map_err(bad_request)?;
        if version >= 66 {
            filter.changed_before = params.get("changes-before").map(moment).transpose().map_err(bad_request)?;
        }
        if let Some(marker) = window.marker {
            let known = store::get(&mut connection, server.id, &marker).await?;
            filter.after = Some(known.ok_or_else(|| bad_request(format!("marker [{marker}] not found")))?);
        }
    }
    let entries = store::list(&mut connection, server.id, &filter).await?;
    let list: Vec<Value> = entries.iter().map(|entry| render(entry, version)).collect();
    let mut out = json!({"instanceActions": list});
    let full =
        params.has("limit") && filter.limit.is_some_and(|limit| u32::try_from(entries.len()).is_ok_and(|n| n >= limit));
    if let Some(last) = entries.last().filter(|_| full) {
        out["links"] = paging::rel_next(&context.self_link(), &params, &last.request_id);
    }
    Ok(Json(out))
}

async fn show(
    State(compute): State<Compute>,
    context: Context,
    Path((id, request)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let server = logged(&compute, &context, &id, SHOW).await?;
    let mut connection = compute.db.read().await?;
    let entry = store::get(&mut connection, server.id, &request).await?;
    let entry =
        entry.ok_or_else(|| not_found(format!("Action for request_id {request} on instance {id} not found")))?;
    let version = context.microversion().minor;
    let mut out = render(&entry, version);
    let admin = context.allows(EVENTS, &target(&server));
    if admin || version >= 51 {
        out["events"] = json!([event(&entry, version, admin, &server)]);
    }
    Ok(Json(json!({"instanceAction": out})))
}

/// The server whose log is asked for; since 2.21 also a deleted one.
async fn logged(compute: &Compute, context: &Context, id: &str, rule: &str) -> Result<Server, Failure> {
    let parsed: ServerId = id.parse().map_err(|_| no_server(id))?;
    let mut connection = compute.db.read().await?;
    let server = crate::server::store::get(&mut connection, parsed).await?;
    let own = |server: &Server| context.token().project().is_some_and(|project| project.id == server.project_id);
    let server = server.filter(|server| own(server) || context.is_admin());
    let server = server.filter(|server| server.deleted_at.is_none() || context.microversion().minor >= 21);
    let server = server.ok_or_else(|| no_server(id))?;
    context.enforce(rule, &target(&server))?;
    Ok(server)
}

fn render(entry: &Entry, version: Minor) -> Value {
    let mut out = json!({
        "action": entry.action,
        "instance_uuid": entry.server_id,
        "request_id": entry.request_id,
        "user_id": entry.user_id,
        "project_id": entry.project_id,
        "start_time": entry.started_at.micros_naive(),
        "message": entry.failure.as_ref().map(|_| "Error"),
    });
    if version >= 58 {
        out["updated_at"] = json!(entry.updated_at.micros_naive());
    }
    out
}

fn event(entry: &Entry, version: Minor, admin: bool, server: &Server) -> Value {
    let result = entry.finished_at.map(|_| if entry.failure.is_some() { "Error" } else { "Success" });
    let mut out = json!({
        "event": format!("compute_{}_instance", entry.action),
        "start_time": entry.started_at.micros_naive(),
        "finish_time": entry.finished_at.map(Timestamp::micros_naive),
        "result": result,
    });
    if version < 51 || admin {
        out["traceback"] = json!(entry.failure.as_ref().filter(|_| admin));
    }
    if version >= 62 {
        let host = entry.host_name.as_ref();
        out["hostId"] = json!(host.map_or_else(String::new, |_| crate::server::wire::view::host_id(server)));
        if admin {
            out["host"] = json!(host);
        }
    }
    if version >= 84 {
        out["details"] = json!(entry.failure);
    }
    out
}
