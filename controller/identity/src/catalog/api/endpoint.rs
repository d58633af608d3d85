//! `/v3/endpoints`.

use crate::{
    Identity, IdentityError,
    catalog::{Endpoint, store, wire},
    policy::visible,
};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/endpoints", "identity:list_endpoints", list)
        .post("/v3/endpoints", "identity:create_endpoint", create)
        .get("/v3/endpoints/{endpoint_id}", "identity:get_endpoint", show)
        .patch("/v3/endpoints/{endpoint_id}", "identity:update_endpoint", update)
        .delete("/v3/endpoints/{endpoint_id}", "identity:delete_endpoint", delete)
}

fn target(_: &Endpoint) -> Target {
    Target::none()
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_endpoints", &Target::none())?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let endpoints = store::list_endpoints(&mut conn, &params).await.map_err(IdentityError::from)?;
    let query = crate::listing::Query { params: &params, context: &context, most: identity.list_limit };
    crate::listing::answer("endpoints", &endpoints, query, |one| one.id.as_str(), wire::render_endpoint)
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<wire::EndpointBody>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_endpoint", &Target::none())?;
    let region = body.endpoint.implied_region()?;
    let endpoint = body.endpoint.into_endpoint()?;
    identity.ensure_region(region).await?;
    identity.put_endpoint(&endpoint, true).await?;
    Ok((StatusCode::CREATED, Json(json!({"endpoint": wire::render_endpoint(&endpoint, context.url())}))))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let endpoint = visible(identity.endpoint(&id).await, &context, "identity:get_endpoint", target)?;
    Ok(Json(json!({"endpoint": wire::render_endpoint(&endpoint, context.url())})))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<wire::EndpointBody>,
) -> Result<Json<Value>, ApiError> {
    let endpoint = visible(identity.endpoint(&id).await, &context, "identity:update_endpoint", target)?;
    let region = body.endpoint.implied_region()?;
    let endpoint = body.endpoint.change(endpoint)?;
    identity.ensure_region(region).await?;
    identity.put_endpoint(&endpoint, false).await?;
    Ok(Json(json!({"endpoint": wire::render_endpoint(&endpoint, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let endpoint = visible(identity.endpoint(&id).await, &context, "identity:delete_endpoint", target)?;
    identity.delete_endpoint(&endpoint.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
