//! `/v3/auth`: tokens and what one can do with one's own.

use super::{
    authenticate::Answer,
    cache::Entry,
    receipt::Receipt,
    wire::{self, Request},
};
use crate::{Identity, IdentityError, assignment::Target};
use axum::{
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse, Response},
};
use controller_base::Timestamp;
use controller_web::{
    Access, ApiError, Context, Json, MaybeContext, Params, Routes, Target as PolicyTarget, TokenInfo, paging,
    policy::RuleDefault,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use std::sync::Arc;

/// How long after its end a token may be looked at with `allow_expired`, seconds: as long as Keystone's default.
pub(crate) const LATE: i64 = 2 * 86_400;
/// The header of receipts, both ways.
const RECEIPT: &str = "openstack-auth-receipt";

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
        name: "identity:list_revoke_events",
        check: "rule:admin_required or rule:service_role",
        description: "List what ended tokens early",
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
        .get("/v3/auth/tokens/OS-PKI/revoked", Access::Token, revoked_list)
        .get("/v3/OS-REVOKE/events", "identity:list_revoke_events", events)
        .get("/v3/auth/catalog", Access::Token, catalog)
        .get("/v3/auth/projects", Access::Token, projects)
        .get("/v3/auth/domains", Access::Token, domains)
        .get("/v3/auth/system", Access::Token, system)
}

async fn create(
    State(identity): State<Identity>,
    _context: MaybeContext,
    params: Params,
    headers: HeaderMap,
    Json(request): Json<Request>,
) -> Result<Response, ApiError> {
    let (proofs, wanted) = request.read()?;
    let receipt = headers.get(RECEIPT).and_then(|value| value.to_str().ok());
    let (text, info) = match identity.authenticate_with(proofs, wanted, receipt).await? {
        Answer::Token(text, info) => (text, *info),
        Answer::More(receipt) => return Ok(more(&receipt)),
    };
    tracing::debug!(user = %info.user.id, methods = ?info.methods, "token issued");
    answer(&identity, StatusCode::CREATED, &text, &info, &params).await
}

/// 401 with a receipt: it is not the usual body of an error.
fn more(receipt: &Receipt) -> Response {
    let mut response = (StatusCode::UNAUTHORIZED, Json(receipt.render())).into_response();
    if let Ok(value) = HeaderValue::from_str(&receipt.text) {
        response.headers_mut().insert(RECEIPT, value);
    }
    response
}

/// The answer is made once for a token and kept beside it.
async fn show(
    State(identity): State<Identity>,
    context: Context,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let late = params.get("allow_expired").and_then(controller_web::query::parse_flag).unwrap_or(false);
    if late {
        let text = subject_text(&headers);
        let info = seen(identity.validate_late(text, LATE).await, &context, "identity:validate_token", |info| info)?;
        understands_access_rules(&info, &headers)?;
        return answer(&identity, StatusCode::OK, text, &info, &params).await;
    }
    let (text, entry) = subject(&identity, &context, &headers, "identity:validate_token").await?;
    understands_access_rules(&entry.info, &headers)?;
    let kept = &entry.bodies[usize::from(params.has("nocatalog"))];
    let body = match kept.get() {
        Some(body) => body.clone(),
        None => {
            let body = Bytes::from(body(&identity, &entry.info, &params).await?.to_string());
            kept.get_or_init(|| body).clone()
        }
    };
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    stamp(&mut response, text);
    Ok(response)
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
    stamp(&mut response, text);
    Ok(response)
}

async fn revoke(
    State(identity): State<Identity>,
    context: Context,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let (_, entry) = subject(&identity, &context, &headers, "identity:revoke_token").await?;
    let audit_id = entry.info.audit_ids.first().map(String::as_str).unwrap_or_default();
    let mut tx = identity.db.begin().await.map_err(IdentityError::from)?;
    identity.revoke_token(&mut tx, audit_id).await.map_err(IdentityError::from)?;
    tx.commit().await.map_err(IdentityError::from)?;
    Ok(StatusCode::NO_CONTENT)
}

fn subject_text(headers: &HeaderMap) -> &str {
    headers.get("x-subject-token").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The token of `X-Subject-Token`, if the caller may look at it.
async fn subject<'a>(
    identity: &Identity,
    context: &Context,
    headers: &'a HeaderMap,
    rule: &str,
) -> Result<(&'a str, Arc<Entry>), ApiError> {
    let text = subject_text(headers);
    let entry = seen(identity.checked(text).await, context, rule, |entry| &entry.info)?;
    Ok((text, entry))
}

/// A token that was found, if the caller may look at it; that there is none is told to everybody, as Keystone does.
fn seen<T>(
    found: Result<T, IdentityError>,
    context: &Context,
    rule: &str,
    info: impl Fn(&T) -> &TokenInfo,
) -> Result<T, ApiError> {
    let found = match found {
        Err(IdentityError::Unauthorized(_)) => return Err(ApiError::not_found("Could not find token.")),
        other => other?,
    };
    context.enforce(rule, &PolicyTarget::none().with("target.token.user_id", &info(&found).user.id))?;
    Ok(found)
}

async fn answer(
    identity: &Identity,
    status: StatusCode,
    text: &str,
    info: &TokenInfo,
    params: &Params,
) -> Result<Response, ApiError> {
    let mut response = (status, Json(body(identity, info, params).await?)).into_response();
    stamp(&mut response, text);
    Ok(response)
}

/// `{"token": ..}`, with the catalog unless it is not wanted.
async fn body(identity: &Identity, info: &TokenInfo, params: &Params) -> Result<Value, ApiError> {
    let catalog = if params.has("nocatalog") { None } else { Some(identity.catalog_for(info).await?) };
    let mut body = wire::render(info, catalog);
    if body["token"].get("catalog").is_some() {
        let trusting = identity.service_providers_in_token().await?;
        if !trusting.is_empty() {
            body["token"]["service_providers"] = trusting.into();
        }
    }
    Ok(body)
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

/// Keystone keeps no list of tokens either: it answers thus since there are no PKI tokens.
async fn revoked_list() -> ApiError {
    ApiError::forbidden("You are not authorized to perform the requested action.")
}

async fn events(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_revoke_events", &PolicyTarget::none())?;
    let malformed = |text: &str| ApiError::bad_request(format!("invalid date format {text}"));
    let since = params.get("since").map(|text| Timestamp::parse(text).ok_or_else(|| malformed(text))).transpose()?;
    let found = identity.revocations(since).await.map_err(IdentityError::from)?;
    let event = |(kind, subject, moment): (String, String, Timestamp)| {
        let key = if kind == "user" { "user_id" } else { "audit_id" };
        json!({key: subject, "issued_before": moment.micros_z(), "revoked_at": moment.micros_z()})
    };
    let events: Vec<Value> = found.into_iter().map(event).collect();
    Ok(Json(json!({"events": events, "links": paging::whole(&context.self_link())})))
}
