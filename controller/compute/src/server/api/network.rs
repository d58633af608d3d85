//! Servers' addresses and interfaces, as network tells them.

use super::super::wire::view::addresses;
use crate::failure::not_found;
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use controller_ports::network::AttachedPort;
use controller_web::{Context, Json, Routes};
use serde_json::{Map, Value, json};

pub(super) fn routes() -> Routes<Compute> {
    Routes::new()
        .get("/v2.1/servers/{id}/ips", "os_compute_api:ips:index", ips)
        .get("/v2.1/servers/{id}/ips/{network}", "os_compute_api:ips:show", ips_of)
        .get("/v2.1/servers/{id}/os-interface", "os_compute_api:os-attach-interfaces:list", interfaces)
        .get("/v2.1/servers/{id}/os-interface/{port}", "os_compute_api:os-attach-interfaces:show", interface)
}

async fn ips(State(compute): State<Compute>, context: Context, Path(id): Path<String>) -> Result<Json<Value>, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:ips:index").await?;
    let ports = compute.ports_of(&server).await?;
    Ok(Json(json!({"addresses": plain(&ports)})))
}

async fn ips_of(
    State(compute): State<Compute>,
    context: Context,
    Path((id, network)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:ips:show").await?;
    let ports = compute.ports_of(&server).await?;
    let list = plain(&ports).remove(&network);
    let list = list.ok_or_else(|| not_found("Instance is not a member of specified network"))?;
    Ok(Json(json!({network: list})))
}

/// Addresses without the extended attributes.
fn plain(ports: &[AttachedPort]) -> Map<String, Value> {
    let mut all = match addresses(ports) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let entries = all.values_mut().filter_map(Value::as_array_mut).flatten();
    for entry in entries.filter_map(Value::as_object_mut) {
        entry.retain(|name, _| matches!(name.as_str(), "addr" | "version"));
    }
    all
}

async fn interfaces(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:os-attach-interfaces:list").await?;
    let ports = compute.ports_of(&server).await?;
    let minor = context.microversion().minor;
    let list: Vec<Value> = ports.iter().map(|port| attachment(port, minor)).collect();
    Ok(Json(json!({"interfaceAttachments": list})))
}

async fn interface(
    State(compute): State<Compute>,
    context: Context,
    Path((id, port)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:os-attach-interfaces:show").await?;
    let ports = compute.ports_of(&server).await?;
    let found = ports.iter().find(|candidate| candidate.id.to_string() == port);
    let found =
        found.ok_or_else(|| not_found(format!("Instance {} does not have a port with id {port}", server.id)))?;
    Ok(Json(json!({"interfaceAttachment": attachment(found, context.microversion().minor)})))
}

fn attachment(port: &AttachedPort, minor: u16) -> Value {
    let pairs = port.fixed_ips.iter().zip(&port.subnet_ids);
    let fixed: Vec<Value> =
        pairs.map(|(address, subnet)| json!({"ip_address": address.to_string(), "subnet_id": subnet})).collect();
    let mut out = json!({
        "net_id": port.network_id,
        "port_id": port.id,
        "mac_addr": port.mac,
        "port_state": port.status,
        "fixed_ips": fixed,
    });
    if minor >= 70 {
        out["tag"] = Value::Null;
    }
    out
}
