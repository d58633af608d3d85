//! `OS-ENDPOINT-POLICY`.

use super::Place;
use crate::{Identity, catalog, credential, listing, policy::visible};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

/// What can have a policy blob: path, and the rules that let create, check and delete.
const PLACES: [(&str, [&str; 3]); 3] = [
    (
        "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}",
        [
            "identity:create_policy_association_for_endpoint",
            "identity:check_policy_association_for_endpoint",
            "identity:delete_policy_association_for_endpoint",
        ],
    ),
    (
        "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}",
        [
            "identity:create_policy_association_for_service",
            "identity:check_policy_association_for_service",
            "identity:delete_policy_association_for_service",
        ],
    ),
    (
        "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}",
        [
            "identity:create_policy_association_for_region_and_service",
            "identity:check_policy_association_for_region_and_service",
            "identity:delete_policy_association_for_region_and_service",
        ],
    ),
];

pub(crate) fn routes() -> Routes<Identity> {
    let routes = Routes::new()
        .get("/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints", "identity:list_endpoints_for_policy", endpoints)
        .get("/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy", "identity:get_policy_for_endpoint", of_endpoint);
    PLACES.into_iter().fold(routes, |routes, (path, [create, check, delete])| {
        routes
            .put(path, create, move |state, context, ids| associate(create, state, context, ids))
            .get(path, check, move |state, context, ids| confirm(check, state, context, ids))
            .delete(path, delete, move |state, context, ids| dissociate(delete, state, context, ids))
    })
}

/// The ids of a path, whichever it has.
#[derive(Debug, Deserialize)]
struct Ids {
    policy_id: String,
    endpoint_id: Option<String>,
    service_id: Option<String>,
    region_id: Option<String>,
}

async fn find(identity: &Identity, context: &Context, ids: &Ids, rule: &str) -> Result<(String, Place), ApiError> {
    let policy = visible(identity.policy_blob(&ids.policy_id).await, context, rule, |_| Target::none())?;
    let mut place = Place::default();
    if let Some(id) = &ids.endpoint_id {
        place.endpoint = identity.endpoint(id).await?.id.to_string();
    }
    if let Some(id) = &ids.service_id {
        place.service = identity.catalog_service(id).await?.id.to_string();
    }
    if let Some(id) = &ids.region_id {
        place.region = identity.region(id).await?.id.to_string();
    }
    Ok((policy.id, place))
}

async fn associate(
    rule: &'static str,
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<Ids>,
) -> Result<StatusCode, ApiError> {
    let (policy, place) = find(&identity, &context, &ids, rule).await?;
    identity.set_policy_of(&place, &policy, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn confirm(
    rule: &'static str,
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<Ids>,
) -> Result<StatusCode, ApiError> {
    let (policy, place) = find(&identity, &context, &ids, rule).await?;
    let all = identity.policy_places().await?;
    let found = all.contains(&(place, policy));
    if found { Ok(StatusCode::NO_CONTENT) } else { Err(missing()) }
}

async fn dissociate(
    rule: &'static str,
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<Ids>,
) -> Result<StatusCode, ApiError> {
    let (policy, place) = find(&identity, &context, &ids, rule).await?;
    let was = identity.set_policy_of(&place, &policy, false).await?;
    if was { Ok(StatusCode::NO_CONTENT) } else { Err(missing()) }
}

fn missing() -> ApiError {
    ApiError::not_found("Could not find policy association.")
}

async fn endpoints(
    State(identity): State<Identity>,
    context: Context,
    params: Params,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let rule = "identity:list_endpoints_for_policy";
    let policy = visible(identity.policy_blob(&id).await, &context, rule, |_| Target::none())?;
    let all = identity.endpoints_of_policy(&policy.id).await?;
    let query = listing::Query { params: &params, context: &context, most: identity.list_limit };
    listing::answer("endpoints", &all, query, |one| one.id.as_str(), catalog::render_endpoint)
}

async fn of_endpoint(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let rule = "identity:get_policy_for_endpoint";
    let endpoint = visible(identity.endpoint(&id).await, &context, rule, |_| Target::none())?;
    let policy = identity.policy_for(&endpoint).await?;
    let policy =
        policy.ok_or_else(|| ApiError::not_found(format!("No policy is associated with endpoint {}.", endpoint.id)))?;
    let policy = identity.policy_blob(&policy).await?;
    Ok(Json(json!({"policy": credential::render_policy(&policy, context.url())})))
}
