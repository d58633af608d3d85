//! `limits` and `os-simple-tenant-usage`.

use crate::failure::bad_request;
use crate::quota::{self, Limits};
use crate::schema::Minor;
use crate::server::filter::moment;
use crate::server::model::Server;
use crate::server::store;
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use controller_base::Timestamp;
use controller_base::id::ProjectId;
use controller_db::{Filter, Value as Bind};
use controller_web::{Context, Json, Params, Routes, Target};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const SHOW: &str = "os_compute_api:os-simple-tenant-usage:show";
const LIST: &str = "os_compute_api:os-simple-tenant-usage:list";

pub(crate) fn routes() -> Routes<Compute> {
    Routes::new()
        .get("/v2.1/limits", "os_compute_api:limits", limits)
        .get("/v2.1/os-simple-tenant-usage", LIST, usage_of_all)
        .get("/v2.1/os-simple-tenant-usage/{project}", SHOW, usage_of_one)
}

async fn limits(State(compute): State<Compute>, context: Context, params: Params) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:limits", &Target::none())?;
    let project = match params.get("tenant_id") {
        None => context.project_id()?.clone(),
        Some(text) => {
            context.enforce("os_compute_api:limits:other_project", &Target::none())?;
            text.parse().map_err(|_| bad_request(format!("Project ID {text} is not a valid project.")))?
        }
    };
    let mut connection = compute.db.read().await?;
    let (limits, used) = quota::store::limits_and_usage(&mut connection, &project, &compute.config.quota).await?;
    let mut absolute = maxima(&limits, context.microversion().minor);
    for (name, value) in [
        ("totalInstancesUsed", used.instances),
        ("totalCoresUsed", used.cores),
        ("totalRAMUsed", used.ram),
        ("totalServerGroupsUsed", used.server_groups),
    ] {
        absolute.insert(name.to_owned(), json!(value));
    }
    Ok(Json(json!({"limits": {"rate": [], "absolute": absolute}})))
}

/// The limits under the names that this resource gives them; of networks until 2.35, of injected files until 2.56.
fn maxima(limits: &Limits, version: Minor) -> Map<String, Value> {
    let mut out = Map::new();
    let mut put = |until: Minor, name: &str, value: i64| {
        if version <= until {
            out.insert(name.to_owned(), json!(value));
        }
    };
    put(Minor::MAX, "maxTotalInstances", limits.instances);
    put(Minor::MAX, "maxTotalCores", limits.cores);
    put(Minor::MAX, "maxTotalRAMSize", limits.ram);
    put(Minor::MAX, "maxServerMeta", limits.metadata_items);
    put(Minor::MAX, "maxTotalKeypairs", limits.key_pairs);
    put(Minor::MAX, "maxServerGroups", limits.server_groups);
    put(Minor::MAX, "maxServerGroupMembers", limits.server_group_members);
    put(38, "maxImageMeta", limits.metadata_items);
    for name in ["maxSecurityGroups", "maxSecurityGroupRules", "maxTotalFloatingIps"] {
        put(35, name, -1);
    }
    for name in ["totalSecurityGroupsUsed", "totalFloatingIpsUsed"] {
        put(35, name, 0);
    }
    put(56, "maxPersonality", 0);
    put(56, "maxPersonalitySize", 0);
    out
}

/// A stretch of time.
#[derive(Clone, Copy)]
struct Period {
    start: Timestamp,
    end: Timestamp,
}

async fn usage_of_one(
    State(compute): State<Compute>,
    context: Context,
    params: Params,
    Path(project): Path<String>,
) -> Result<Json<Value>, Failure> {
    let id: ProjectId =
        project.parse().map_err(|_| bad_request(format!("Project ID {project} is not a valid project.")))?;
    context.enforce(SHOW, &Target::project(&id))?;
    let period = period(&params, context.now())?;
    let servers = compute.alive_within(period, Some(&id)).await?;
    let out = if servers.is_empty() { json!({}) } else { summary(&project, &servers, period, true) };
    Ok(Json(json!({"tenant_usage": out})))
}

async fn usage_of_all(
    State(compute): State<Compute>,
    context: Context,
    params: Params,
) -> Result<Json<Value>, Failure> {
    context.enforce(LIST, &Target::none())?;
    let period = period(&params, context.now())?;
    let detailed = params.get("detailed") == Some("1");
    let mut projects: BTreeMap<String, Vec<Server>> = BTreeMap::new();
    for server in compute.alive_within(period, None).await? {
        projects.entry(server.project_id.to_string()).or_default().push(server);
    }
    let list: Vec<Value> =
        projects.iter().map(|(project, servers)| summary(project, servers, period, detailed)).collect();
    Ok(Json(json!({"tenant_usages": list})))
}

fn period(params: &Params, now: Timestamp) -> Result<Period, Failure> {
    let read = |name: &str| params.get(name).map(moment).transpose().map_err(bad_request);
    let end = read("end")?.unwrap_or(now);
    let start = read("start")?.unwrap_or_else(|| now.plus_seconds(-4 * 7 * 24 * 3600));
    if start.0 >= end.0 {
        return Err(bad_request("Invalid start time. The start time cannot occur after the end time."));
    }
    Ok(Period { start, end })
}

impl Compute {
    async fn alive_within(&self, period: Period, project: Option<&ProjectId>) -> Result<Vec<Server>, Failure> {
        let mut connection = self.db.read().await?;
        let rows = Filter::new(store::SELECT_SLIM)
            .and_eq("project_id", project.map(Bind::text))
            .and("created_at < ?", [Bind::Int(period.end.0)])
            .and("deleted_at IS NULL OR deleted_at > ?", [Bind::Int(period.start.0)])
            .fetch_all(&mut connection)
            .await?;
        Ok(rows.iter().map(store::read).collect::<Result<_, _>>()?)
    }
}

fn hours(server: &Server, period: Period) -> f64 {
    let from = server.launched_at.unwrap_or(server.created_at).0.max(period.start.0);
    let to = server.deleted_at.map_or(period.end.0, |at| at.0.min(period.end.0));
    #[expect(clippy::cast_precision_loss, reason = "hours for people; microseconds of centuries fit into 53 bits")]
    let micros = to.saturating_sub(from).max(0) as f64;
    micros / 3_600_000_000.0
}

fn summary(project: &str, servers: &[Server], period: Period, detailed: bool) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "sizes of flavors are far below 2^53")]
    let total = |amount: fn(&Server) -> u64| -> f64 {
        servers.iter().map(|server| amount(server) as f64 * hours(server, period)).sum()
    };
    let mut out = json!({
        "tenant_id": project,
        "total_hours": servers.iter().map(|server| hours(server, period)).sum::<f64>(),
        "total_vcpus_usage": total(|server| u64::from(server.spec.flavor.vcpus)),
        "total_memory_mb_usage": total(|server| server.spec.flavor.memory_mib),
        "total_local_gb_usage": total(|server| server.spec.flavor.root_gib + server.spec.flavor.ephemeral_gib),
        "start": period.start.micros_naive(),
        "stop": period.end.micros_naive(),
    });
    if detailed {
        out["server_usages"] = servers.iter().map(|server| detail(server, period)).collect();
    }
    out
}

fn detail(server: &Server, period: Period) -> Value {
    let flavor = &server.spec.flavor;
    let until = server.deleted_at.unwrap_or(period.end).0;
    let uptime = until.saturating_sub(server.launched_at.unwrap_or(server.created_at).0) / 1_000_000;
    let state = if server.deleted_at.is_some() { "terminated" } else { server.state.as_str() };
    json!({
        "instance_id": server.id,
        "name": server.name,
        "tenant_id": server.project_id,
        "flavor": flavor.name,
        "vcpus": flavor.vcpus,
        "memory_mb": flavor.memory_mib,
        "local_gb": flavor.root_gib + flavor.ephemeral_gib,
        "hours": hours(server, period),
        "started_at": server.launched_at.unwrap_or(server.created_at).micros_naive(),
        "ended_at": server.deleted_at.map(Timestamp::micros_naive),
        "state": state,
        "uptime": uptime.max(0),
    })
}
