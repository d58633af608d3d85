//! Who may call what: every route for nobody, a reader, a member and another project's administrator-to-be.

use super::{on_project, worlds};
use controller_web::{Access, Policy};
use http::Method;
use serde_json::json;
use std::collections::HashMap;

/// Routes where a member without any administrator's role gets more than a refusal: regions are for all, and one's own things.
const OPEN: &[&str] = &[
    "/v3/regions",
    "/v3/regions/{region_id}",
    "/v3/credentials",
    // One's own limits, and what holds for all.
    "/v3/limits",
    "/v3/limits/model",
    "/v3/registered_limits",
    "/v3/registered_limits/{registered_limit_id}",
    // What a password must look like.
    "/v3/domains/{domain_id}/config/{group}",
    "/v3/domains/{domain_id}/config/{group}/{option}",
    // Asks for the subject's token first.
    "/v3/auth/tokens",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_route_names_rules_that_exist() {
    let world = worlds().await.remove(0);
    let mut policy = Policy::default();
    policy.add("identity", &crate::policy::rules(), &HashMap::new()).unwrap();
    let rules = policy.of("identity");
    for route in crate::routes().table() {
        for rule in route.access.rules() {
            assert!(rules.has(rule), "{} {} names {rule}", route.method, route.path);
        }
    }
    drop(world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_refused_what_is_the_administrators() {
    for world in worlds().await {
        let admin = world.admin().await;
        world.member(&admin, "alice", "member").await;
        let alice = world.token("alice", "secret", on_project("alice")).await;
        for route in crate::routes().table().iter().filter(|route| !route.access.rules().is_empty()) {
            // Whether there is a trust, or a token, is told before who may see it, as Keystone does.
            if route.path.starts_with("/v3/OS-TRUST/trusts/{") || route.path == "/v3/auth/tokens" {
                continue;
            }
            if OPEN.contains(&route.path) && route.method == Method::GET {
                continue;
            }
            let path = route.path.replace(['{', '}'], "");
            let body = matches!(route.method, Method::POST | Method::PATCH | Method::PUT).then(|| sample(route.path));
            let answer = world.call(route.method.clone(), &path, &alice, body).await;
            assert!(
                matches!(answer.status.as_u16(), 401 | 403),
                "{} {} answered {} {}",
                route.method,
                route.path,
                answer.status,
                answer.json()
            );
        }
    }
}

/// A body that can be read, so that the refusal is policy's.
fn sample(path: &str) -> serde_json::Value {
    if path.ends_with("/tags") {
        return json!({"tags": ["x"]});
    }
    if path.contains("/config") {
        return json!({"config": {"identity": {"driver": "sql"}}});
    }
    if path.ends_with("/OS-EC2") {
        return json!({"tenant_id": "x"});
    }
    if path.ends_with("tokens") {
        return json!({"credentials": {}});
    }
    if path.ends_with("/application_credentials") {
        return json!({"application_credential": {"name": "x"}});
    }
    if path == "/v3/OS-TRUST/trusts" {
        return json!({"trust": {"trustor_user_id": "x", "trustee_user_id": "x", "impersonation": true}});
    }
    match path {
        "/v3/limits" => return json!({"limits": []}),
        "/v3/limits/{limit_id}" => return json!({"limit": {}}),
        "/v3/registered_limits/{registered_limit_id}" => return json!({"registered_limit": {}}),
        "/v3/registered_limits" => return json!({"registered_limits": []}),
        _ if path.starts_with("/v3/OS-EP-FILTER/") => return json!({"endpoint_group": {"name": "x", "filters": {}}}),
        _ if path.starts_with("/v3/OS-OAUTH1/") => return json!({"consumer": {}}),
        _ => {}
    }
    let kind = path.split('/').nth(2).unwrap_or_default();
    let singular = if kind == "policies" { "policy" } else { kind.trim_end_matches('s') };
    json!({singular: {"name": "x", "type": "x", "blob": "x", "user_id": "someoneelse", "domain_id": "default",
        "service_id": "x", "interface": "public", "url": "https://x"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sees_oneself_and_nobody_else() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (alice, project, _) = world.member(&admin, "alice", "member").await;
        let (bob, other, _) = world.member(&admin, "bob", "member").await;
        let token = world.token("alice", "secret", on_project("alice")).await;
        for (path, status) in [
            (format!("/v3/users/{alice}"), 200),
            (format!("/v3/users/{bob}"), 403),
            ("/v3/users/nobody".to_owned(), 403),
            (format!("/v3/users/{alice}/projects"), 200),
            (format!("/v3/users/{bob}/projects"), 403),
            (format!("/v3/projects/{project}"), 200),
            (format!("/v3/projects/{other}"), 403),
            ("/v3/projects".to_owned(), 403),
            ("/v3/auth/projects".to_owned(), 200),
        ] {
            assert_eq!(world.get(&path, &token).await.status, status, "{path}");
        }
        assert!(crate::routes().table().iter().any(|route| route.access == Access::Public));
    }
}
