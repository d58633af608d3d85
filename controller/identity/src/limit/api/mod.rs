//! `/v3/limits` and `/v3/registered_limits`.

pub(crate) mod registered;

use super::{Limit, wire};
use crate::{Identity, listing, policy::visible};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Params, Routes, Scope, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/limits/model", "identity:get_limit_model", model)
        .get("/v3/limits", "identity:list_limits", list)
        .post("/v3/limits", "identity:create_limits", create)
        .get("/v3/limits/{limit_id}", "identity:get_limit", show)
        .patch("/v3/limits/{limit_id}", "identity:update_limit", update)
        .delete("/v3/limits/{limit_id}", "identity:delete_limit", delete)
}

async fn model(State(identity): State<Identity>, context: Context) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:get_limit_model", &Target::none())?;
    let model = identity.limit_model;
    Ok(Json(json!({"model": {"name": model.name(), "description": model.description()}})))
}

/// What policy may look at; the domain of a limit's project is looked up.
async fn target(identity: &Identity, limit: &Limit) -> Result<Target, ApiError> {
    let domain = match limit.owner.project() {
        Some(project) => identity.project(project).await.ok().map(|project| project.owning_domain()),
        None => None,
    };
    Ok(Target::none()
        .with_maybe("target.limit.project_id", limit.owner.project())
        .with_maybe("target.limit.domain.id", limit.owner.domain())
        .with_maybe("target.limit.project.domain_id", domain))
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_limits", &Target::none())?;
    // Who may not see all of them sees those of the own scope.
    let params = match &context.token().scope {
        Scope::System => params,
        _ if context.is_admin() => params,
        Scope::Project(project) => params.with("project_id", Some(project.id.as_str())),
        Scope::Domain(domain) => params.with("domain_id", Some(domain.id.as_str())),
        Scope::Unscoped => return listing_of(&identity, &context, &params, &[]),
    };
    let limits = identity.limits(&params).await?;
    listing_of(&identity, &context, &params, &limits)
}

fn listing_of(
    identity: &Identity,
    context: &Context,
    params: &Params,
    limits: &[Limit],
) -> Result<Json<Value>, ApiError> {
    let query = listing::Query { params, context, most: identity.list_limit };
    listing::answer("limits", limits, query, |one| one.id.as_str(), wire::render)
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<wire::Create>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_limits", &Target::none())?;
    if body.limits.is_empty() {
        return Err(ApiError::bad_request("Invalid input for field 'limits': [] should be non-empty"));
    }
    let made = identity.create_limits(body.limits).await?;
    let made: Vec<_> = made.iter().map(|limit| wire::render(limit, context.url())).collect();
    let links = controller_web::paging::whole(&context.self_link());
    Ok((StatusCode::CREATED, Json(json!({"limits": made, "links": links}))))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let found = identity.limit(&id).await;
    let about = match &found {
        Ok(limit) => target(&identity, limit).await?,
        Err(_) => Target::none(),
    };
    let limit = visible(found, &context, "identity:get_limit", |_| about)?;
    Ok(Json(json!({"limit": wire::render(&limit, context.url())})))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<wire::Update>,
) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:update_limit", &Target::none())?;
    let limit = identity.update_limit(&id, body.limit).await?;
    Ok(Json(json!({"limit": wire::render(&limit, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let limit = visible(identity.limit(&id).await, &context, "identity:delete_limit", |_| Target::none())?;
    identity.delete_limit(&limit.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
