//! `/v3/domains`.

use crate::{
    Identity, IdentityError,
    policy::visible,
    project::{Project, store, wire},
};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/domains", "identity:list_domains", list)
        .post("/v3/domains", "identity:create_domain", create)
        .get("/v3/domains/{domain_id}", "identity:get_domain", show)
        .patch("/v3/domains/{domain_id}", "identity:update_domain", update)
        .delete("/v3/domains/{domain_id}", "identity:delete_domain", delete)
}

fn target(domain: &Project) -> Target {
    Target::none().with("target.domain.id", &domain.id)
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    let own = context.domain().map(|domain| domain.id.clone());
    context.enforce("identity:list_domains", &Target::none().with_maybe("target.domain.id", own.as_ref()))?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let domains = store::list(&mut conn, true, None, &params).await.map_err(IdentityError::from)?;
    let is_seen = |domain: &Project| own.as_ref().is_none_or(|own| own.as_str() == domain.id.as_str());
    let seen: Vec<_> = domains.into_iter().filter(is_seen).collect();
    let query = crate::listing::Query { params: &params, context: &context, most: identity.list_limit };
    crate::listing::answer("domains", &seen, query, |one| one.id.as_str(), wire::render_domain)
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<wire::CreateDomain>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_domain", &Target::none())?;
    let domain = body.domain.into_domain()?;
    identity.create_project(&domain).await?;
    Ok((StatusCode::CREATED, Json(json!({"domain": wire::render_domain(&domain, context.url())}))))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let found = visible(identity.domain(&id).await, &context, "identity:get_domain", target)?;
    Ok(Json(json!({"domain": wire::render_domain(&found, context.url())})))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<wire::CreateDomain>,
) -> Result<Json<Value>, ApiError> {
    let found = visible(identity.domain(&id).await, &context, "identity:update_domain", target)?;
    let changed = identity.update_project(&found.id, body.domain.into_change(&found)?, false).await?;
    Ok(Json(json!({"domain": wire::render_domain(&changed, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let found = visible(identity.domain(&id).await, &context, "identity:delete_domain", target)?;
    identity.delete_domain(&found).await?;
    Ok(StatusCode::NO_CONTENT)
}
