//! `os-quota-sets`.

use super::model::{Limits, NAMES, Usage};
use super::store;
use crate::failure::bad_request;
use crate::schema::{Minor, Schema, as_bool, as_integer, integer, object};
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use controller_base::id::ProjectId;
use controller_web::{Context, Json, Routes, Target};
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// Limits of things that this cloud does not have but whose names Nova shows: until which version, and how many.
const FOREIGN: [(&str, Minor, i64); 7] = [
    ("fixed_ips", 35, -1),
    ("floating_ips", 35, -1),
    ("security_groups", 35, -1),
    ("security_group_rules", 35, -1),
    ("injected_files", 56, 0),
    ("injected_file_content_bytes", 56, 0),
    ("injected_file_path_bytes", 56, 0),
];

static UPDATE: LazyLock<Schema> = LazyLock::new(|| {
    let amount = || integer(-1, 0x7FFF_FFFF);
    let own = NAMES.iter().fold(object(), |fields, name| fields.field(name, amount()));
    let fields = FOREIGN.iter().fold(own, |fields, (name, until, _)| fields.until(*until, name, amount()));
    let set = fields.field("force", Schema::Boolean).done();
    object().required("quota_set", set).done()
});

pub(crate) fn routes() -> Routes<Compute> {
    const ONE: &str = "/v2.1/os-quota-sets/{project}";
    Routes::new()
        .get(ONE, "os_compute_api:os-quota-sets:show", show)
        .put(ONE, "os_compute_api:os-quota-sets:update", update)
        .delete(ONE, "os_compute_api:os-quota-sets:delete", delete)
        .get("/v2.1/os-quota-sets/{project}/defaults", "os_compute_api:os-quota-sets:defaults", defaults)
        .get("/v2.1/os-quota-sets/{project}/detail", "os_compute_api:os-quota-sets:detail", detail)
}

fn named(project: &str) -> Result<ProjectId, Failure> {
    project.parse().map_err(|_| bad_request(format!("Project ID {project} is not a valid project.")))
}

async fn show(
    State(compute): State<Compute>,
    context: Context,
    Path(project): Path<String>,
) -> Result<Json<Value>, Failure> {
    let id = named(&project)?;
    context.enforce("os_compute_api:os-quota-sets:show", &Target::project(&id))?;
    let mut connection = compute.db.read().await?;
    let limits = store::limits(&mut connection, &id, &compute.config.quota).await?;
    Ok(set(&limits, Some(&project), context.microversion().minor))
}

async fn defaults(
    State(compute): State<Compute>,
    context: Context,
    Path(project): Path<String>,
) -> Result<Json<Value>, Failure> {
    let id = named(&project)?;
    context.enforce("os_compute_api:os-quota-sets:defaults", &Target::project(&id))?;
    Ok(set(&compute.config.quota, Some(&project), context.microversion().minor))
}

async fn detail(
    State(compute): State<Compute>,
    context: Context,
    Path(project): Path<String>,
) -> Result<Json<Value>, Failure> {
    let id = named(&project)?;
    context.enforce("os_compute_api:os-quota-sets:detail", &Target::project(&id))?;
    let mut connection = compute.db.read().await?;
    let (limits, used) = store::limits_and_usage(&mut connection, &id, &compute.config.quota).await?;
    let mut out = Map::from_iter([("id".to_owned(), json!(project))]);
    for (name, limit) in shown(&limits, context.microversion().minor) {
        out.insert(name.to_owned(), json!({"limit": limit, "in_use": in_use(&used, name), "reserved": 0}));
    }
    Ok(Json(json!({"quota_set": out})))
}

async fn update(
    State(compute): State<Compute>,
    context: Context,
    Path(project): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let id = named(&project)?;
    context.enforce("os_compute_api:os-quota-sets:update", &Target::project(&id))?;
    let version = context.microversion().minor;
    UPDATE.check(&body, version)?;
    let wanted = &body["quota_set"];
    let force = wanted.get("force").and_then(as_bool).unwrap_or(false);
    let mut tx = compute.db.begin().await?;
    let (mut limits, used) = store::limits_and_usage(&mut tx, &id, &compute.config.quota).await?;
    for name in NAMES {
        let Some(amount) = wanted.get(name).and_then(as_integer) else { continue };
        let in_use = in_use(&used, name);
        if !force && amount >= 0 && amount < in_use {
            return Err(bad_request(format!(
                "Quota limit {amount} for {name} must be greater than or equal to already used and reserved {in_use}."
            )));
        }
        store::set(&mut tx, &id, name, amount).await?;
        limits.set(name, amount);
    }
    tx.commit().await?;
    Ok(set(&limits, None, version))
}

async fn delete(
    State(compute): State<Compute>,
    context: Context,
    Path(project): Path<String>,
) -> Result<StatusCode, Failure> {
    let id = named(&project)?;
    context.enforce("os_compute_api:os-quota-sets:delete", &Target::project(&id))?;
    let mut tx = compute.db.begin().await?;
    store::reset(&mut tx, &id).await?;
    tx.commit().await?;
    Ok(StatusCode::ACCEPTED)
}

fn set(limits: &Limits, id: Option<&str>, version: Minor) -> Json<Value> {
    let mut out: Map<String, Value> =
        shown(limits, version).map(|(name, limit)| (name.to_owned(), json!(limit))).collect();
    if let Some(id) = id {
        out.insert("id".to_owned(), json!(id));
    }
    Json(json!({"quota_set": out}))
}

fn shown(limits: &Limits, version: Minor) -> impl Iterator<Item = (&'static str, i64)> {
    let own: Vec<_> = NAMES.iter().map(|name| (*name, limits.get(name).unwrap_or(-1))).collect();
    let foreign =
        FOREIGN.iter().filter(move |(_, until, _)| version <= *until).map(|(name, _, amount)| (*name, *amount));
    own.into_iter().chain(foreign)
}

fn in_use(used: &Usage, name: &str) -> i64 {
    match name {
        "instances" => used.instances,
        "cores" => used.cores,
        "ram" => used.ram,
        "server_groups" => used.server_groups,
        _ => 0,
    }
}
