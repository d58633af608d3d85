//! Hosts and the federation's authority on the operators' socket. The facts are those of `os-services` and `os-hypervisors`.

use crate::wiring::{Cloud, publish_authority};
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use controller_base::Timestamp;
use controller_fleet::authority::AuthorityError;
use controller_ports::{
    fleet::{Fleet as _, Host, HostChange, HostChangeError},
    placement::{HostUsage, Placement as _},
};
use controller_web::Params;
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc};

type Shared = State<Arc<Cloud>>;
type Refusal = (StatusCode, String);

/// The routes.
pub(super) fn routes() -> Router<Arc<Cloud>> {
    Router::new()
        .route("/hosts", get(list))
        .route("/hosts/{name}", get(show))
        .route("/hosts/{name}/{verb}", post(change))
        .route("/authority", get(authorities))
        .route("/authority/begin", post(begin))
        .route("/authority/finish", post(finish))
}

/// All hosts, a JSON object a line.
async fn list(State(cloud): Shared) -> Result<String, Refusal> {
    Ok(members(&cloud).await?.iter().map(|(host, usage)| format!("{}\n", render(host, usage.as_ref()))).collect())
}

async fn show(State(cloud): Shared, Path(name): Path<String>) -> Result<String, Refusal> {
    let (host, usage) = find(&cloud, &name).await?;
    Ok(render(&host, usage.as_ref()).to_string())
}

async fn change(
    State(cloud): Shared,
    Path((name, verb)): Path<(String, String)>,
    params: Params,
) -> Result<String, Refusal> {
    let reason = params.get("reason").unwrap_or_default().to_owned();
    let change = match verb.as_str() {
        "approve" => HostChange::Approve,
        "drain" => HostChange::Drain(reason),
        "undrain" => HostChange::Undrain,
        "fence" => HostChange::Fence(reason),
        "unfence" => HostChange::Unfence,
        "remove" => HostChange::Remove,
        _ => return Err((StatusCode::NOT_FOUND, format!("hosts cannot {verb}"))),
    };
    let (host, _) = find(&cloud, &name).await?;
    cloud.hub.change_host(host.id, change).await.map_err(|error| refusal(&error))?;
    let changed = cloud.hub.host(host.id).await.map_err(|error| super::admin::failed(&error))?;
    let state = changed.map_or("removed", |host| host.state().word());
    Ok(format!("{} is {state}\n", host.hostname))
}

/// The trusted authorities, a JSON object a line, and at last the hosts that have not yet renewed.
async fn authorities(State(cloud): Shared) -> Result<String, Refusal> {
    let authority = &cloud.platform.authority;
    let behind = cloud.hub.behind(authority).await.map_err(|error| super::admin::failed(&error))?;
    let line = |one: &controller_fleet::authority::AuthorityInfo| {
        json!({"fingerprint": one.fingerprint, "expires_at": one.expires_at.seconds_z(),
            "signs_hosts": one.signs_hosts, "serves": one.serves})
        .to_string()
            + "\n"
    };
    Ok(authority.list().iter().map(line).collect::<String>() + &json!({"behind": behind}).to_string() + "\n")
}

async fn begin(State(cloud): Shared) -> Result<String, Refusal> {
    let authority = &cloud.platform.authority;
    authority.begin_rotation(cloud.platform.clock.now()).map_err(|error| untouched(&error))?;
    publish_authority(&cloud).map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}")))?;
    tracing::info!("the federation's authority is being replaced: hosts renew their certificates");
    authorities(State(cloud)).await
}

async fn finish(State(cloud): Shared, params: Params) -> Result<String, Refusal> {
    let authority = &cloud.platform.authority;
    let behind = cloud.hub.behind(authority).await.map_err(|error| super::admin::failed(&error))?;
    if !behind.is_empty() && !params.has("force") {
        let why = format!("these hosts have not renewed yet and would have to join again: {}", behind.join(", "));
        return Err((StatusCode::CONFLICT, why));
    }
    authority.finish_rotation().map_err(|error| untouched(&error))?;
    publish_authority(&cloud).map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}")))?;
    tracing::info!(fingerprint = authority.fingerprint(), "the federation has a new authority");
    authorities(State(cloud)).await
}

async fn members(cloud: &Cloud) -> Result<Vec<(Host, Option<HostUsage>)>, Refusal> {
    let usages = cloud.placement.usages().await.map_err(|error| super::admin::failed(&error))?;
    let mut usages: HashMap<_, _> = usages.into_iter().map(|usage| (usage.host_id, usage)).collect();
    let hosts = cloud.hub.hosts().await.map_err(|error| super::admin::failed(&error))?;
    Ok(hosts.into_iter().map(|host| (usages.remove(&host.id), host)).map(|(usage, host)| (host, usage)).collect())
}

async fn find(cloud: &Cloud, name: &str) -> Result<(Host, Option<HostUsage>), Refusal> {
    let mut members = members(cloud).await?.into_iter();
    let found = members.find(|(host, _)| host.hostname == name || host.id.to_string() == name);
    found.ok_or_else(|| (StatusCode::NOT_FOUND, format!("there is no host {name}")))
}

fn render(host: &Host, usage: Option<&HostUsage>) -> Value {
    let own = &host.membership;
    let used = usage.map(|usage| usage.used).unwrap_or_default();
    let when = |at: Timestamp| (at.0 > 0).then(|| at.seconds_z());
    json!({
        "name": host.hostname,
        "id": host.id,
        "state": host.state().word(),
        "connected": host.up,
        "drained": own.drained,
        "fenced": host.fenced(),
        "reason": own.reason,
        "address": own.address,
        "underlay_address": host.underlay_address,
        "physical_networks": host.physical_networks,
        "version": host.version,
        "guests": usage.map_or(0, |usage| usage.servers),
        "vcpus": host.resources.vcpus,
        "vcpus_used": used.vcpus,
        "memory_mib": host.resources.memory_mib,
        "memory_mib_used": used.memory_mib,
        "disk_gib": host.resources.disk_gib,
        "disk_gib_used": used.disk_gib,
        "enrolled_at": when(own.enrolled_at),
        "last_seen": when(host.last_seen),
        "certificate": own.certificate,
        "certificate_expires_at": own.certificate_expires_at.and_then(when),
    })
}

fn refusal(error: &HostChangeError) -> Refusal {
    let status = match error {
        HostChangeError::NoSuchHost(_) => StatusCode::NOT_FOUND,
        HostChangeError::InUse { .. } | HostChangeError::Pending(_) => StatusCode::CONFLICT,
        HostChangeError::Unavailable(error) => return super::admin::failed(error),
    };
    (status, error.to_string())
}

fn untouched(error: &AuthorityError) -> Refusal {
    match error {
        AuthorityError::Rotating | AuthorityError::NotRotating => (StatusCode::CONFLICT, error.to_string()),
        AuthorityError::File { .. }
        | AuthorityError::Certificate(_)
        | AuthorityError::Stored
        | AuthorityError::Request => super::admin::failed(error),
    }
}
