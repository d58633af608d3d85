//! `/v3/roles` and what they imply.

pub(crate) mod implied;

use super::{Role, store, wire};
use crate::{Identity, IdentityError, policy::visible};
use axum::extract::{Path, State};
use controller_web::{Access, ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/roles", Access::AnyOf(LIST), list)
        .post("/v3/roles", Access::AnyOf(CREATE), create)
        .get("/v3/roles/{role_id}", Access::AnyOf(GET), show)
        .patch("/v3/roles/{role_id}", Access::AnyOf(UPDATE), update)
        .delete("/v3/roles/{role_id}", Access::AnyOf(DELETE), delete)
}

/// The rules for a role that can be assigned everywhere, and for one of a domain.
type Pair = &'static [&'static str; 2];

const LIST: Pair = &["identity:list_roles", "identity:list_domain_roles"];
const CREATE: Pair = &["identity:create_role", "identity:create_domain_role"];
const GET: Pair = &["identity:get_role", "identity:get_domain_role"];
const UPDATE: Pair = &["identity:update_role", "identity:update_domain_role"];
const DELETE: Pair = &["identity:delete_role", "identity:delete_domain_role"];

pub(super) fn target(role: &Role) -> Target {
    Target::none().with_maybe("target.role.domain_id", role.domain_id.as_ref())
}

/// The rule of a pair for this role; for one that does not exist the first.
fn of_role(found: &Result<Role, IdentityError>, pair: Pair) -> &'static str {
    let of_domain = found.as_ref().is_ok_and(|role| role.domain_id.is_some());
    pair[usize::from(of_domain)]
}

async fn find(identity: &Identity, context: &Context, id: &str, pair: Pair) -> Result<Role, ApiError> {
    let found = identity.role(id).await;
    let rule = of_role(&found, pair);
    visible(found, context, rule, target)
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    let domain = params.get("domain_id");
    let rule = LIST[usize::from(domain.is_some())];
    context.enforce(rule, &Target::none().with_maybe("target.role.domain_id", domain))?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let roles = store::list(&mut conn, params.get("domain_id"), &params).await.map_err(IdentityError::from)?;
    let query = crate::listing::Query { params: &params, context: &context, most: identity.list_limit };
    crate::listing::answer("roles", &roles, query, |one| one.id.as_str(), wire::render)
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<wire::Body>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let role = body.role.into_role()?;
    context.enforce(CREATE[usize::from(role.domain_id.is_some())], &target(&role))?;
    identity.create_role(&role).await?;
    Ok((StatusCode::CREATED, Json(json!({"role": wire::render(&role, context.url())}))))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let role = find(&identity, &context, &id, GET).await?;
    Ok(Json(json!({"role": wire::render(&role, context.url())})))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<wire::Body>,
) -> Result<Json<Value>, ApiError> {
    let role = find(&identity, &context, &id, UPDATE).await?;
    let changed = identity.update_role(&role.id, body.role.into_change()?).await?;
    Ok(Json(json!({"role": wire::render(&changed, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let role = find(&identity, &context, &id, DELETE).await?;
    identity.delete_role(&role.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
