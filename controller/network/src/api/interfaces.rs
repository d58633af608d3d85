//! PUT of a router's legs.

use super::{
    generic::{caller, find},
    resource::Resource,
    resources::Routers,
};
use crate::{
    attributes::Check,
    error::{Error, Result},
    port::model::Port,
    router::{
        interface::{self, Reference},
        model::Router,
    },
    service::NetworkService,
};
use axum::extract::{Path, State};
use controller_base::id::SubnetId;
use controller_web::{ApiError, Context, Json};
use futures::FutureExt;
use serde_json::{Map, Value, json};

type Answer = std::result::Result<Json<Value>, ApiError>;

fn reference(body: &Value) -> Result<Reference> {
    let Some(map) = body.as_object() else {
        return Err(Error::BadRequest("router", "Body must contain either subnet_id or port_id".into()));
    };
    Ok(Reference {
        subnet_id: id(map, "subnet_id")?.and_then(|id| id.parse().ok()),
        port_id: id(map, "port_id")?.and_then(|id| id.parse().ok()),
    })
}

fn id(map: &Map<String, Value>, key: &str) -> Result<Option<String>> {
    let value = map.get(key).unwrap_or(&Value::Null);
    let checked = Check::UuidOrNull.apply(value);
    let checked =
        checked.map_err(|reason| Error::HTTPBadRequest(format!("Invalid input for {key}. Reason: {reason}.")))?;
    Ok(checked.as_str().map(str::to_owned))
}

fn render(router: &Router, leg: &Port, subnet: SubnetId, subnets: &[String]) -> Json<Value> {
    let project = router.standard.project_text();
    Json(json!({
        "id": router.id.to_string(),
        "tenant_id": project,
        "project_id": project,
        "port_id": leg.id.to_string(),
        "network_id": leg.network_id.to_string(),
        "subnet_id": subnet.to_string(),
        "subnet_ids": subnets,
        "tags": router.standard.tags,
    }))
}

/// PUT /v2.0/routers/{id}/add_router_interface
pub async fn add(
    State(service): State<NetworkService>,
    context: Context,
    Path(id): Path<String>,
    Json(input): Json<Value>,
) -> Answer {
    change(service, context, id, input, true).await
}

/// PUT /v2.0/routers/{id}/remove_router_interface
pub async fn remove(
    State(service): State<NetworkService>,
    context: Context,
    Path(id): Path<String>,
    Json(input): Json<Value>,
) -> Answer {
    change(service, context, id, input, false).await
}

async fn change(service: NetworkService, context: Context, id: String, input: Value, adds: bool) -> Answer {
    let mut conn = service.read().await?;
    let router = find::<Routers>(&mut conn, &context, &id).await?;
    drop(conn);
    context
        .enforce(if adds { "add_router_interface" } else { "remove_router_interface" }, &Routers::target(&router))?;
    let by = reference(&input)?;
    let (caller, id) = (caller(&context), router.id);
    let (router, leg, subnet) = service
        .write(move |change| {
            let caller = caller.clone();
            async move {
                match adds {
                    true => interface::add(change, &caller, id, by).await,
                    false => interface::remove(change, &caller, id, by).await,
                }
            }
            .boxed()
        })
        .await?;
    let subnets: Vec<String> = match by.subnet_id {
        Some(subnet) => vec![subnet.to_string()],
        None => leg.fixed_ips.iter().map(|fixed| fixed.subnet_id.to_string()).collect(),
    };
    Ok(render(&router, &leg, subnet, &subnets))
}
