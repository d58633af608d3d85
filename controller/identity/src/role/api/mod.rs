//! `/v3/roles` and what they imply.

pub(crate) mod implied;

use super::{Role, store, wire};
use crate::{Identity, IdentityError, policy::visible};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/roles", "identity:list_roles", list)
        .post("/v3/roles", "identity:create_role", create)
        .get("/v3/roles/{role_id}", "identity:get_role", show)
        .patch("/v3/roles/{role_id}", "identity:update_role", update)
        .delete("/v3/roles/{role_id}", "identity:delete_role", delete)
}

pub(super) fn target(_: &Role) -> Target {
    Target::none()
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_roles", &Target::none())?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let roles = store::list(&mut conn, params.get("domain_id"), &params).await.map_err(IdentityError::from)?;
    let items = roles.iter().map(|role| wire::render(role, context.url())).collect();
    Ok(Json(crate::wire::list("roles", items, &context.self_link())))
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<wire::Body>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_role", &Target::none())?;
    let role = body.role.into_role()?;
    identity.create_role(&role).await?;
    Ok((StatusCode::CREATED, Json(json!({"role": wire::render(&role, context.url())}))))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let role = visible(identity.role(&id).await, &context, "identity:get_role", target)?;
    Ok(Json(json!({"role": wire::render(&role, context.url())})))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<wire::Body>,
) -> Result<Json<Value>, ApiError> {
    let role = visible(identity.role(&id).await, &context, "identity:update_role", target)?;
    let changed = identity.update_role(&role.id, body.role.into_change()?).await?;
    Ok(Json(json!({"role": wire::render(&changed, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let role = visible(identity.role(&id).await, &context, "identity:delete_role", target)?;
    identity.delete_role(&role.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
