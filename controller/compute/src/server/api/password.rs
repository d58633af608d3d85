//! The password that a guest made for itself and encrypted with its owner's key; the metadata service takes it in.

use super::super::change;
use super::super::model::Server;
use super::super::service::Note;
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use controller_web::{Context, Json, Routes};
use http::StatusCode;
use serde_json::{Value, json};

pub(super) fn routes() -> Routes<Compute> {
    const PASSWORD: &str = "/v2.1/servers/{id}/os-server-password";
    Routes::new().get(PASSWORD, "os_compute_api:os-server-password:show", show).delete(
        PASSWORD,
        "os_compute_api:os-server-password:clear",
        clear,
    )
}

async fn show(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:os-server-password:show").await?;
    Ok(Json(json!({"password": server.guest_password})))
}

async fn clear(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:os-server-password:clear").await?;
    let (note, now) = (Note { context: &context, action: "clear_password", ongoing: false }, context.now());
    let clear = |server: &Server| Ok(change::retold(Server { guest_password: String::new(), ..server.clone() }, now));
    compute.change(server.id, note, clear).await?;
    Ok(StatusCode::NO_CONTENT)
}
