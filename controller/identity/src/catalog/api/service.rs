//! `/v3/services`.

use crate::{
    Identity, IdentityError,
    catalog::{Service, store, wire},
    policy::visible,
};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/services", "identity:list_services", list)
        .post("/v3/services", "identity:create_service", create)
        .get("/v3/services/{service_id}", "identity:get_service", show)
        .patch("/v3/services/{service_id}", "identity:update_service", update)
        .delete("/v3/services/{service_id}", "identity:delete_service", delete)
}

fn target(_: &Service) -> Target {
    Target::none()
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_services", &Target::none())?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let services = store::list_services(&mut conn, &params).await.map_err(IdentityError::from)?;
    let query = crate::listing::Query { params: &params, context: &context, most: identity.list_limit };
    crate::listing::answer("services", &services, query, |one| one.id.as_str(), wire::render_service)
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<wire::ServiceBody>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_service", &Target::none())?;
    let service = body.service.into_service()?;
    identity.put_service(&service, true).await?;
    Ok((StatusCode::CREATED, Json(json!({"service": wire::render_service(&service, context.url())}))))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let service = visible(identity.catalog_service(&id).await, &context, "identity:get_service", target)?;
    Ok(Json(json!({"service": wire::render_service(&service, context.url())})))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<wire::ServiceBody>,
) -> Result<Json<Value>, ApiError> {
    let service = visible(identity.catalog_service(&id).await, &context, "identity:update_service", target)?;
    let service = body.service.change(service)?;
    identity.put_service(&service, false).await?;
    Ok(Json(json!({"service": wire::render_service(&service, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let service = visible(identity.catalog_service(&id).await, &context, "identity:delete_service", target)?;
    identity.delete_service(&service.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
