//! The layers around a service's routes: request id, span, token check, fail-closed policy, panics, error bodies, version headers.

use crate::{
    Access, ApiError, AuthError, Authenticator, BaseUrl, ErrorStyle, Policy, RouteInfo, Routes, TokenInfo,
    context::Core,
    error::{Asked, Slot, render},
    microversion::{self, Range},
    policy::RuleSet,
};
use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use controller_base::{Clock, id::RequestId, request};
use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use std::{
    any::Any,
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tracing::Instrument;

/// What a service is; a `static` of it.
#[derive(Debug)]
pub struct ServiceInfo {
    /// Its name, under which its policy rules stand: `compute`.
    pub name: &'static str,
    /// How its errors look.
    pub style: ErrorStyle,
    /// Longest JSON body, bytes.
    pub body_limit: usize,
    /// Its microversions, if it has any.
    pub microversions: Option<Range>,
}

/// OpenStack's usual bound of a JSON body.
pub const BODY_LIMIT: usize = 114_688;

/// Told about each finished request, for metrics.
pub trait Observer: Send + Sync {
    /// A request to this service ended. The route is as it was declared, with `{names}`; empty where the path has none.
    fn request(&self, service: &'static str, route: &str, method: &Method, status: StatusCode, took: Duration);
}

/// What all services share; made by the binary. Cheap to clone.
#[derive(Clone)]
pub struct WebState {
    /// Checks tokens.
    pub authenticator: Arc<dyn Authenticator>,
    /// The rules of all services.
    pub policy: Arc<Policy>,
    /// The time.
    pub clock: Clock,
    /// Where clients get tokens, for `WWW-Authenticate`.
    pub identity_url: Option<Arc<str>>,
    /// Where metrics go.
    pub observer: Option<Arc<dyn Observer>>,
}

impl fmt::Debug for WebState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebState").finish_non_exhaustive()
    }
}

/// A service that can be mounted.
#[derive(Clone, Debug)]
pub struct Service {
    /// What it is.
    pub info: &'static ServiceInfo,
    /// Its routes behind its layers.
    pub router: Router,
    /// What was declared.
    pub table: Vec<RouteInfo>,
}

#[derive(Clone, Debug)]
struct Shared {
    info: &'static ServiceInfo,
    rules: Arc<RuleSet>,
    web: WebState,
}

impl Service {
    /// Puts the layers around the routes.
    #[must_use]
    pub fn new<S>(info: &'static ServiceInfo, routes: Routes<S>, state: S, web: &WebState) -> Self
    where
        S: Clone + Send + Sync + 'static,
    {
        let shared = Arc::new(Shared { info, rules: web.policy.of(info.name), web: web.clone() });
        let router = routes
            .router
            .fallback(|| async { ApiError::not_found("The resource could not be found.") })
            .method_not_allowed_fallback(|| async {
                ApiError::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "The server could not comply with the request since the method is not allowed for this resource.",
                )
            })
            .with_state(state)
            .layer(from_fn_with_state(shared, entry));
        Self { info, router, table: routes.table }
    }

    /// Rules that a route names and the policy lacks: such a route refuses everybody. A test of each service wants this empty.
    #[must_use]
    pub fn routes_without_rule(&self, policy: &Policy) -> Vec<String> {
        let rules = policy.of(self.info.name);
        let missing = |route: &&RouteInfo| match route.access {
            Access::AnyOf([]) => true,
            _ => route.access.rules().iter().any(|rule| !rules.has(rule)),
        };
        self.table.iter().filter(missing).map(|route| format!("{} {}", route.method, route.path)).collect()
    }
}

/// Around every request of a service.
async fn entry(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let request_id = request_id();
    let accept = text(request.headers(), header::ACCEPT.as_str()).unwrap_or_default().to_owned();
    let span = tracing::info_span!(
        "http.request",
        service = shared.info.name,
        %method,
        path = request.uri().path(),
        route = route.as_ref().map(MatchedPath::as_str),
        status = tracing::field::Empty,
        %request_id,
    );
    let negotiated = microversion::negotiate(shared.info.microversions.as_ref(), request.headers());
    let version = negotiated.as_ref().ok().copied().flatten();
    let response = match negotiated {
        Ok(version) => {
            let handled = run(&shared, request, next, &request_id, version).instrument(span.clone());
            request::on_behalf(Some(request_id.clone()), handled).await
        }
        Err(error) => error.into_response(),
    };
    let range = shared.info.microversions.as_ref();
    let asked = Asked { accept: &accept, request_id: request_id.as_str(), version, range };
    let mut response = span.in_scope(|| finish(shared.info.style, response, asked, started.elapsed()));
    span.record("status", response.status().as_u16());
    stamp(shared.info, response.headers_mut(), &request_id);
    if let Some(range) = &shared.info.microversions {
        range.echo(response.headers_mut(), version);
    }
    if let Some(observer) = &shared.web.observer {
        let route = route.as_ref().map_or("", MatchedPath::as_str);
        observer.request(shared.info.name, route, &method, response.status(), started.elapsed());
    }
    response
}

async fn run(
    shared: &Shared,
    request: Request,
    next: Next,
    request_id: &RequestId,
    microversion: Option<crate::Microversion>,
) -> Response {
    // No database's text holds a NUL: nothing can be found by it.
    if request.uri().path_and_query().is_some_and(|uri| uri.as_str().contains("%00")) {
        return ApiError::bad_request("The request's path or query holds the character NUL.").into_response();
    }
    let (mut parts, body) = request.into_parts();
    let core = Core {
        request_id: request_id.clone(),
        info: shared.info,
        rules: shared.rules.clone(),
        web: shared.web.clone(),
        url: BaseUrl::of(&parts),
        path: parts.uri.path().to_owned(),
        method: parts.method.clone(),
        microversion,
        token: OnceLock::new(),
        token_text: text(&parts.headers, "x-auth-token").map(Arc::from),
        enforced: AtomicBool::new(false),
    };
    parts.extensions.insert(Arc::new(core));
    let handled = AssertUnwindSafe(next.run(Request::from_parts(parts, body))).catch_unwind().await;
    handled.unwrap_or_else(|panic| ApiError::internal(panic_text(panic.as_ref())).into_response())
}

/// Around every route: nobody gets in without the token that the route wants, nobody out whose rule was not looked at.
pub(crate) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    let Some(core) = request.extensions().get::<Arc<Core>>().cloned() else {
        return ApiError::internal("a route was mounted outside of a service").into_response();
    };
    if access != Access::Public
        && let Err(error) = authenticate(&core).await
    {
        return error.into_response();
    }
    let response = next.run(request).await;
    let unguarded = !access.rules().is_empty() && !core.enforced.load(Ordering::Relaxed);
    if unguarded && !response.status().is_client_error() && !response.status().is_server_error() {
        return ApiError::internal("a handler succeeded without having enforced its route's policy rule")
            .into_response();
    }
    response
}

/// Checks the request's token, once.
pub(crate) async fn authenticate(core: &Core) -> Result<Arc<TokenInfo>, ApiError> {
    if let Some(token) = core.token.get() {
        return Ok(token.clone());
    }
    let text = core.token_text.as_deref().ok_or_else(|| unauthorized(core))?;
    match core.web.authenticator.authenticate(text).await {
        Ok(token) if core.permits(&token) => Ok(core.token.get_or_init(|| token).clone()),
        Ok(_) => Err(unauthorized(core)),
        Err(AuthError::Invalid) => Err(unauthorized(core)),
        Err(AuthError::Unavailable(source)) => Err(ApiError::unavailable(source)),
    }
}

/// Tells the client where to get a token.
fn unauthorized(core: &Core) -> ApiError {
    let identity = core.web.identity_url.as_deref().unwrap_or("/identity");
    let error = ApiError::unauthorized();
    match HeaderValue::from_str(&format!("Keystone uri=\"{identity}\"")) {
        Ok(value) => error.header(header::WWW_AUTHENTICATE, value),
        Err(_) => error,
    }
}

/// Renders an error and logs it; other responses pass.
fn finish(style: ErrorStyle, mut response: Response, asked: Asked<'_>, took: Duration) -> Response {
    let status = response.status();
    let took_ms = took.as_secs_f64() * 1000.0;
    let Some(Slot(error)) = response.extensions_mut().remove::<Slot>() else {
        tracing::debug!(status = status.as_u16(), took_ms, "answered");
        return response;
    };
    let source = error.source.as_deref().map(|source| causes(source));
    if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
        tracing::error!(status = status.as_u16(), took_ms, message = error.message, source, "request failed");
    } else {
        tracing::debug!(status = status.as_u16(), took_ms, message = error.message, source, "request refused");
    }
    render(style, &error, asked)
}

fn stamp(info: &ServiceInfo, headers: &mut HeaderMap, request_id: &RequestId) {
    let Ok(id) = HeaderValue::from_str(request_id.as_str()) else { return };
    if info.style == ErrorStyle::Compute {
        headers.insert(HeaderName::from_static("x-compute-request-id"), id.clone());
    }
    headers.insert(HeaderName::from_static("x-openstack-request-id"), id);
    if info.style == ErrorStyle::Identity {
        headers.append(header::VARY, HeaderValue::from_static("X-Auth-Token"));
    }
}

/// `req-` and a UUID, as clients' logs look for.
fn request_id() -> RequestId {
    let random = RequestId::random();
    let hex = random.as_str();
    let parts = [hex.get(..8), hex.get(8..12), hex.get(12..16), hex.get(16..20), hex.get(20..)];
    let uuid = parts.map(Option::unwrap_or_default).join("-");
    format!("req-{uuid}").parse().unwrap_or(random)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// An error with all its causes, for the log.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("a handler panicked: {}", text.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Context, Json, RuleDefault, Target, testing,
        token::{AccessRule, ApplicationCredentialRef, Delegation},
    };
    use serde_json::{Value, json};

    const RULES: &[RuleDefault] = &[RuleDefault { name: "demo:list", check: "role:reader", description: "" }];
    static INFO: ServiceInfo = ServiceInfo {
        name: "demo",
        style: ErrorStyle::Compute,
        body_limit: 64,
        microversions: Some(Range {
            service_type: "compute",
            legacy_header: None,
            least: crate::Microversion::new(2, 1),
            greatest: crate::Microversion::new(2, 9),
        }),
    };

    async fn list(context: Context) -> Result<Json<Value>, ApiError> {
        context.enforce("demo:list", &Target::none())?;
        Ok(Json(json!({"link": context.self_link(), "version": context.microversion().to_string()})))
    }

    async fn careless() -> Json<Value> {
        Json(json!({"secret": 1}))
    }

    async fn panics() -> Json<Value> {
        panic!("oh")
    }

    async fn echo(Json(value): Json<Value>) -> Json<Value> {
        Json(value)
    }

    fn service() -> Service {
        let routes = Routes::new()
            .get("/list", "demo:list", list)
            .get("/careless", "demo:list", careless)
            .get("/unknown", "demo:nothing", careless)
            .get("/panics", Access::Public, panics)
            .post("/echo", Access::Public, echo);
        Service::new(&INFO, routes, (), &testing::web_state("demo", RULES, testing::usual_tokens()))
    }

    async fn get(path: &str, token: &str) -> testing::Answer {
        testing::call(&service().router, Method::GET, path, token, None).await
    }

    #[tokio::test]
    async fn a_good_request_is_answered_with_its_ids_and_links() {
        let answer = get("/list", "reader").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json(), json!({"link": "http://cloud.test/list", "version": "2.1"}));
        let id = answer.header("x-openstack-request-id").unwrap();
        assert!(id.len() == 40 && id.starts_with("req-"), "{id}");
        assert_eq!(answer.header("x-compute-request-id"), Some(id));
        assert_eq!(answer.header("openstack-api-version"), Some("compute 2.1"));
    }

    #[tokio::test]
    async fn without_a_token_nobody_gets_in() {
        let answer = get("/list", "").await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), Some("Keystone uri=\"/identity\""));
        assert_eq!(get("/list", "forged").await.status, 401);
    }

    #[tokio::test]
    async fn access_rules_let_pass_what_they_name_and_nothing_else() {
        let with = |service: &str, path: &str| {
            let rule = AccessRule { id: "r".into(), service: service.into(), path: path.into(), method: "GET".into() };
            let mut token = testing::project_token("u", "p", &["reader"]);
            token.delegation = Some(Delegation::ApplicationCredential(ApplicationCredentialRef {
                id: "a".into(),
                name: "a".into(),
                unrestricted: false,
                access_rules: Some(vec![rule]),
            }));
            let web = testing::web_state("demo", RULES, [("t", token)]);
            let routes = Routes::new().get("/list", "demo:list", list);
            Service::new(&INFO, routes, (), &web)
        };
        for (service, path, status) in
            [("demo", "/list", 200), ("demo", "/*", 200), ("demo", "/other", 401), ("compute", "/list", 401)]
        {
            let answer = testing::call(&with(service, path).router, Method::GET, "/list", "t", None).await;
            assert_eq!(answer.status, status, "{service} {path}");
        }
        let mounted = crate::mount::mount([("/demo", with("demo", "/demo/list"))]);
        assert_eq!(testing::call(&mounted, Method::GET, "/demo/list", "t", None).await.status, 200);
    }

    #[tokio::test]
    async fn a_handler_that_forgets_its_rule_shows_nothing() {
        let answer = get("/careless", "admin").await;
        assert_eq!(answer.status, 500);
        assert!(!String::from_utf8_lossy(&answer.bytes).contains("secret"));
        let web = testing::web_state("demo", RULES, []);
        assert_eq!(service().routes_without_rule(&web.policy), ["GET /unknown"]);
    }

    #[tokio::test]
    async fn what_does_not_exist_is_told_in_the_services_style() {
        assert!(get("/nothing", "").await.json()["itemNotFound"].is_object());
        let answer = testing::call(&service().router, Method::DELETE, "/list", "reader", None).await;
        assert_eq!(answer.status, 405);
        assert!(answer.json()["badMethod"].is_object());
        assert_eq!(get("/panics", "").await.status, 500);
    }

    #[tokio::test]
    async fn a_body_over_the_services_limit_is_refused() {
        let body = |length: usize| json!("x".repeat(length));
        let router = service().router;
        assert_eq!(testing::call(&router, Method::POST, "/echo", "", Some(&body(62))).await.status, 200);
        assert_eq!(testing::call(&router, Method::POST, "/echo", "", Some(&body(63))).await.status, 413);
    }
}
