//! POST /servers.

use super::super::wire::{create, schema};
use crate::failure::bad_request;
use crate::links::Links;
use crate::{Compute, Failure};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use controller_web::{Context, Json, Target};
use http::{StatusCode, header};
use serde_json::{Value, json};

pub(super) async fn create(
    State(compute): State<Compute>,
    context: Context,
    Json(body): Json<Value>,
) -> Result<Response, Failure> {
    context.enforce("os_compute_api:servers:create", &Target::project(context.project_id()?))?;
    schema::CREATE.check(&body, context.microversion().minor)?;
    let request = create::read(&body).map_err(bad_request)?;
    let reservation = request.return_reservation;
    let accepted = compute.create_servers(&context, request).await?;
    if reservation {
        let body = json!({"reservation_id": accepted.reservation_id});
        return Ok((StatusCode::ACCEPTED, Json(body)).into_response());
    }
    let Some(server) = accepted.servers.first() else {
        return Err(bad_request("No server was asked for."));
    };
    let (id, links) = (server.id.to_string(), Links(context.url()));
    let groups: Vec<Value> = server.spec.security_group_names.iter().map(|name| json!({"name": name})).collect();
    let body = json!({"server": {
        "id": id,
        "links": links.of("servers", &id),
        "OS-DCF:diskConfig": server.spec.disk_config,
        "security_groups": groups,
        "adminPass": accepted.admin_password,
    }});
    let location = [(header::LOCATION, links.href("servers", &id))];
    Ok((StatusCode::ACCEPTED, location, Json(body)).into_response())
}
