//! Which policy blob belongs to an endpoint, a service or a service in a region (`OS-ENDPOINT-POLICY`). Each of them has one at
//! most; an endpoint's own goes before its service's in its region (and the regions above), and that before its service's.
//!
//! Owns `identity_policy_association`.

mod store;

use crate::{Identity, IdentityError, catalog, credential, listing, policy::visible};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Params, Routes, RuleDefault, Target};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

const READ: &str = "rule:admin_required or (role:reader and system_scope:all)";
const WRITE: &str = "rule:admin_required";

pub(crate) const RULES: &[RuleDefault] = &[
    rule("identity:create_policy_association_for_endpoint", WRITE, "Give an endpoint a policy blob"),
    rule("identity:check_policy_association_for_endpoint", READ, "Check an endpoint's policy blob"),
    rule("identity:delete_policy_association_for_endpoint", WRITE, "Take an endpoint's policy blob away"),
    rule("identity:create_policy_association_for_service", WRITE, "Give a service a policy blob"),
    rule("identity:check_policy_association_for_service", READ, "Check a service's policy blob"),
    rule("identity:delete_policy_association_for_service", WRITE, "Take a service's policy blob away"),
    rule(
        "identity:create_policy_association_for_region_and_service",
        WRITE,
        "Give a service in a region a policy blob",
    ),
    rule(
        "identity:check_policy_association_for_region_and_service",
        READ,
        "Check the policy blob of a service in a region",
    ),
    rule(
        "identity:delete_policy_association_for_region_and_service",
        WRITE,
        "Take the policy blob of a service in a region away",
    ),
    rule("identity:get_policy_for_endpoint", READ, "Show the policy blob that holds for an endpoint"),
    rule("identity:list_endpoints_for_policy", READ, "List the endpoints for which a policy blob holds"),
];

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

/// What has the policy blob; the ids that do not take part are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub endpoint: String,
    pub service: String,
    pub region: String,
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

impl Identity {
    async fn policy_places(&self) -> Result<Vec<(Place, String)>, IdentityError> {
        Ok(store::list(&mut *self.db.read().await?).await?)
    }

    /// Gives or takes a policy blob; false when there was none to take.
    async fn set_policy_of(&self, place: &Place, policy: &str, set: bool) -> Result<bool, IdentityError> {
        let mut tx = self.db.begin().await?;
        let done = if set {
            store::put(&mut tx, place, policy).await?;
            true
        } else {
            store::delete(&mut tx, place, policy).await?
        };
        tx.commit().await?;
        Ok(done)
    }

    async fn policy_for(&self, endpoint: &catalog::Endpoint) -> Result<Option<String>, IdentityError> {
        let mut conn = self.db.read().await?;
        let all = store::list(&mut conn).await?;
        let regions = catalog::store::list_regions(&mut conn, &Params::default()).await?;
        Ok(holds_for(endpoint, &all, &regions).map(str::to_owned))
    }

    async fn endpoints_of_policy(&self, policy: &str) -> Result<Vec<catalog::Endpoint>, IdentityError> {
        let mut conn = self.db.read().await?;
        let none = Params::default();
        let places = store::list(&mut conn).await?;
        let regions = catalog::store::list_regions(&mut conn, &none).await?;
        let endpoints = catalog::store::list_endpoints(&mut conn, &none).await?;
        Ok(endpoints.into_iter().filter(|endpoint| holds_for(endpoint, &places, &regions) == Some(policy)).collect())
    }
}

/// The policy blob that holds for an endpoint.
fn holds_for<'a>(
    endpoint: &catalog::Endpoint,
    places: &'a [(Place, String)],
    regions: &[catalog::Region],
) -> Option<&'a str> {
    let at = |wanted: &Place| places.iter().find(|(place, _)| place == wanted).map(|(_, policy)| policy.as_str());
    let service = endpoint.service_id.to_string();
    if let Some(own) = at(&Place { endpoint: endpoint.id.to_string(), ..Place::default() }) {
        return Some(own);
    }
    let mut next = endpoint.region_id.clone();
    // As many steps as there are regions: a circle ends.
    for _ in 0..=regions.len() {
        let Some(region) = next else { break };
        let place = Place { service: service.clone(), region: region.to_string(), ..Place::default() };
        if let Some(found) = at(&place) {
            return Some(found);
        }
        next = regions.iter().find(|one| one.id == region).and_then(|one| one.parent_id.clone());
    }
    at(&Place { service, ..Place::default() })
}
