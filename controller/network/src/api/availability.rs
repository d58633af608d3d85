//! How many addresses of networks are left.

use crate::{
    address::pool::Pool,
    error::{Error, Result},
    network::{self, model::Network},
    service::NetworkService,
    sql::{self, Param},
    subnet,
};
use axum::extract::{Path, State};
use controller_db::Connection;
use controller_db::Filter;
use controller_web::{ApiError, Context, Json, Params, Target};
use serde_json::{Value, json};

type Answer = std::result::Result<Json<Value>, ApiError>;

/// A JSON number that may be larger than 64 bits can hold.
fn number(value: u128) -> Value {
    u64::try_from(value).map_or_else(|_| json!(value as f64), |value| json!(value))
}

async fn render(conn: &mut Connection, network: &Network) -> Result<Value> {
    let (mut total, mut used) = (0_u128, 0_i64);
    let mut parts = Vec::new();
    for subnet in subnet::store::of_network(conn, network.id).await? {
        let size = subnet.pools.iter().map(Pool::size).fold(0_u128, u128::saturating_add);
        let taken = "SELECT COUNT(*) FROM network_address WHERE subnet_id = $1";
        let taken = sql::count(conn, taken, [Param::text(subnet.id)]).await?;
        parts.push(json!({
            "subnet_id": subnet.id.to_string(),
            "subnet_name": subnet.standard.name,
            "cidr": subnet.cidr.to_string(),
            "ip_version": subnet.ip_version(),
            "total_ips": number(size),
            "used_ips": taken,
        }));
        (total, used) = (total.saturating_add(size), used + taken);
    }
    Ok(json!({
        "network_id": network.id.to_string(),
        "network_name": network.standard.name,
        "project_id": network.standard.project_text(),
        "tenant_id": network.standard.project_text(),
        "total_ips": number(total),
        "used_ips": used,
        "subnet_ip_availability": parts,
    }))
}

/// GET /v2.0/network-ip-availabilities
pub async fn list(State(service): State<NetworkService>, context: Context, params: Params) -> Answer {
    context.enforce("get_network_ip_availability", &Target::none())?;
    let mut filter = Filter::new(network::store::SELECT);
    for (name, column) in
        [("network_id", "id"), ("network_name", "name"), ("project_id", "project_id"), ("tenant_id", "project_id")]
    {
        filter = filter.and_eq(column, params.get(name));
    }
    let mut conn = service.read().await?;
    let version = params.get("ip_version").and_then(|text| text.parse::<i64>().ok());
    let mut found = Vec::new();
    for network in network::store::list(&mut conn, filter.then("ORDER BY id")).await? {
        let entry = render(&mut conn, &network).await?;
        let has_version = |wanted: i64| {
            entry["subnet_ip_availability"]
                .as_array()
                .is_some_and(|parts| parts.iter().any(|part| part["ip_version"] == json!(wanted)))
        };
        if version.is_none_or(has_version) {
            found.push(entry);
        }
    }
    Ok(Json(json!({"network_ip_availabilities": found})))
}

/// GET /v2.0/network-ip-availabilities/{id}
pub async fn show(State(service): State<NetworkService>, context: Context, Path(id): Path<String>) -> Answer {
    context.enforce("get_network_ip_availability", &Target::none())?;
    let mut conn = service.read().await?;
    let missing = || Error::NetworkNotFound(id.clone());
    let network = network::store::require(&mut conn, id.parse().map_err(|_| missing())?).await?;
    Ok(Json(json!({"network_ip_availability": render(&mut conn, &network).await?})))
}
