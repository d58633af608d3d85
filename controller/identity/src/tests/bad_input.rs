//! Bodies, names and ids that nobody should send: Keystone's status and body, and nothing changes.

use super::{World, on_project, worlds};
use controller_web::testing::{Answer, call_bytes};
use http::Method;
use serde_json::{Value, json};

/// Every route that takes a body, with the kind of thing.
const CREATE: &[(&str, &str)] = &[
    ("/v3/users", "user"),
    ("/v3/groups", "group"),
    ("/v3/projects", "project"),
    ("/v3/domains", "domain"),
    ("/v3/roles", "role"),
    ("/v3/services", "service"),
    ("/v3/endpoints", "endpoint"),
    ("/v3/limits", "limits"),
    ("/v3/registered_limits", "registered_limits"),
    ("/v3/OS-EP-FILTER/endpoint_groups", "endpoint_group"),
    ("/v3/policies", "policy"),
];

async fn raw(world: &World, admin: &str, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    call_bytes(&world.router, Method::POST, path, admin, body.into()).await
}

fn refused(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.json());
    assert_eq!(answer.json()["error"]["code"], status, "{what}");
    assert!(answer.json()["error"]["message"].is_string() && answer.json()["error"]["title"].is_string(), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_or_too_much_is_refused() {
    let world = worlds().await.remove(0);
    let admin = world.admin().await;
    for (path, kind) in CREATE.iter().chain(&[("/v3/auth/tokens", "auth")]) {
        for body in ["", "{", "[]", "null", "5", "\"x\"", "{\"x\": }", "\u{feff}{}", "{} {}"] {
            refused(&raw(&world, &admin, path, body).await, 400, &format!("{path} {body:?}"));
        }
        refused(&raw(&world, &admin, path, vec![0xff, 0xfe, b'{']).await, 400, path);
        let deep = format!("{{\"{kind}\": {}{}}}", "[".repeat(20_000), "]".repeat(20_000));
        refused(&raw(&world, &admin, path, deep).await, 400, &format!("{path} deep"));
        let deep = format!("{{\"{kind}\": {}1{}}}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
        refused(&raw(&world, &admin, path, deep).await, 400, &format!("{path} deep objects"));
        let long = format!("{{\"{kind}\": \"{}\"}}", "x".repeat(1 << 20));
        refused(&raw(&world, &admin, path, long).await, 413, &format!("{path} long"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_bounded_and_hold_no_nul() {
    for world in worlds().await {
        let admin = world.admin().await;
        let post = async |path: &str, kind: &str, name: &str| {
            let body = json!({kind: {"name": name, "type": "t", "filters": {"interface": "public"}}});
            world.call(Method::POST, path, &admin, Some(body)).await
        };
        for (path, kind, longest) in [
            ("/v3/users", "user", 255),
            ("/v3/groups", "group", 64),
            ("/v3/projects", "project", 64),
            ("/v3/domains", "domain", 64),
            ("/v3/roles", "role", 255),
            ("/v3/OS-EP-FILTER/endpoint_groups", "endpoint_group", 255),
        ] {
            refused(&post(path, kind, &"x".repeat(longest + 1)).await, 400, path);
            refused(&post(path, kind, "  ").await, 400, path);
            refused(&post(path, kind, "a\0b").await, 400, path);
            // Characters count, not bytes.
            assert_eq!(post(path, kind, &"\u{1F600}".repeat(longest)).await.status, 201, "{path}");
        }
        for query in ["name=a%00b", "name__contains=%00", "domain_id=a%00b"] {
            refused(&world.get(&format!("/v3/users?{query}"), &admin).await, 400, query);
        }
        refused(&world.get("/v3/users/a%00b", &admin).await, 400, "an id with NUL");
        let text = json!({"project": {"name": "p", "description": "a\\u0000b"}});
        let made = world.call(Method::POST, "/v3/projects", &admin, Some(text)).await;
        assert_eq!(made.json()["project"]["description"], "a\\u0000b", "a backslash is no NUL");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_look_alike_are_two_names_as_in_keystone() {
    for world in worlds().await {
        let admin = world.admin().await;
        // Composed, decomposed, full width, and with an invisible joiner.
        let names = ["caf\u{e9}", "cafe\u{301}", "\u{ff43}\u{ff41}\u{ff46}\u{e9}", "caf\u{200d}\u{e9}"];
        let mut ids = Vec::new();
        for name in names {
            let body = json!({"name": name, "password": name});
            ids.push(world.create(&admin, "users", "user", body).await);
            let twice = json!({"user": {"name": name}});
            refused(&world.call(Method::POST, "/v3/users", &admin, Some(twice)).await, 409, name);
        }
        for (name, id) in names.iter().zip(&ids) {
            let token = world.login(name, name, Value::Null).await;
            assert_eq!(token.json()["token"]["user"]["id"], id.as_str(), "{name}");
        }
        assert_eq!(world.login(names[0], names[1], Value::Null).await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_domains_ids_open_nothing() {
    for world in worlds().await {
        let admin = world.admin().await;
        let domain = world.create(&admin, "domains", "domain", json!({"name": "theirs"})).await;
        let theirs = world.create(&admin, "users", "user", json!({"name": "t", "domain_id": domain})).await;
        let parent = world.create(&admin, "projects", "project", json!({"name": "p", "domain_id": domain})).await;
        let body = json!({"project": {"name": "c", "parent_id": parent, "domain_id": "default"}});
        refused(&world.call(Method::POST, "/v3/projects", &admin, Some(body)).await, 400, "a foreign parent");
        let manager = world.create(&admin, "users", "user", json!({"name": "m", "password": "secret"})).await;
        let role = world.role(&admin, "manager").await;
        let grant = format!("/v3/domains/default/users/{manager}/roles/{role}");
        assert_eq!(world.call(Method::PUT, &grant, &admin, None).await.status, 204);
        let token = world.token("m", "secret", json!({"domain": {"id": "default"}})).await;
        let own = world.call(Method::POST, "/v3/users", &token, Some(json!({"user": {"name": "n"}}))).await;
        assert_eq!(own.status, 201, "a manager manages the own domain");
        for (method, path, body) in [
            (Method::GET, format!("/v3/users/{theirs}"), None),
            (Method::PATCH, format!("/v3/users/{theirs}"), Some(json!({"user": {"name": "x"}}))),
            (Method::DELETE, format!("/v3/users/{theirs}"), None),
            (Method::DELETE, format!("/v3/projects/{parent}"), None),
            (Method::POST, "/v3/users".to_owned(), Some(json!({"user": {"name": "x", "domain_id": domain}}))),
            (Method::POST, "/v3/groups".to_owned(), Some(json!({"group": {"name": "x", "domain_id": domain}}))),
            (Method::PUT, format!("/v3/projects/{parent}/users/{manager}/roles/{role}"), None),
            (Method::GET, format!("/v3/users?domain_id={domain}"), None),
            (Method::GET, format!("/v3/domains/{domain}"), None),
        ] {
            let answer = world.call(method.clone(), &path, &token, body).await;
            refused(&answer, 403, &format!("{method} {path}"));
        }
        let moved = json!({"user": {"domain_id": domain}});
        let path = format!("/v3/users/{manager}");
        refused(&world.call(Method::PATCH, &path, &admin, Some(moved)).await, 400, "a user keeps its domain");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_circle_of_regions_can_be_made() {
    for world in worlds().await {
        let admin = world.admin().await;
        world.create(&admin, "regions", "region", json!({"id": "a"})).await;
        world.create(&admin, "regions", "region", json!({"id": "b", "parent_region_id": "a"})).await;
        for parent in ["a", "b"] {
            let body = json!({"region": {"parent_region_id": parent}});
            let answer = world.call(Method::PATCH, "/v3/regions/a", &admin, Some(body)).await;
            refused(&answer, 400, parent);
        }
        let itself = json!({"region": {"parent_region_id": "c"}});
        let answer = world.call(Method::PUT, "/v3/regions/c", &admin, Some(itself)).await;
        assert!(answer.status.is_client_error());
        assert_eq!(world.get("/v3/regions/a", &admin).await.json()["region"]["parent_region_id"], Value::Null);
        world.member(&admin, "alice", "reader").await;
        let alice = world.token("alice", "secret", on_project("alice")).await;
        assert_eq!(world.get("/v3/regions", &alice).await.status, 200);
    }
}
