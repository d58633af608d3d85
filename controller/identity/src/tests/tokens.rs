//! Getting, looking at and losing tokens.

use super::{on_project, worlds};
use controller_web::testing::call_with;
use http::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_project_token_shows_what_keystones_shows() {
    for world in worlds().await {
        let answer = world.login("admin", "secret", on_project("admin")).await;
        let token = &answer.json()["token"];
        assert_eq!(token["methods"], json!(["password"]));
        assert_eq!(token["user"]["name"], "admin");
        assert_eq!(token["user"]["domain"], json!({"id": "default", "name": "Default"}));
        assert_eq!(token["project"]["name"], "admin");
        assert_eq!(token["is_domain"], false);
        assert_eq!(token["issued_at"], "2026-09-21T14:13:20.000000Z");
        assert_eq!(token["expires_at"], "2026-09-21T18:13:20.500000Z");
        let roles: Vec<_> = token["roles"].as_array().unwrap().iter().map(|role| role["name"].clone()).collect();
        assert_eq!(roles, ["admin", "manager", "member", "reader"]);
        let catalog = token["catalog"].as_array().unwrap();
        let demo = catalog.iter().find(|service| service["type"] == "demo").unwrap();
        let project = token["project"]["id"].as_str().unwrap();
        assert_eq!(demo["endpoints"].as_array().unwrap().len(), 3);
        assert_eq!(demo["endpoints"][0]["url"], format!("https://cloud.test/demo/{project}"));
        assert_eq!(demo["endpoints"][0]["region_id"], "RegionOne");
        assert_eq!(answer.header("vary"), Some("X-Auth-Token"));
        let text = answer.header("x-subject-token").unwrap();
        assert!(text.starts_with("gAAAA") && !text.ends_with('='), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scope_can_be_had_and_others_not() {
    for world in worlds().await {
        for (scope, key) in [
            (json!({"system": {"all": true}}), "system"),
            (on_project("admin"), "project"),
            (json!("unscoped"), "user"),
            (Value::Null, "user"),
        ] {
            let answer = world.login("admin", "secret", scope).await;
            assert_eq!(answer.status, 201);
            assert!(!answer.json()["token"][key].is_null(), "{key}");
            let text = answer.header("x-subject-token").unwrap();
            assert_eq!(world.validity(text).await, 200);
        }
        for scope in [on_project("nothing"), json!({"domain": {"id": "default"}}), json!({"project": {"id": "x"}})] {
            assert_eq!(world.login("admin", "secret", scope).await.status, 401);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_look_the_same() {
    for world in worlds().await {
        let wrong = world.login("admin", "guess", Value::Null).await;
        let nobody = world.login("nobody", "secret", Value::Null).await;
        assert_eq!(wrong.status, 401);
        assert_eq!(wrong.json(), nobody.json());
        assert_eq!(wrong.json()["error"]["title"], "Unauthorized");
        let broken = world.call(Method::POST, "/v3/auth/tokens", "", Some(json!({"auth": {}}))).await;
        assert_eq!(broken.status, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_at_once_and_alone() {
    for world in worlds().await {
        let (first, second) = (world.admin().await, world.admin().await);
        let headers = [("x-subject-token", first.as_str())];
        let revoked = call_with(&world.router, Method::DELETE, "/v3/auth/tokens", &second, &headers, None).await;
        assert_eq!(revoked.status, 204);
        assert_eq!(world.get("/v3/users", &first).await.status, 401);
        assert_eq!(world.get("/v3/users", &second).await.status, 200);
        let gone = call_with(&world.router, Method::GET, "/v3/auth/tokens", &second, &headers, None).await;
        assert_eq!(gone.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_when_its_time_is_over() {
    for world in worlds().await {
        let token = world.admin().await;
        world.clock.advance_seconds(4 * 3600 - 1);
        assert_eq!(world.get("/v3/users", &token).await.status, 200);
        world.clock.advance_seconds(1);
        assert_eq!(world.get("/v3/users", &token).await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_gets_another_that_ends_with_it() {
    for world in worlds().await {
        let token = world.token("admin", "secret", Value::Null).await;
        world.clock.advance_seconds(3600);
        let identity = json!({"methods": ["token"], "token": {"id": token}});
        let body = json!({"auth": {"identity": identity, "scope": on_project("admin")}});
        let answer = world.call(Method::POST, "/v3/auth/tokens", "", Some(body)).await;
        let second = &answer.json()["token"];
        assert_eq!(second["expires_at"], "2026-09-21T18:13:20.500000Z");
        assert_eq!(second["methods"], json!(["password", "token"]));
        assert_eq!(second["audit_ids"].as_array().unwrap().len(), 2);
        assert_eq!(world.validity(answer.header("x-subject-token").unwrap()).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_old_tokens_and_gives_new_ones_in_the_same_second() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (user, ..) = world.member(&admin, "alice", "member").await;
        let old = world.token("alice", "secret", on_project("alice")).await;
        let path = format!("/v3/users/{user}/password");
        let change = |original: &str| json!({"user": {"original_password": original, "password": "other"}});
        assert_eq!(world.call(Method::POST, &path, "", Some(change("guess"))).await.status, 401);
        assert_eq!(world.call(Method::POST, &path, "", Some(change("secret"))).await.status, 204);
        assert_eq!(world.validity(&old).await, 401);
        assert_eq!(world.login("alice", "secret", Value::Null).await.status, 401);
        world.clock.advance_seconds(1);
        let new = world.token("alice", "other", on_project("alice")).await;
        assert_eq!(world.validity(&new).await, 200);
        assert_eq!(world.validity(&admin).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disabling_and_taking_away_hold_at_once() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (user, project, role) = world.member(&admin, "alice", "member").await;
        let patch = |path: String, body: Value| {
            let (world, admin) = (&world, admin.as_str());
            async move { assert_eq!(world.call(Method::PATCH, &path, admin, Some(body)).await.status, 200) }
        };
        let token = world.token("alice", "secret", on_project("alice")).await;
        assert_eq!(world.validity(&token).await, 200);
        patch(format!("/v3/projects/{project}"), json!({"project": {"enabled": false}})).await;
        assert_eq!(world.validity(&token).await, 401);
        patch(format!("/v3/projects/{project}"), json!({"project": {"enabled": true}})).await;
        assert_eq!(world.validity(&token).await, 200);
        let grant = format!("/v3/projects/{project}/users/{user}/roles/{role}");
        assert_eq!(world.call(Method::DELETE, &grant, &admin, None).await.status, 204);
        assert_eq!(world.validity(&token).await, 401);
        assert_eq!(world.call(Method::PUT, &grant, &admin, None).await.status, 204);
        assert_eq!(world.validity(&token).await, 200);
        patch(format!("/v3/users/{user}"), json!({"user": {"enabled": false}})).await;
        assert_eq!(world.validity(&token).await, 401);
        patch(format!("/v3/users/{user}"), json!({"user": {"enabled": true}})).await;
        assert_eq!(world.validity(&token).await, 401, "being disabled has ended it for good");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_or_foreign_token_is_nothing() {
    for world in worlds().await {
        let mut token = world.admin().await;
        assert_eq!(world.get("/v3/users", &token).await.status, 200);
        token.replace_range(40..41, if token.as_bytes()[40] == b'A' { "B" } else { "A" });
        assert_eq!(world.get("/v3/users", &token).await.status, 401);
        assert_eq!(world.get("/v3/users", "").await.status, 401);
        world.identity.keys.rotate(3).unwrap();
        assert_eq!(world.get("/v3/users", &world.admin().await).await.status, 200);
    }
}
