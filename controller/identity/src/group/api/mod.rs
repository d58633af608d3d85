//! `/v3/groups` and their members.

pub(crate) mod member;

use super::{Group, store, wire};
use crate::{Identity, IdentityError, policy::visible};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/groups", "identity:list_groups", list)
        .post("/v3/groups", "identity:create_group", create)
        .get("/v3/groups/{group_id}", "identity:get_group", show)
        .patch("/v3/groups/{group_id}", "identity:update_group", update)
        .delete("/v3/groups/{group_id}", "identity:delete_group", delete)
}

pub(super) fn target(group: &Group) -> Target {
    Target::none().with("target.group.id", &group.id).with("target.group.domain_id", &group.domain_id)
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    let domain = crate::policy::listed_domain(&context, &params)?;
    let target = Target::none().with_maybe("target.domain_id", domain.as_ref());
    context.enforce("identity:list_groups", &target)?;
    identity.freshen(domain.as_ref()).await;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let groups = store::list(&mut conn, domain.as_ref(), None, &params).await.map_err(IdentityError::from)?;
    let query = crate::listing::Query { params: &params, context: &context, most: identity.list_limit };
    crate::listing::answer("groups", &groups, query, |one| one.id.as_str(), wire::render)
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<wire::Body>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let own = crate::policy::callers_domain(&context);
    let group = body.group.into_group(own.as_ref())?;
    context.enforce("identity:create_group", &target(&group))?;
    identity.create_group(&group).await?;
    Ok((StatusCode::CREATED, Json(json!({"group": wire::render(&group, context.url())}))))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let group = visible(identity.group(&id).await, &context, "identity:get_group", target)?;
    Ok(Json(json!({"group": wire::render(&group, context.url())})))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<wire::Body>,
) -> Result<Json<Value>, ApiError> {
    let group = visible(identity.group(&id).await, &context, "identity:update_group", target)?;
    let changed = identity.update_group(&group.id, body.group.into_change(&group)?).await?;
    Ok(Json(json!({"group": wire::render(&changed, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let group = visible(identity.group(&id).await, &context, "identity:delete_group", target)?;
    identity.delete_group(&group.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
