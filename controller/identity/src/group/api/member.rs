//! `/v3/groups/{id}/users`.

use super::target;
use crate::{
    Identity, IdentityError,
    group::{Group, store},
    policy::visible,
    user::User,
};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Params, Routes};
use http::StatusCode;
use serde_json::Value;

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/groups/{group_id}/users", "identity:list_users_in_group", list)
        .get("/v3/groups/{group_id}/users/{user_id}", "identity:check_user_in_group", check)
        .put("/v3/groups/{group_id}/users/{user_id}", "identity:add_user_to_group", add)
        .delete("/v3/groups/{group_id}/users/{user_id}", "identity:remove_user_from_group", remove)
}

async fn list(
    State(identity): State<Identity>,
    context: Context,
    params: Params,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let group = visible(identity.group(&id).await, &context, "identity:list_users_in_group", target)?;
    identity.freshen(Some(&group.domain_id)).await;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let users =
        crate::user::store::list(&mut conn, None, Some(&group.id), &params).await.map_err(IdentityError::from)?;
    let query = crate::listing::Query { params: &params, context: &context, most: identity.list_limit };
    crate::listing::answer("users", &users, query, |one| one.id.as_str(), crate::user::render)
}

async fn both(
    identity: &Identity,
    context: &Context,
    (group, user): (String, String),
    rule: &str,
) -> Result<(Group, User), ApiError> {
    let found = match identity.group(&group).await {
        Ok(group) => identity.user(&user).await.map(|user| (group, user)),
        Err(error) => Err(error),
    };
    visible(found, context, rule, |(group, user)| target(group).with("target.user.domain_id", &user.domain_id))
}

async fn check(
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (group, user) = both(&identity, &context, ids, "identity:check_user_in_group").await?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let member = store::is_member(&mut conn, &group.id, &user.id).await.map_err(IdentityError::from)?;
    if member { Ok(StatusCode::NO_CONTENT) } else { Err(missing(&group, &user)) }
}

async fn add(
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (group, user) = both(&identity, &context, ids, "identity:add_user_to_group").await?;
    identity.set_member(&group.id, &user.id, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (group, user) = both(&identity, &context, ids, "identity:remove_user_from_group").await?;
    let was_member = identity.set_member(&group.id, &user.id, false).await?;
    if was_member { Ok(StatusCode::NO_CONTENT) } else { Err(missing(&group, &user)) }
}

fn missing(group: &Group, user: &User) -> ApiError {
    ApiError::not_found(format!("Could not find user {} in group {}.", user.id, group.id))
}
