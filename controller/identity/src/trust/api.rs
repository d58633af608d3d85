//! `/v3/OS-TRUST/trusts`.

use super::{Trust, wire};
use crate::{Identity, IdentityError};
use axum::extract::{Path, State};
use controller_web::{Access, ApiError, Context, Json, Params, Routes, Target, TokenInfo};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    const ALL: &str = "/v3/OS-TRUST/trusts";
    const ONE: &str = "/v3/OS-TRUST/trusts/{trust_id}";
    const LISTS: Access = Access::AnyOf(&[
        "identity:list_trusts",
        "identity:list_trusts_for_trustor",
        "identity:list_trusts_for_trustee",
    ]);
    Routes::new()
        .get(ALL, LISTS, list)
        .post(ALL, "identity:create_trust", create)
        .get(ONE, "identity:get_trust", show)
        .delete(ONE, "identity:delete_trust", delete)
        .get("/v3/OS-TRUST/trusts/{trust_id}/roles", "identity:list_roles_for_trust", list_roles)
        .get("/v3/OS-TRUST/trusts/{trust_id}/roles/{role_id}", "identity:get_role_for_trust", show_role)
}

/// An application credential is for one project: it must not reach further through trusts, restricted or not.
fn refuse_credentials(token: &TokenInfo) -> Result<(), IdentityError> {
    if token.application_credential().is_some() {
        let reason = "Using method 'application_credential' is not allowed for managing trusts.";
        return Err(IdentityError::forbidden_action(reason));
    }
    Ok(())
}

fn target(trust: &Trust) -> Target {
    Target::none()
        .with("target.trust.trustor_user_id", &trust.trustor)
        .with("target.trust.trustee_user_id", &trust.trustee)
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    let (trustor, trustee) = (params.get("trustor_user_id"), params.get("trustee_user_id"));
    let (rule, target) = match (trustor, trustee) {
        (Some(trustor), _) => {
            ("identity:list_trusts_for_trustor", Target::none().with("target.trust.trustor_user_id", trustor))
        }
        (None, Some(trustee)) => {
            ("identity:list_trusts_for_trustee", Target::none().with("target.trust.trustee_user_id", trustee))
        }
        (None, None) => ("identity:list_trusts", Target::none()),
    };
    context.enforce(rule, &target)?;
    refuse_credentials(context.token())?;
    let trusts = identity.trusts(trustor, trustee).await?;
    let items = trusts.iter().map(|trust| wire::render(trust, None, context.url())).collect();
    Ok(Json(crate::wire::list("trusts", items, &context.self_link())))
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<wire::Body>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let mut fields = body.trust;
    let target = Target::none().with("target.trust.trustor_user_id", &fields.trustor_user_id);
    context.enforce("identity:create_trust", &target)?;
    refuse_credentials(context.token())?;
    if context.user_id().as_str() != fields.trustor_user_id {
        let reason = "The authenticated user should match the trustor";
        return Err(IdentityError::forbidden_action(reason).into());
    }
    let names = std::mem::take(&mut fields.roles).into_iter().map(|role| (role.id, role.name));
    let roles = identity.named_roles(names).await?;
    let new = fields.into_trust(roles, context.now())?;
    let from = context.token().trust().map(|trust| trust.id.as_str());
    let trust = identity.create_trust(new, from).await?;
    Ok((StatusCode::CREATED, Json(json!({"trust": whole(&identity, &context, &trust).await?}))))
}

async fn whole(identity: &Identity, context: &Context, trust: &Trust) -> Result<Value, ApiError> {
    let roles = identity.roles_by_id(&trust.roles).await?;
    let roles = roles.iter().map(|role| crate::role::wire::render(role, context.url())).collect();
    Ok(wire::render(trust, Some(roles), context.url()))
}

/// Who may not see a trust learns that it exists, as in Keystone: whoever asks for none gets 404.
async fn seen(identity: &Identity, context: &Context, id: &str, rule: &str) -> Result<Trust, ApiError> {
    let trust = identity.trust(id).await?;
    context.enforce(rule, &target(&trust))?;
    refuse_credentials(context.token())?;
    Ok(trust)
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let trust = seen(&identity, &context, &id, "identity:get_trust").await?;
    Ok(Json(json!({"trust": whole(&identity, &context, &trust).await?})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let trust = seen(&identity, &context, &id, "identity:delete_trust").await?;
    identity.delete_trust(&trust.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_roles(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let trust = seen(&identity, &context, &id, "identity:list_roles_for_trust").await?;
    let roles = identity.roles_by_id(&trust.roles).await?;
    let items = roles.iter().map(|role| crate::role::wire::render(role, context.url())).collect();
    Ok(Json(crate::wire::list("roles", items, &context.self_link())))
}

async fn show_role(
    State(identity): State<Identity>,
    context: Context,
    Path((id, role)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let trust = seen(&identity, &context, &id, "identity:get_role_for_trust").await?;
    let missing = || ApiError::from(IdentityError::not_found("role", &role));
    let wanted = trust.roles.iter().find(|one| one.as_str() == role).ok_or_else(missing)?;
    let role = identity.roles_by_id(std::slice::from_ref(wanted)).await?.into_iter().next().ok_or_else(missing)?;
    Ok(Json(json!({"role": crate::role::wire::render(&role, context.url())})))
}
