//! `/v3/users/{id}/application_credentials` and `/v3/users/{id}/access_rules`.

use super::{ApplicationCredential, wire};
use crate::{Identity, IdentityError, policy::visible};
use axum::extract::{Path, State};
use controller_base::{
    Secret,
    id::{RoleId, UserId},
};
use controller_web::{ApiError, Context, Json, Params, Routes, Target, TokenInfo};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    const ALL: &str = "/v3/users/{user_id}/application_credentials";
    const ONE: &str = "/v3/users/{user_id}/application_credentials/{application_credential_id}";
    const RULES: &str = "/v3/users/{user_id}/access_rules";
    const RULE: &str = "/v3/users/{user_id}/access_rules/{access_rule_id}";
    Routes::new()
        .get(ALL, "identity:list_application_credentials", list)
        .post(ALL, "identity:create_application_credential", create)
        .get(ONE, "identity:get_application_credential", show)
        .delete(ONE, "identity:delete_application_credential", delete)
        .get(RULES, "identity:list_access_rules", list_rules)
        .get(RULE, "identity:get_access_rule", show_rule)
        .delete(RULE, "identity:delete_access_rule", delete_rule)
}

/// A trust's token must not make what outlives the trust.
fn refuse_trusts(token: &TokenInfo) -> Result<(), ApiError> {
    if token.trust().is_some() {
        return Err(ApiError::forbidden("Cannot manage application credentials with a token issued via delegation."));
    }
    Ok(())
}

/// A credential without `unrestricted` must not multiply.
pub(crate) fn refuse_restricted(token: &TokenInfo, what: &str) -> Result<(), IdentityError> {
    let restricted = token.application_credential().is_some_and(|credential| !credential.unrestricted);
    if restricted {
        let reason = format!("Using method 'application_credential' is not allowed for managing additional {what}.");
        return Err(IdentityError::forbidden_action(&reason));
    }
    Ok(())
}

fn owner(user: &str) -> Target {
    Target::none().with("user_id", user).with("target.user.id", user)
}

async fn list(
    State(identity): State<Identity>,
    context: Context,
    params: Params,
    Path(user): Path<String>,
) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_application_credentials", &owner(&user))?;
    refuse_trusts(context.token())?;
    let user = user.parse().map_err(IdentityError::from)?;
    let mut items = Vec::new();
    for credential in identity.application_credentials(&user, &params).await? {
        let roles = roles(&identity, &context, &credential.roles).await?;
        items.push(wire::render(&credential, &roles, context.url()));
    }
    Ok(Json(crate::wire::list("application_credentials", items, &context.self_link())))
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Path(user): Path<String>,
    Json(body): Json<wire::Body>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_application_credential", &owner(&user))?;
    refuse_trusts(context.token())?;
    refuse_restricted(context.token(), "application credentials")?;
    if context.user_id().as_str() != user {
        let reason = "Cannot create an application credential for another user.";
        return Err(IdentityError::forbidden_action(reason).into());
    }
    let (credential, secret) = new(&identity, &context, body.application_credential).await?;
    let (credential, secret) = identity.create_application_credential(credential, secret).await?;
    let roles = roles(&identity, &context, &credential.roles).await?;
    let mut body = wire::render(&credential, &roles, context.url());
    body["secret"] = secret.reveal().into();
    Ok((StatusCode::CREATED, Json(json!({"application_credential": body}))))
}

async fn new(
    identity: &Identity,
    context: &Context,
    fields: wire::Fields,
) -> Result<(ApplicationCredential, Option<Secret>), ApiError> {
    let user_id = context.user_id().clone();
    let roles = wanted_roles(identity, context.token(), fields.roles).await?;
    let access_rules = match fields.access_rules {
        None => None,
        Some(rules) => Some(read_rules(identity, &user_id, rules).await?),
    };
    let credential = ApplicationCredential {
        id: UserId::random().to_string(),
        user_id,
        project_id: context.project_id()?.clone(),
        name: crate::wire::name("name", &fields.name, 255)?,
        description: fields.description,
        secret_hash: String::new(),
        expires_at: wire::end(fields.expires_at.as_deref(), context.now())?,
        unrestricted: fields.unrestricted.unwrap_or(false),
        roles,
        access_rules,
    };
    Ok((credential, fields.secret))
}

async fn read_rules(
    identity: &Identity,
    user: &UserId,
    fields: Vec<wire::RuleFields>,
) -> Result<Vec<controller_web::token::AccessRule>, IdentityError> {
    let mut rules = Vec::new();
    for field in fields {
        rules.push(match &field.id {
            Some(id) => identity.access_rule(user, id).await?,
            None => field.read()?,
        });
    }
    Ok(rules)
}

/// The named roles and what they imply, all of which the token must have; without names, the token's.
async fn wanted_roles(
    identity: &Identity,
    token: &TokenInfo,
    names: Vec<wire::RoleName>,
) -> Result<Vec<RoleId>, IdentityError> {
    let have: Vec<RoleId> = token.roles.iter().map(|role| role.id.clone()).collect();
    if names.is_empty() {
        return Ok(have);
    }
    let mut roles = identity.named_roles(names.into_iter().map(|role| (role.id, role.name))).await?;
    let mut conn = identity.db.read().await?;
    roles = crate::role::with_implied(&mut conn, &roles).await?;
    if roles.iter().any(|role| !have.contains(role)) {
        return Err(IdentityError::invalid(
            "Invalid application credential: Cannot create an application credential with unassigned role",
        ));
    }
    Ok(roles)
}

async fn roles(identity: &Identity, context: &Context, ids: &[RoleId]) -> Result<Vec<Value>, ApiError> {
    let all = identity.roles_by_id(ids).await?;
    let short = |role: &crate::role::Role| {
        let mut body = crate::role::wire::render(role, context.url());
        if let Value::Object(fields) = &mut body {
            fields.retain(|key, _| matches!(key.as_str(), "id" | "name" | "domain_id" | "description" | "options"));
        }
        body
    };
    Ok(all.iter().map(short).collect())
}

/// Whose it is counts, not whose name stands in the path.
fn target(credential: &ApplicationCredential) -> Target {
    owner(credential.user_id.as_str())
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let found = identity.application_credential(&id).await;
    let credential = visible_to_owner(found, &context, "identity:get_application_credential")?;
    let roles = roles(&identity, &context, &credential.roles).await?;
    Ok(Json(json!({"application_credential": wire::render(&credential, &roles, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let found = identity.application_credential(&id).await;
    let credential = visible_to_owner(found, &context, "identity:delete_application_credential")?;
    refuse_restricted(context.token(), "application credentials")?;
    identity.delete_application_credential(&credential.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Below one's own path one learns that there is none; elsewhere nothing.
fn visible_to_owner(
    found: Result<ApplicationCredential, IdentityError>,
    context: &Context,
    rule: &str,
) -> Result<ApplicationCredential, ApiError> {
    let mine = context.path().split('/').nth(3) == Some(context.user_id().as_str());
    let credential = match found {
        Err(error @ IdentityError::NotFound { .. }) if mine => {
            context.enforce(rule, &owner(context.user_id().as_str()))?;
            return Err(error.into());
        }
        found => visible(found, context, rule, target)?,
    };
    refuse_trusts(context.token())?;
    Ok(credential)
}

async fn list_rules(
    State(identity): State<Identity>,
    context: Context,
    params: Params,
    Path(user): Path<String>,
) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_access_rules", &owner(&user))?;
    refuse_trusts(context.token())?;
    let user = user.parse().map_err(IdentityError::from)?;
    let rules = identity.access_rules(&user, &params).await?;
    let items = rules.iter().map(|rule| wire::render_rule(rule, &user, context.url())).collect();
    Ok(Json(crate::wire::list("access_rules", items, &context.self_link())))
}

async fn show_rule(
    State(identity): State<Identity>,
    context: Context,
    Path((user, id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:get_access_rule", &owner(&user))?;
    refuse_trusts(context.token())?;
    let user = user.parse().map_err(IdentityError::from)?;
    let rule = identity.access_rule(&user, &id).await?;
    Ok(Json(json!({"access_rule": wire::render_rule(&rule, &user, context.url())})))
}

async fn delete_rule(
    State(identity): State<Identity>,
    context: Context,
    Path((user, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    context.enforce("identity:delete_access_rule", &owner(&user))?;
    refuse_trusts(context.token())?;
    let user = user.parse().map_err(IdentityError::from)?;
    let rule = identity.access_rule(&user, &id).await?;
    identity.delete_access_rule(&rule.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
