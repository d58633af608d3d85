//! `/v3/policies`.

use crate::{
    Identity, IdentityError,
    credential::{PolicyBlob, store, wire},
    policy::visible,
};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/policies", "identity:list_policies", list)
        .post("/v3/policies", "identity:create_policy", create)
        .get("/v3/policies/{policy_id}", "identity:get_policy", show)
        .patch("/v3/policies/{policy_id}", "identity:update_policy", update)
        .delete("/v3/policies/{policy_id}", "identity:delete_policy", delete)
}

fn target(_: &PolicyBlob) -> Target {
    Target::none()
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_policies", &Target::none())?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let policies = store::list_policies(&mut conn, &params).await.map_err(IdentityError::from)?;
    let query = crate::listing::Query { params: &params, context: &context, most: identity.list_limit };
    crate::listing::answer("policies", &policies, query, |one| one.id.as_str(), wire::render_policy)
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<wire::PolicyBody>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_policy", &Target::none())?;
    let policy = body.policy.into_policy()?;
    identity.put_policy_blob(&policy).await?;
    Ok((StatusCode::CREATED, Json(json!({"policy": wire::render_policy(&policy, context.url())}))))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let policy = visible(identity.policy_blob(&id).await, &context, "identity:get_policy", target)?;
    Ok(Json(json!({"policy": wire::render_policy(&policy, context.url())})))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<wire::PolicyBody>,
) -> Result<Json<Value>, ApiError> {
    let policy = visible(identity.policy_blob(&id).await, &context, "identity:update_policy", target)?;
    let policy = body.policy.change(policy);
    identity.put_policy_blob(&policy).await?;
    Ok(Json(json!({"policy": wire::render_policy(&policy, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let policy = visible(identity.policy_blob(&id).await, &context, "identity:delete_policy", target)?;
    identity.delete_policy_blob(&policy.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
