//! For tests of services: tokens, a web state that knows them, and calls without a socket.

use crate::{
    AuthError, Authenticator, Policy, RuleDefault, Scope, TokenInfo, WebState,
    token::{DomainRef, ProjectRef, RoleRef, UserRef},
};
use async_trait::async_trait;
use axum::{Router, body::Body};
use controller_base::{Clock, Timestamp};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use std::{collections::HashMap, sync::Arc};
use tower::ServiceExt;

fn domain() -> DomainRef {
    DomainRef { id: "default".parse().expect("a valid id"), name: "Default".to_owned() }
}

fn token(user: &str, scope: Scope, roles: &[&str]) -> TokenInfo {
    let role = |name: &&str| RoleRef {
        id: name.to_lowercase().parse().expect("a role name is an id"),
        name: (*name).to_owned(),
    };
    TokenInfo {
        user: UserRef {
            id: user.parse().expect("a user name without spaces is an id"),
            name: user.to_owned(),
            domain: domain(),
            password_expires_at: None,
        },
        scope,
        roles: roles.iter().map(role).collect(),
        methods: vec!["password".to_owned()],
        audit_ids: vec!["audit".to_owned()],
        issued_at: Timestamp(0),
        expires_at: Timestamp(i64::MAX),
        delegation: None,
        federation: None,
    }
}

/// A token of `user` on `project` (both taken as id and name) of the domain `default`.
///
/// # Panics
/// When a name is no id.
#[must_use]
pub fn project_token(user: &str, project: &str, roles: &[&str]) -> TokenInfo {
    let project = ProjectRef {
        id: project.parse().expect("a project name without spaces is an id"),
        name: project.to_owned(),
        domain: domain(),
        is_domain: false,
    };
    token(user, Scope::Project(project), roles)
}

/// A token of `user` on the system.
///
/// # Panics
/// When a name is no id.
#[must_use]
pub fn system_token(user: &str, roles: &[&str]) -> TokenInfo {
    token(user, Scope::System, roles)
}

/// An authenticator that knows the tokens it was given by their text.
#[derive(Debug, Default)]
pub struct Tokens(HashMap<String, Arc<TokenInfo>>);

#[async_trait]
impl Authenticator for Tokens {
    async fn authenticate(&self, token: &str) -> Result<Arc<TokenInfo>, AuthError> {
        self.0.get(token).cloned().ok_or(AuthError::Invalid)
    }
}

/// A web state with one service's default rules and these tokens. Handy texts: `"admin"`, `"member"`, `"reader"`, `"other"`.
///
/// # Panics
/// When the rules are malformed.
#[must_use]
pub fn web_state<'a>(
    service: &'static str,
    rules: &[RuleDefault],
    tokens: impl IntoIterator<Item = (&'a str, TokenInfo)>,
) -> WebState {
    let mut policy = Policy::default();
    policy.add(service, rules, &HashMap::new()).expect("the default rules are well-formed");
    let tokens = tokens.into_iter().map(|(text, info)| (text.to_owned(), Arc::new(info))).collect();
    WebState {
        authenticator: Arc::new(Tokens(tokens)),
        policy: Arc::new(policy),
        clock: Clock::set_to(Timestamp(1_790_000_000_000_000)),
        identity_url: None,
        observer: None,
    }
}

/// `admin` (all roles), `member` and `reader` of project `p1`, and `other`, a member of `p2`.
#[must_use]
pub fn usual_tokens() -> Vec<(&'static str, TokenInfo)> {
    vec![
        ("admin", project_token("admin", "p0", &["admin", "manager", "member", "reader"])),
        ("member", project_token("u1", "p1", &["member", "reader"])),
        ("reader", project_token("u2", "p1", &["reader"])),
        ("other", project_token("u3", "p2", &["member", "reader"])),
    ]
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON; `Null` when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Calls a router; `token` is the text of `X-Auth-Token`, `""` for none.
///
/// # Panics
/// When path or headers are malformed.
pub async fn call(router: &Router, method: Method, path: &str, token: &str, body: Option<&Value>) -> Answer {
    call_with(router, method, path, token, &[], body).await
}

/// The same with further headers.
///
/// # Panics
/// When path or headers are malformed.
pub async fn call_with(
    router: &Router,
    method: Method,
    path: &str,
    token: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "cloud.test");
    if !token.is_empty() {
        request = request.header("x-auth-token", token);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match body {
        Some(value) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(value.to_string())
        }
        None => Body::empty(),
    };
    send(router, request.body(body).expect("the test's request is well-formed")).await
}

/// The same with a body that need not be JSON.
///
/// # Panics
/// When the path is malformed.
pub async fn call_bytes(router: &Router, method: Method, path: &str, token: &str, body: Vec<u8>) -> Answer {
    let request = Request::builder().method(method).uri(path).header(header::HOST, "cloud.test");
    let request = request.header(header::CONTENT_TYPE, "application/json").header("x-auth-token", token);
    send(router, request.body(Body::from(body)).expect("the test's request is well-formed")).await
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a test's body does not fail").to_bytes().to_vec();
    Answer { status: parts.status, headers: parts.headers, bytes }
}
