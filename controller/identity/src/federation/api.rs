//! All routes of federation, and its own names for what a token's user may scope on.

use crate::Identity;
use axum::extract::State;
use controller_web::{Access, ApiError, Context, Json, Routes};
use serde_json::Value;

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/OS-FEDERATION/projects", Access::Token, projects)
        .get("/v3/OS-FEDERATION/domains", Access::Token, domains)
        .merge(super::auth_api::routes())
        .merge(super::websso_api::routes())
        .merge(super::identity_provider::api::routes())
        .merge(super::protocol::api::routes())
        .merge(super::mapping::api::routes())
        .merge(super::service_provider::api::routes())
}

async fn projects(State(identity): State<Identity>, context: Context) -> Result<Json<Value>, ApiError> {
    let found = identity.projects_of(context.user_id()).await?;
    let items = found.iter().map(|project| crate::project::wire::render(project, context.url())).collect();
    Ok(Json(crate::wire::list("projects", items, &context.self_link())))
}

async fn domains(State(identity): State<Identity>, context: Context) -> Result<Json<Value>, ApiError> {
    let found = identity.domains_of(context.user_id()).await?;
    let items = found.iter().map(|domain| crate::project::wire::render_domain(domain, context.url())).collect();
    Ok(Json(crate::wire::list("domains", items, &context.self_link())))
}
