//! `/v3/users`.

use super::{User, store, wire};
use crate::{Identity, IdentityError, listing, policy::visible};
use axum::extract::{Path, State};
use controller_web::{Access, ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/users", "identity:list_users", list)
        .post("/v3/users", "identity:create_user", create)
        .get("/v3/users/{user_id}", "identity:get_user", show)
        .patch("/v3/users/{user_id}", "identity:update_user", update)
        .delete("/v3/users/{user_id}", "identity:delete_user", delete)
        .post("/v3/users/{user_id}/password", Access::Public, password)
        .get("/v3/users/{user_id}/projects", "identity:list_user_projects", projects)
        .get("/v3/users/{user_id}/groups", "identity:list_groups_for_user", groups)
}

fn target(user: &User) -> Target {
    Target::none().with("target.user.id", &user.id).with("target.user.domain_id", &user.domain_id)
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    let domain = crate::policy::listed_domain(&context, &params)?;
    let target = Target::none().with_maybe("target.domain_id", domain.as_ref());
    context.enforce("identity:list_users", &target)?;
    identity.freshen(domain.as_ref()).await;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let query = listing::Query { params: &params, context: &context, most: identity.list_limit };
    let after = match query.marker() {
        None => None,
        Some(marker) => {
            let id = marker.parse().map_err(|_| listing::no_marker(marker))?;
            let found = store::get(&mut conn, &id).await.map_err(IdentityError::from)?;
            Some(found.ok_or_else(|| listing::no_marker(marker))?)
        }
    };
    let limit = query.most()?.and_then(|most| u32::try_from(most).ok()).map(|most| most.saturating_add(1));
    let users = store::page(&mut conn, domain.as_ref(), &params, after.as_ref(), limit).await;
    listing::page("users", &users.map_err(IdentityError::from)?, query, |one| one.id.as_str(), wire::render)
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<wire::Body>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let own = crate::policy::callers_domain(&context);
    let (user, password) = body.user.into_user(own.as_ref(), context.now())?;
    context.enforce("identity:create_user", &target(&user))?;
    let user = identity.create_user(user, password).await?;
    Ok((StatusCode::CREATED, Json(json!({"user": wire::render(&user, context.url())}))))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let user = visible(identity.user(&id).await, &context, "identity:get_user", target)?;
    Ok(Json(json!({"user": wire::render(&user, context.url())})))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<wire::Body>,
) -> Result<Json<Value>, ApiError> {
    let user = visible(identity.user(&id).await, &context, "identity:update_user", target)?;
    let changed = identity.update_user(&user.id, body.user.into_change(&user)?).await?;
    Ok(Json(json!({"user": wire::render(&changed, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let user = visible(identity.user(&id).await, &context, "identity:delete_user", target)?;
    identity.delete_user(&user.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The old password is the proof: an expired one could get no token.
async fn password(
    State(identity): State<Identity>,
    Path(id): Path<String>,
    Json(body): Json<wire::PasswordBody>,
) -> Result<StatusCode, ApiError> {
    identity.change_password(&id, &body.user.original_password, body.user.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn projects(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let user = visible(identity.user(&id).await, &context, "identity:list_user_projects", target)?;
    let projects = identity.projects_of(&user.id).await?;
    let items = projects.iter().map(|project| crate::project::wire::render(project, context.url())).collect();
    Ok(Json(crate::wire::list("projects", items, &context.self_link())))
}

async fn groups(
    State(identity): State<Identity>,
    context: Context,
    params: Params,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let user = visible(identity.user(&id).await, &context, "identity:list_groups_for_user", target)?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let groups =
        crate::group::store::list(&mut conn, None, Some(&user.id), &params).await.map_err(IdentityError::from)?;
    let query = listing::Query { params: &params, context: &context, most: identity.list_limit };
    listing::answer("groups", &groups, query, |one| one.id.as_str(), crate::group::render)
}
