//! Requests about hosts.

use super::change_api;
use super::wire::{self, Member};
use crate::failure::not_found;
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use controller_ports::fleet::Host;
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use futures::future;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

pub(crate) fn routes() -> Routes<Compute> {
    Routes::new()
        .get("/v2.1/os-services", "os_compute_api:os-services:list", services)
        .get("/v2.1/os-hypervisors", "os_compute_api:os-hypervisors:list", hypervisors)
        .get("/v2.1/os-hypervisors/detail", "os_compute_api:os-hypervisors:list-detail", hypervisors_detail)
        .get("/v2.1/os-hypervisors/statistics", "os_compute_api:os-hypervisors:statistics", statistics)
        .get("/v2.1/os-hypervisors/{id}", "os_compute_api:os-hypervisors:show", hypervisor)
        .get("/v2.1/os-hypervisors/{id}/uptime", "os_compute_api:os-hypervisors:uptime", uptime)
        .get("/v2.1/os-availability-zone", "os_compute_api:os-availability-zone:list", zones)
        .get("/v2.1/os-availability-zone/detail", "os_compute_api:os-availability-zone:detail", zones_detail)
        .merge(change_api::routes())
}

async fn services(State(compute): State<Compute>, context: Context, params: Params) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:os-services:list", &Target::none())?;
    let version = context.microversion().minor;
    let wanted = |member: &&Member| params.get("host").is_none_or(|host| host == member.host.hostname);
    let binary = params.get("binary").is_none_or(|binary| binary == "nova-compute");
    let members = compute.members().await?;
    let zones = compute.zones(&mut *compute.db.read().await?).await?;
    let render = |member: &Member| member.service(zones.of(&member.host.hostname), version);
    let list: Vec<Value> = members.iter().filter(|_| binary).filter(wanted).map(render).collect();
    Ok(Json(json!({"services": list})))
}

async fn hypervisors(State(compute): State<Compute>, context: Context, params: Params) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:os-hypervisors:list", &Target::none())?;
    let version = context.microversion().minor;
    let members = matching(compute.members().await?, &context, &params)?;
    Ok(list(&context, &params, &members, |member| member.brief(version)))
}

async fn hypervisors_detail(
    State(compute): State<Compute>,
    context: Context,
    params: Params,
) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:os-hypervisors:list-detail", &Target::none())?;
    let version = context.microversion().minor;
    let members = matching(compute.members().await?, &context, &params)?;
    let mut page = list(&context, &params, &members, |member| member.full(version));
    if version >= 88 {
        let shown = page.0["hypervisors"].as_array_mut().into_iter().flatten();
        let asked = shown.map(async |shown| {
            let member = members.iter().find(|member| shown["id"] == member.id(version));
            shown["uptime"] = compute.uptime_of(member).await;
        });
        future::join_all(asked).await;
    }
    Ok(page)
}

/// Since 2.53 by a part of the name, and since 2.33 in pages.
fn matching(members: Vec<Member>, context: &Context, params: &Params) -> Result<Vec<Member>, Failure> {
    let pattern = params.get("hypervisor_hostname_pattern").filter(|_| context.microversion().minor >= 53);
    let Some(pattern) = pattern else {
        return Ok(members);
    };
    let found: Vec<Member> = members.into_iter().filter(|member| member.host.hostname.contains(pattern)).collect();
    if found.is_empty() {
        return Err(not_found(format!("No hypervisor matching '{pattern}' could be found.")));
    }
    Ok(found)
}

fn list(context: &Context, params: &Params, members: &[Member], render: impl Fn(&Member) -> Value) -> Json<Value> {
    let version = context.microversion().minor;
    let paged = version >= 33;
    let after = params.get("marker").filter(|_| paged);
    let start = after.and_then(|id| members.iter().position(|member| member.is(id))).map_or(0, |index| index + 1);
    let limit = params.get("limit").filter(|_| paged).and_then(|text| text.parse::<usize>().ok());
    let page: Vec<&Member> = members.iter().skip(start).take(limit.unwrap_or(usize::MAX)).collect();
    let mut out = json!({"hypervisors": page.iter().map(|member| render(member)).collect::<Vec<_>>()});
    let full = limit.is_some_and(|limit| page.len() >= limit && start + page.len() < members.len());
    if let Some(last) = page.last().filter(|_| full) {
        let marker = last.id(version);
        let marker = marker.as_str().map_or_else(|| marker.to_string(), str::to_owned);
        out["hypervisors_links"] = controller_web::paging::rel_next(&context.self_link(), params, &marker);
    }
    Json(out)
}

async fn hypervisor(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:os-hypervisors:show", &Target::none())?;
    let (found, version) = (compute.member(&id).await?, context.microversion().minor);
    let mut shown = found.full(version);
    if version >= 88 {
        shown["uptime"] = compute.uptime_of(Some(&found)).await;
    }
    Ok(Json(json!({"hypervisor": shown})))
}

async fn uptime(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:os-hypervisors:uptime", &Target::none())?;
    if context.microversion().minor >= 88 {
        return Err(not_found("The resource could not be found."));
    }
    let found = compute.member(&id).await?;
    let line = compute.fleet.uptime(found.host.id).await.map_err(|error| {
        let name = &found.host.hostname;
        ApiError::bad_request(format!("Compute service of {name} is unavailable at this time.")).with_source(error)
    })?;
    let mut shown = found.brief(context.microversion().minor);
    shown["uptime"] = json!(line);
    Ok(Json(json!({"hypervisor": shown})))
}

async fn statistics(State(compute): State<Compute>, context: Context) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:os-hypervisors:statistics", &Target::none())?;
    if context.microversion().minor >= 88 {
        return Err(not_found("The resource could not be found."));
    }
    Ok(Json(json!({"hypervisor_statistics": wire::statistics(&compute.members().await?)})))
}

async fn zones(State(compute): State<Compute>, context: Context) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:os-availability-zone:list", &Target::none())?;
    let zones = compute.hosts_by_zone().await?;
    let list: Vec<Value> = zones.iter().map(|(name, hosts)| zone(name, hosts, Value::Null)).collect();
    Ok(Json(json!({"availabilityZoneInfo": list})))
}

async fn zones_detail(State(compute): State<Compute>, context: Context) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:os-availability-zone:detail", &Target::none())?;
    let zones = compute.hosts_by_zone().await?;
    let render = |(name, hosts): (&String, &Vec<Host>)| zone(name, hosts, hosts.iter().map(service).collect());
    let list: Vec<Value> = zones.iter().map(render).collect();
    Ok(Json(json!({"availabilityZoneInfo": list})))
}

fn service(host: &Host) -> (String, Value) {
    let updated = host.last_seen.micros_naive();
    let service = json!({"available": host.up, "active": !host.disabled(), "updated_at": updated});
    (host.hostname.clone(), json!({"nova-compute": service}))
}

/// A zone is there for tenants as long as one of its hosts takes servers in principle.
fn zone(name: &str, hosts: &[Host], shown: Value) -> Value {
    let available = hosts.iter().any(|host| !host.disabled());
    json!({"zoneName": name, "zoneState": {"available": available}, "hosts": shown})
}

impl Compute {
    /// The usual zone, and all others that have hosts.
    async fn hosts_by_zone(&self) -> Result<BTreeMap<String, Vec<Host>>, Failure> {
        let zones = self.zones(&mut *self.db.read().await?).await?;
        let mut found: BTreeMap<String, Vec<Host>> = BTreeMap::new();
        for member in self.members().await? {
            found.entry(zones.of(&member.host.hostname).to_owned()).or_default().push(member.host);
        }
        if found.is_empty() {
            found.insert(self.config.availability_zone.clone(), Vec::new());
        }
        Ok(found)
    }

    async fn member(&self, id: &str) -> Result<Member, Failure> {
        let found = self.members().await?.into_iter().find(|member| member.is(id));
        found.ok_or_else(|| not_found(format!("Compute host {id} could not be found.")))
    }

    /// What a host says now; nothing of one that is away, or does not answer soon.
    async fn uptime_of(&self, member: Option<&Member>) -> Value {
        let Some(host) = member.map(|member| &member.host).filter(|host| host.up) else { return Value::Null };
        json!(self.fleet.uptime(host.id).await.ok())
    }

    pub(super) async fn members(&self) -> Result<Vec<Member>, Failure> {
        let usages = self.placement.usages().await?;
        let mut usages: HashMap<_, _> = usages.into_iter().map(|usage| (usage.host_id, usage)).collect();
        let hosts = self.fleet.hosts().await?;
        let reserved = self.placement.reserved();
        let member = |host: Host| Member { usage: usages.remove(&host.id), host, reserved };
        let mut members: Vec<Member> = hosts.into_iter().map(member).collect();
        members.sort_by(|a, b| a.host.hostname.cmp(&b.host.hostname));
        Ok(members)
    }
}
