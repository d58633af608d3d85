//! `/v3/roles/{id}/implies` and `/v3/role_inferences`.

use super::target;
use crate::{
    Identity, IdentityError,
    policy::visible,
    role::{Role, store},
};
use axum::extract::{Path, State};
use controller_web::{ApiError, BaseUrl, Context, Json, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/roles/{prior_id}/implies", "identity:list_implied_roles", list)
        .get("/v3/roles/{prior_id}/implies/{implied_id}", "identity:get_implied_role", show)
        .head("/v3/roles/{prior_id}/implies/{implied_id}", "identity:check_implied_role", check)
        .put("/v3/roles/{prior_id}/implies/{implied_id}", "identity:create_implied_role", create)
        .delete("/v3/roles/{prior_id}/implies/{implied_id}", "identity:delete_implied_role", delete)
        .get("/v3/role_inferences", "identity:list_role_inference_rules", inferences)
}

fn brief(role: &Role, url: &BaseUrl) -> Value {
    json!({"id": role.id, "name": role.name, "description": role.description,
        "links": {"self": url.join(&format!("/v3/roles/{}", role.id))}})
}

async fn both(
    identity: &Identity,
    context: &Context,
    (prior, implied): (String, String),
    rule: &str,
) -> Result<(Role, Role), ApiError> {
    let prior = visible(identity.role(&prior).await, context, rule, target)?;
    Ok((prior, identity.role(&implied).await?))
}

/// The pair, if the one implies the other.
async fn existing(
    identity: &Identity,
    context: &Context,
    ids: (String, String),
    rule: &str,
) -> Result<(Role, Role), ApiError> {
    let (prior, implied) = both(identity, context, ids, rule).await?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let all = store::implications(&mut conn).await.map_err(IdentityError::from)?;
    let found = all.iter().any(|(one, other)| *one == prior.id && *other == implied.id);
    if found { Ok((prior, implied)) } else { Err(missing(&prior, &implied)) }
}

fn pair(prior: &Role, implied: &Role, url: &BaseUrl) -> Json<Value> {
    Json(json!({"role_inference": {"prior_role": brief(prior, url), "implies": brief(implied, url)}}))
}

async fn list(
    State(identity): State<Identity>,
    context: Context,
    Path(prior): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let prior = visible(identity.role(&prior).await, &context, "identity:list_implied_roles", target)?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let all = store::implications(&mut conn).await.map_err(IdentityError::from)?;
    let roles = store::all(&mut conn).await.map_err(IdentityError::from)?;
    let implied = roles.iter().filter(|role| all.contains(&(prior.id.clone(), role.id.clone())));
    let implied: Vec<Value> = implied.map(|role| brief(role, context.url())).collect();
    let inference = json!({"prior_role": brief(&prior, context.url()), "implies": implied});
    Ok(Json(json!({"role_inference": inference, "links": {"self": context.self_link()}})))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let (prior, implied) = existing(&identity, &context, ids, "identity:get_implied_role").await?;
    Ok(pair(&prior, &implied, context.url()))
}

async fn check(
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    existing(&identity, &context, ids, "identity:check_implied_role").await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<(String, String)>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let (prior, implied) = both(&identity, &context, ids, "identity:create_implied_role").await?;
    identity.set_implied(&prior, &implied, true).await?;
    Ok((StatusCode::CREATED, pair(&prior, &implied, context.url())))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (prior, implied) = both(&identity, &context, ids, "identity:delete_implied_role").await?;
    let was = identity.set_implied(&prior, &implied, false).await?;
    if was { Ok(StatusCode::NO_CONTENT) } else { Err(missing(&prior, &implied)) }
}

async fn inferences(State(identity): State<Identity>, context: Context) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_role_inference_rules", &Target::none())?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let all = store::implications(&mut conn).await.map_err(IdentityError::from)?;
    let roles = store::all(&mut conn).await.map_err(IdentityError::from)?;
    let mut inferences = Vec::new();
    for prior in &roles {
        let implied = roles.iter().filter(|role| all.contains(&(prior.id.clone(), role.id.clone())));
        let implied: Vec<Value> = implied.map(|role| brief(role, context.url())).collect();
        if !implied.is_empty() {
            inferences.push(json!({"prior_role": brief(prior, context.url()), "implies": implied}));
        }
    }
    Ok(Json(json!({"role_inferences": inferences, "links": {"self": context.self_link()}})))
}

fn missing(prior: &Role, implied: &Role) -> ApiError {
    ApiError::not_found(format!("Could not find that role {} implies {}.", prior.id, implied.id))
}
