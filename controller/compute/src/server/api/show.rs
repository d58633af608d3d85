//! GET /servers/{id}.

use super::super::model::Server;
use super::super::service::target;
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use controller_ports::network::AttachedPort;
use controller_web::{Context, Json};
use serde_json::{Value, json};

pub(super) async fn show(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:servers:show").await?;
    let ports = compute.ports_of(&server).await?;
    let view = super::view(&compute, &context, &target(&server)).await?;
    Ok(Json(json!({"server": view.full(&server, &ports, Some(groups(&server)))})))
}

/// Ids of its server groups, as a list.
pub(super) fn groups(server: &Server) -> Vec<String> {
    server.group_id.iter().cloned().collect()
}

impl Compute {
    /// A server's ports in the order of its interfaces.
    pub(crate) async fn ports_of(&self, server: &Server) -> Result<Vec<AttachedPort>, Failure> {
        let mut ports = self.networks.ports_of(&[server.id]).await?;
        Ok(ports.remove(&server.id).unwrap_or_default())
    }
}
