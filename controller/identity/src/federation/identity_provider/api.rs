//! `/v3/OS-FEDERATION/identity_providers`.

use super::{store, wire};
use crate::{Identity, IdentityError, federation::body};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    const ONE: &str = "/v3/OS-FEDERATION/identity_providers/{idp_id}";
    Routes::new()
        .get("/v3/OS-FEDERATION/identity_providers", "identity:list_identity_providers", list)
        .get(ONE, "identity:get_identity_provider", show)
        .put(ONE, "identity:create_identity_provider", create)
        .patch(ONE, "identity:update_identity_provider", update)
        .delete(ONE, "identity:delete_identity_provider", delete)
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_identity_providers", &Target::none())?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let found = store::list(&mut conn, &params).await.map_err(IdentityError::from)?;
    let items = found.iter().map(|provider| wire::render(provider, context.url())).collect();
    Ok(Json(crate::wire::list("identity_providers", items, &context.self_link())))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:get_identity_provider", &Target::none())?;
    let provider = identity.identity_provider(&id).await?;
    Ok(Json(json!({"identity_provider": wire::render(&provider, context.url())})))
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(given): Json<Value>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_identity_provider", &Target::none())?;
    let fields: wire::Fields = body::read(given, "identity_provider")?;
    let (provider, named) = fields.into_provider(body::new_id(&id)?)?;
    identity.create_identity_provider(&provider, named).await?;
    Ok((StatusCode::CREATED, Json(json!({"identity_provider": wire::render(&provider, context.url())}))))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(given): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:update_identity_provider", &Target::none())?;
    let fields = body::read_change(given, "identity_provider")?;
    let provider = identity.update_identity_provider(&id, fields).await?;
    Ok(Json(json!({"identity_provider": wire::render(&provider, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    context.enforce("identity:delete_identity_provider", &Target::none())?;
    identity.delete_identity_provider(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
