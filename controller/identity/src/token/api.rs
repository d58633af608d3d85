//! `/v3/auth`: tokens and what one can do with one's own.

use super::wire::{self, Request};
use crate::{Identity, IdentityError, assignment::Target};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use controller_web::{
    Access, ApiError, Context, Json, MaybeContext, Params, Routes, Target as PolicyTarget, TokenInfo, paging,
    policy::RuleDefault,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) const RULES: &[RuleDefault] = &[
    RuleDefault {
        name: "identity:validate_token",
        check: "(role:reader and system_scope:all) or rule:admin_required or rule:service_role or rule:token_subject",
        description: "Show a token",
    },
    RuleDefault {
        name: "identity:check_token",
        check: "(role:reader and system_scope:all) or rule:admin_required or rule:service_role or rule:token_subject",
        description: "Check a token",
    },
    RuleDefault {
        name: "identity:revoke_token",
        check: "rule:admin_required or rule:token_subject",
        description: "Revoke a token",
    },
];

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .post("/v3/auth/tokens", Access::Public, create)
        .get("/v3/auth/tokens", "identity:validate_token", show)
        .head("/v3/auth/tokens", "identity:check_token", check)
        .delete("/v3/auth/tokens", "identity:revoke_token", revoke)
        .get("/v3/auth/catalog", Access::Token, catalog)
        .get("/v3/auth/projects", Access::Token, projects)
        .get("/v3/auth/domains", Access::Token, domains)
        .get("/v3/auth/system", Access::Token, system)
}

async fn create(
    State(identity): State<Identity>,
    _context: MaybeContext,
    params: Params,
    Json(request): Json<Request>,
) -> Result<Response, ApiError> {
    let (proofs, wanted) = request.read()?;
    let (text, info) = identity.authenticate_with(proofs, wanted).await?;
    tracing::debug!(user = %info.user.id, methods = ?info.methods, "token issued");
    answer(&identity, StatusCode::CREATED, &text, &info, &params).await
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (text, info) = subject(&identity, &context, &headers, "identity:validate_token").await?;
    understands_access_rules(&info, &headers)?;
    answer(&identity, StatusCode::OK, &text, &info, &params).await
}

/// A service that does not know access rules must not take such a token for one without; 1.0 is the version that does.
fn understands_access_rules(info: &TokenInfo, headers: &HeaderMap) -> Result<(), ApiError> {
    let has = info.application_credential().is_some_and(|credential| credential.access_rules.is_some());
    let version = headers.get("openstack-identity-access-rules").and_then(|value| value.to_str().ok());
    if has && !version.and_then(|text| text.trim().parse::<f64>().ok()).is_some_and(|version| version >= 1.0) {
        return Err(ApiError::not_found("Failed to validate token"));
    }
    Ok(())
}

async fn check(State(identity): State<Identity>, context: Context, headers: HeaderMap) -> Result<Response, ApiError> {
    let (text, _) = subject(&identity, &context, &headers, "identity:check_token").await?;
    let mut response = StatusCode::OK.into_response();
    stamp(&mut response, &text);
    Ok(response)
}

async fn revoke(
    State(identity): State<Identity>,
    context: Context,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let (_, info) = subject(&identity, &context, &headers, "identity:revoke_token").await?;
    let audit_id = info.audit_ids.first().map(String::as_str).unwrap_or_default();
    let mut tx = identity.db.begin().await.map_err(IdentityError::from)?;
    identity.revoke_token(&mut tx, audit_id).await.map_err(IdentityError::from)?;
    tx.commit().await.map_err(IdentityError::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The token of `X-Subject-Token`, if the caller may look at it.
async fn subject(
    identity: &Identity,
    context: &Context,
    headers: &HeaderMap,
    rule: &str,
) -> Result<(String, Arc<TokenInfo>), ApiError> {
    let text = headers.get("x-subject-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let found = match identity.validate(text).await {
        Err(IdentityError::Unauthorized(_)) => None,
        other => Some(other?),
    };
    let owner = found.as_ref().map(|info| info.user.id.clone());
    context.enforce(rule, &PolicyTarget::none().with_maybe("target.token.user_id", owner))?;
    let info = found.ok_or_else(|| ApiError::not_found("Could not find token."))?;
    Ok((text.to_owned(), info))
}

async fn answer(
    identity: &Identity,
    status: StatusCode,
    text: &str,
    info: &TokenInfo,
    params: &Params,
) -> Result<Response, ApiError> {
    let catalog = if params.has("nocatalog") { None } else { Some(identity.catalog_for(info).await?) };
    let mut body = wire::render(info, catalog);
    if body["token"].get("catalog").is_some() {
        let trusting = identity.service_providers_in_token().await?;
        if !trusting.is_empty() {
            body["token"]["service_providers"] = trusting.into();
        }
    }
    let mut response = (status, Json(body)).into_response();
    stamp(&mut response, text);
    Ok(response)
}

fn stamp(response: &mut Response, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert("x-subject-token", value);
    }
}

async fn catalog(State(identity): State<Identity>, context: Context) -> Result<Json<Value>, ApiError> {
    let catalog = identity.catalog_for(context.token()).await?;
    Ok(Json(json!({"catalog": catalog, "links": paging::whole(&context.self_link())})))
}

async fn projects(State(identity): State<Identity>, context: Context) -> Result<Json<Value>, ApiError> {
    let projects = identity.projects_of(context.user_id()).await?;
    let items = projects.iter().map(|project| crate::project::wire::render(project, context.url())).collect();
    Ok(Json(crate::wire::list("projects", items, &context.self_link())))
}

async fn domains(State(identity): State<Identity>, context: Context) -> Result<Json<Value>, ApiError> {
    let domains = identity.domains_of(context.user_id()).await?;
    let items = domains.iter().map(|domain| crate::project::wire::render_domain(domain, context.url())).collect();
    Ok(Json(crate::wire::list("domains", items, &context.self_link())))
}

async fn system(State(identity): State<Identity>, context: Context) -> Result<Json<Value>, ApiError> {
    let any = identity.has_roles(context.user_id(), &Target::System).await?;
    let system: Vec<Value> = if any { vec![json!({"all": true})] } else { Vec::new() };
    Ok(Json(json!({"system": system, "links": paging::whole(&context.self_link())})))
}
