//! Who may call what on the port: a valid token, and the policy's rule for the call.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use controller_web::{AuthError, Target, TokenInfo, WebState};
use http::HeaderMap;
use std::{sync::Arc, time::Instant};
use tonic::{Code, Status};

/// A call, and the rule that guards it: of which service, and its name.
pub struct Method {
    /// Service and method, as gRPC's path has them after the package.
    pub path: &'static str,
    /// Whose rule it is.
    pub service: &'static str,
    /// The rule.
    pub rule: &'static str,
}

const fn method(path: &'static str, service: &'static str, rule: &'static str) -> Method {
    Method { path, service, rule }
}

/// Every call. What REST offers too is guarded by REST's own rule.
pub const METHODS: &[Method] = &[
    method("Hosts/ListHosts", "compute", "os_compute_api:os-services:list"),
    method("Hosts/GetHost", "compute", "os_compute_api:os-services:list"),
    method("Hosts/ApproveHost", "compute", "os_compute_api:os-services:update"),
    method("Hosts/DrainHost", "compute", "os_compute_api:os-services:update"),
    method("Hosts/UndrainHost", "compute", "os_compute_api:os-services:update"),
    method("Hosts/FenceHost", "compute", "os_compute_api:os-services:update"),
    method("Hosts/UnfenceHost", "compute", "os_compute_api:os-services:update"),
    method("Hosts/RemoveHost", "compute", "os_compute_api:os-services:delete"),
    method("JoinTokens/ListJoinTokens", "admin", "admin:join_tokens:list"),
    method("JoinTokens/CreateJoinToken", "admin", "admin:join_tokens:create"),
    method("JoinTokens/RevokeJoinToken", "admin", "admin:join_tokens:revoke"),
    method("Authority/ShowAuthority", "admin", "admin:authority:show"),
    method("Authority/BeginRotation", "admin", "admin:authority:replace"),
    method("Authority/FinishRotation", "admin", "admin:authority:replace"),
    method("Placement/ListInventories", "admin", "admin:placement:list"),
    method("Placement/ListAllocations", "admin", "admin:placement:list"),
    method("Guests/ListGuests", "compute", "os_compute_api:servers:detail:get_all_tenants"),
    method("Operations/ListOperations", "admin", "admin:operations:list"),
    method("Events/ListEvents", "admin", "admin:events:list"),
    method("Events/FollowEvents", "admin", "admin:events:list"),
    method("Updates/ListUpdates", "admin", "admin:updates:list"),
    method("Updates/AddUpdate", "admin", "admin:updates:add"),
    method("Updates/RemoveUpdate", "admin", "admin:updates:remove"),
    method("Updates/UpdateHosts", "admin", "admin:updates:apply"),
    method("Updates/StopUpdates", "admin", "admin:updates:apply"),
    method("Audit/RunAudit", "admin", "admin:audit:run"),
];

/// They tell nothing of the cloud.
const PUBLIC: &[&str] =
    &["/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/"];
const PACKAGE: &str = "/humilis.admin.v1.";

/// Lets a call pass, or answers it.
pub async fn guard(State(web): State<WebState>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if PUBLIC.iter().any(|public| path.starts_with(public)) {
        return next.run(request).await;
    }
    let Some(method) = path.strip_prefix(PACKAGE).and_then(find) else {
        return Status::unimplemented("there is no such call").into_http();
    };
    let began = Instant::now();
    match permit(&web, method, &path, request.headers()).await {
        Ok(token) => {
            tracing::debug!(user = %token.user.id, call = method.path, "an operator calls");
            let response = next.run(request).await;
            observe(&web, method, code(&response), began);
            response
        }
        Err(status) => {
            tracing::debug!(call = method.path, code = ?status.code(), "an operator's call was refused");
            observe(&web, method, status.code(), began);
            status.into_http()
        }
    }
}

fn find(path: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.path == path)
}

async fn permit(web: &WebState, method: &Method, path: &str, headers: &HeaderMap) -> Result<Arc<TokenInfo>, Status> {
    let text = token(headers).ok_or_else(|| Status::unauthenticated("a token is required"))?;
    let token = web.authenticator.authenticate(text).await.map_err(|error| match error {
        AuthError::Invalid => Status::unauthenticated("the token is not valid"),
        AuthError::Unavailable(_) => super::unavailable(error),
    })?;
    if !token.may_request("admin", "POST", &[path]) {
        return Err(Status::unauthenticated("the token's access rules do not name this call"));
    }
    if !web.policy.of(method.service).allows(&token, method.rule, &Target::none()) {
        return Err(Status::permission_denied(format!("the policy's rule {} refuses this", method.rule)));
    }
    Ok(token)
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    text("x-auth-token").or_else(|| {
        let (scheme, token) = text("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    })
}

/// Of an answer that ends at once; of others it is not known yet.
fn code(response: &Response) -> Code {
    Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
}

fn observe(web: &WebState, method: &'static Method, code: Code, began: Instant) {
    let status = match code {
        Code::Ok => 200,
        Code::InvalidArgument | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted => 409,
        _ => 503,
    };
    let status = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(observer) = &web.observer {
        observer.request("admin", method.path, &http::Method::POST, status, began.elapsed());
    }
}
