//! `/v3/registered_limits`.

use crate::{
    Identity,
    limit::{RegisteredLimit, wire},
    listing,
    policy::visible,
};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/registered_limits", "identity:list_registered_limits", list)
        .post("/v3/registered_limits", "identity:create_registered_limits", create)
        .get("/v3/registered_limits/{registered_limit_id}", "identity:get_registered_limit", show)
        .patch("/v3/registered_limits/{registered_limit_id}", "identity:update_registered_limit", update)
        .delete("/v3/registered_limits/{registered_limit_id}", "identity:delete_registered_limit", delete)
}

async fn find(identity: &Identity, context: &Context, id: &str, rule: &str) -> Result<RegisteredLimit, ApiError> {
    visible(identity.registered_limit(id).await, context, rule, |_| Target::none())
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_registered_limits", &Target::none())?;
    let limits = identity.registered_limits(&params).await?;
    let query = listing::Query { params: &params, context: &context, most: identity.list_limit };
    listing::answer("registered_limits", &limits, query, |one| one.id.as_str(), wire::render_registered)
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<wire::CreateRegistered>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_registered_limits", &Target::none())?;
    if body.registered_limits.is_empty() {
        return Err(ApiError::bad_request("Invalid input for field 'registered_limits': [] should be non-empty"));
    }
    let limits = body.registered_limits.into_iter().map(wire::RegisteredFields::into_limit);
    let limits = limits.collect::<Result<Vec<_>, _>>()?;
    identity.create_registered_limits(&limits).await?;
    let made: Vec<_> = limits.iter().map(|limit| wire::render_registered(limit, context.url())).collect();
    let links = controller_web::paging::whole(&context.self_link());
    Ok((StatusCode::CREATED, Json(json!({"registered_limits": made, "links": links}))))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let limit = find(&identity, &context, &id, "identity:get_registered_limit").await?;
    Ok(Json(json!({"registered_limit": wire::render_registered(&limit, context.url())})))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<wire::UpdateRegistered>,
) -> Result<Json<Value>, ApiError> {
    let limit = find(&identity, &context, &id, "identity:update_registered_limit").await?;
    let limit = body.registered_limit.change(limit)?;
    identity.update_registered_limit(&limit).await?;
    Ok(Json(json!({"registered_limit": wire::render_registered(&limit, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let limit = find(&identity, &context, &id, "identity:delete_registered_limit").await?;
    identity.delete_registered_limit(&limit).await?;
    Ok(StatusCode::NO_CONTENT)
}
