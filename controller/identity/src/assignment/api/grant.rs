//! Grants: `/v3/{projects|domains}/{id}/{users|groups}/{id}/roles/{id}`, the same for the system, and the inherited ones.

use crate::{
    Identity, IdentityError,
    assignment::{Actor, Assignment, Target, store},
};
use axum::{
    extract::{Path, State},
    response::IntoResponse,
};
use controller_base::id::DomainId;
use controller_web::{ApiError, Context, Json, Routes, Target as PolicyTarget};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

/// The four rules of one kind of grant.
#[derive(Clone, Copy)]
struct Rules {
    list: &'static str,
    check: &'static str,
    create: &'static str,
    revoke: &'static str,
}

const GRANTS: Rules = Rules {
    list: "identity:list_grants",
    check: "identity:check_grant",
    create: "identity:create_grant",
    revoke: "identity:revoke_grant",
};
const SYSTEM_USER: Rules = Rules {
    list: "identity:list_system_grants_for_user",
    check: "identity:check_system_grant_for_user",
    create: "identity:create_system_grant_for_user",
    revoke: "identity:revoke_system_grant_for_user",
};
const SYSTEM_GROUP: Rules = Rules {
    list: "identity:list_system_grants_for_group",
    check: "identity:check_system_grant_for_group",
    create: "identity:create_system_grant_for_group",
    revoke: "identity:revoke_system_grant_for_group",
};

/// Path of a collection of grants, path of one grant, rules, whether inherited.
const PLACES: [(&str, &str, Rules, bool); 10] = [
    (
        "/v3/projects/{project_id}/users/{user_id}/roles",
        "/v3/projects/{project_id}/users/{user_id}/roles/{role_id}",
        GRANTS,
        false,
    ),
    (
        "/v3/projects/{project_id}/groups/{group_id}/roles",
        "/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}",
        GRANTS,
        false,
    ),
    (
        "/v3/domains/{domain_id}/users/{user_id}/roles",
        "/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}",
        GRANTS,
        false,
    ),
    (
        "/v3/domains/{domain_id}/groups/{group_id}/roles",
        "/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}",
        GRANTS,
        false,
    ),
    ("/v3/system/users/{user_id}/roles", "/v3/system/users/{user_id}/roles/{role_id}", SYSTEM_USER, false),
    ("/v3/system/groups/{group_id}/roles", "/v3/system/groups/{group_id}/roles/{role_id}", SYSTEM_GROUP, false),
    (
        "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/inherited_to_projects",
        "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects",
        GRANTS,
        true,
    ),
    (
        "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/inherited_to_projects",
        "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects",
        GRANTS,
        true,
    ),
    (
        "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/inherited_to_projects",
        "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects",
        GRANTS,
        true,
    ),
    (
        "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/inherited_to_projects",
        "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects",
        GRANTS,
        true,
    ),
];

pub(crate) fn routes() -> Routes<Identity> {
    PLACES.into_iter().fold(Routes::new(), |routes, (all, one, rules, inherited)| {
        let place = Place { rules, inherited };
        routes
            .get(all, rules.list, move |state, context, path| list(place, state, context, path))
            .get(one, rules.check, move |state, context, path| check(place, state, context, path))
            .put(one, rules.create, move |state, context, path| create(place, state, context, path))
            .delete(one, rules.revoke, move |state, context, path| revoke(place, state, context, path))
    })
}

#[derive(Clone, Copy)]
struct Place {
    rules: Rules,
    inherited: bool,
}

/// The ids of a path, whichever it has.
#[derive(Debug, Deserialize)]
struct Ids {
    project_id: Option<String>,
    domain_id: Option<String>,
    user_id: Option<String>,
    group_id: Option<String>,
    role_id: Option<String>,
}

/// What the path names, and what policy may look at.
struct Found {
    actor: Actor,
    target: Target,
    role: Option<crate::role::Role>,
    /// The domain that the target is or lies in.
    domain: Option<DomainId>,
    policy: PolicyTarget,
}

async fn find(identity: &Identity, ids: &Ids) -> Result<Found, IdentityError> {
    let mut policy = PolicyTarget::none();
    let actor = match (&ids.user_id, &ids.group_id) {
        (Some(id), _) => {
            let user = identity.user(id).await?;
            policy = policy.with("target.actor.domain_id", &user.domain_id);
            Actor::User(user.id)
        }
        (None, Some(id)) => {
            let group = identity.group(id).await?;
            policy = policy.with("target.actor.domain_id", &group.domain_id);
            Actor::Group(group.id)
        }
        (None, None) => return Err(IdentityError::Internal("a grant's path names nobody".to_owned())),
    };
    let (target, domain) = match (&ids.project_id, &ids.domain_id) {
        (Some(id), _) => {
            let project = identity.project(id).await?;
            let domain = project.owning_domain();
            (Target::Project(project.id), Some(domain))
        }
        (None, Some(id)) => {
            let domain = identity.domain(id).await?.owning_domain();
            (Target::Domain(domain.clone()), Some(domain))
        }
        (None, None) => (Target::System, None),
    };
    if let Some(domain) = &domain {
        policy = policy.with("target.scope.domain_id", domain);
    }
    let role = match &ids.role_id {
        Some(id) => Some(identity.role(id).await?),
        None => None,
    };
    policy = policy.with_maybe("target.role.name", role.as_ref().map(|role| &role.name));
    Ok(Found { actor, target, role, domain, policy })
}

/// The grant that a path names, if the caller may do this to it.
async fn permitted(
    place: Place,
    rule: &str,
    identity: &Identity,
    context: &Context,
    ids: &Ids,
) -> Result<Assignment, ApiError> {
    let found = crate::policy::visible(find(identity, ids).await, context, rule, |found| found.policy.clone())?;
    Ok(found.grant(place)?)
}

impl Found {
    fn grant(self, place: Place) -> Result<Assignment, IdentityError> {
        let role = self.role.ok_or_else(|| IdentityError::Internal("a grant's path names no role".to_owned()))?;
        Ok(Assignment { actor: self.actor, target: self.target, role: role.id, inherited: place.inherited })
    }
}

/// A domain's own role can be granted within the domain only.
fn fits(found: &Found) -> Result<(), IdentityError> {
    let Some(role) = &found.role else { return Ok(()) };
    let Some(owner) = &role.domain_id else { return Ok(()) };
    match (&found.target, &found.domain) {
        (Target::System, _) => Err(IdentityError::invalid(format!(
            "Role {} is a domain-specific role. Unable to use a domain-specific role in a system assignment.",
            role.id
        ))),
        (_, Some(domain)) if domain == owner => Ok(()),
        (target, _) => Err(IdentityError::Forbidden(format!(
            "{} {} must be in the same domain as the role {} being assigned.",
            if matches!(target, Target::Project(_)) { "Project" } else { "Domain" },
            target.id(),
            role.id
        ))),
    }
}

async fn list(
    place: Place,
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<Ids>,
) -> Result<Json<Value>, ApiError> {
    let found = find(&identity, &ids).await;
    let found = crate::policy::visible(found, &context, place.rules.list, |found| found.policy.clone())?;
    let wanted = store::Wanted {
        actor: Some(found.actor),
        target: Some(found.target),
        inherited: Some(place.inherited),
        ..store::Wanted::default()
    };
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let granted = store::list(&mut conn, &wanted).await.map_err(IdentityError::from)?;
    let roles = crate::role::store::all(&mut conn).await.map_err(IdentityError::from)?;
    let roles = roles.iter().filter(|role| granted.iter().any(|grant| grant.role == role.id));
    let items = roles.map(|role| crate::role::render(role, context.url())).collect();
    Ok(Json(crate::wire::list("roles", items, &context.self_link())))
}

async fn check(
    place: Place,
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<Ids>,
) -> Result<impl IntoResponse, ApiError> {
    let grant = permitted(place, place.rules.check, &identity, &context, &ids).await?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let exists = store::exists(&mut conn, &grant).await.map_err(IdentityError::from)?;
    if exists { Ok(StatusCode::NO_CONTENT) } else { Err(missing(&grant)) }
}

async fn create(
    place: Place,
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<Ids>,
) -> Result<StatusCode, ApiError> {
    let rule = place.rules.create;
    let found = crate::policy::visible(find(&identity, &ids).await, &context, rule, |found| found.policy.clone())?;
    fits(&found)?;
    identity.grant(&found.grant(place)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke(
    place: Place,
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<Ids>,
) -> Result<StatusCode, ApiError> {
    let grant = permitted(place, place.rules.revoke, &identity, &context, &ids).await?;
    if identity.revoke_grant(&grant).await? { Ok(StatusCode::NO_CONTENT) } else { Err(missing(&grant)) }
}

fn missing(grant: &Assignment) -> ApiError {
    let (actor, target) = (&grant.actor, &grant.target);
    ApiError::not_found(format!(
        "Could not find role assignment with role: {}, {}: {}, {}: {}.",
        grant.role,
        actor.kind(),
        actor.id(),
        target.kind(),
        target.id()
    ))
}
