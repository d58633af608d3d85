//! `/v3/regions`.

use crate::{
    Identity, IdentityError,
    catalog::{Region, store, wire},
    policy::visible,
};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/regions", "identity:list_regions", list)
        .post("/v3/regions", "identity:create_region", create)
        .get("/v3/regions/{region_id}", "identity:get_region", show)
        .patch("/v3/regions/{region_id}", "identity:update_region", update)
        .put("/v3/regions/{region_id}", "identity:create_region", create_named)
        .delete("/v3/regions/{region_id}", "identity:delete_region", delete)
}

fn target(_: &Region) -> Target {
    Target::none()
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_regions", &Target::none())?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let regions = store::list_regions(&mut conn, &params).await.map_err(IdentityError::from)?;
    let query = crate::listing::Query { params: &params, context: &context, most: identity.list_limit };
    crate::listing::answer("regions", &regions, query, |one| one.id.as_str(), wire::render_region)
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<wire::RegionBody>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_region", &Target::none())?;
    let region = body.region.into_region(None)?;
    identity.put_region(&region, true).await?;
    Ok((StatusCode::CREATED, Json(json!({"region": wire::render_region(&region, context.url())}))))
}

async fn create_named(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<wire::RegionBody>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_region", &Target::none())?;
    let region = body.region.into_region(Some(&id))?;
    identity.put_region(&region, true).await?;
    Ok((StatusCode::CREATED, Json(json!({"region": wire::render_region(&region, context.url())}))))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let region = visible(identity.region(&id).await, &context, "identity:get_region", target)?;
    Ok(Json(json!({"region": wire::render_region(&region, context.url())})))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<wire::RegionBody>,
) -> Result<Json<Value>, ApiError> {
    let region = visible(identity.region(&id).await, &context, "identity:update_region", target)?;
    let region = body.region.change(region)?;
    identity.put_region(&region, false).await?;
    Ok(Json(json!({"region": wire::render_region(&region, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let region = visible(identity.region(&id).await, &context, "identity:delete_region", target)?;
    identity.delete_region(&region.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
