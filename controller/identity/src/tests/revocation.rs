//! Tokens that end early, late, and on other controllers.

use super::{World, on_project, second_world, world, world_with, worlds};
use crate::TokenFormat;
use controller_db::{Dialect, testing::databases};
use controller_web::testing::call_with;
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn revoke(world: &World, token: &str) {
    let headers = [("x-subject-token", token)];
    let answer = call_with(&world.router, Method::DELETE, "/v3/auth/tokens", token, &headers, None).await;
    assert_eq!(answer.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_revoked_on_one_controller_is_refused_on_the_other_within_100_ms() {
    for db in databases().await {
        if db.dialect() == Dialect::Sqlite {
            continue;
        }
        let first = world(db).await;
        let second = second_world(&first).await;
        for _ in 0..5 {
            let token = first.admin().await;
            assert_eq!(second.validity(&token).await, 200);
            assert_eq!(second.validity(&token).await, 200);
            revoke(&first, &token).await;
            let revoked = Instant::now();
            while second.validity(&token).await == 200 {
                assert!(revoked.elapsed() < Duration::from_millis(100), "it is taken still");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_key_that_another_controller_rotated_in_is_taken_at_once() {
    for first in worlds().await {
        let second = second_world(&first).await;
        first.identity.keys.rotate(3).unwrap();
        let token = first.admin().await;
        assert_eq!(second.validity(&token).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_tokens_do_what_sealed_ones_do() {
    for db in databases().await {
        let world = world_with(db, |settings| settings.token_format = TokenFormat::Jws).await;
        let token = world.admin().await;
        assert_eq!(token.split('.').count(), 3);
        assert_eq!(world.get("/v3/users", &token).await.status, 200);
        assert_eq!(world.validity(&token).await, 200);
        revoke(&world, &token).await;
        assert_eq!(world.validity(&token).await, 401);
        let sealed = world.identity.seal(b"no token");
        assert_eq!(world.validity(&sealed).await, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_shows_follows_the_catalog() {
    for world in worlds().await {
        let token = world.admin().await;
        let headers = [("x-subject-token", token.as_str())];
        let shown = async |query: &str| {
            let path = format!("/v3/auth/tokens{query}");
            call_with(&world.router, Method::GET, &path, &token, &headers, None).await.json()["token"]["catalog"]
                .clone()
        };
        let before = shown("").await.as_array().unwrap().len();
        assert_eq!(shown("").await.as_array().unwrap().len(), before);
        assert_eq!(shown("?nocatalog").await, Value::Null);
        let service = world.create(&token, "services", "service", json!({"type": "new", "name": "new"})).await;
        let endpoint = json!({"service_id": service, "interface": "public", "url": "https://x/"});
        world.create(&token, "endpoints", "endpoint", endpoint).await;
        assert_eq!(shown("").await.as_array().unwrap().len(), before + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_token_may_be_looked_at_for_two_days() {
    for world in worlds().await {
        let (ended, revoked) = (world.admin().await, world.admin().await);
        revoke(&world, &revoked).await;
        world.clock.advance_seconds(5 * 3600);
        let admin = world.admin().await;
        let look = async |token: &str, query: &str| {
            let path = format!("/v3/auth/tokens{query}");
            call_with(&world.router, Method::GET, &path, &admin, &[("x-subject-token", token)], None).await
        };
        assert_eq!(look(&ended, "").await.status, 404);
        assert_eq!(look(&ended, "?allow_expired=1").await.json()["token"]["user"]["name"], "admin");
        assert_eq!(look(&revoked, "?allow_expired=1").await.status, 404);
        assert_eq!(world.get("/v3/users", &ended).await.status, 401, "it proves nothing");
        world.clock.advance_seconds(2 * 86_400);
        let admin = world.admin().await;
        let headers = [("x-subject-token", ended.as_str())];
        let late = call_with(&world.router, Method::GET, "/v3/auth/tokens?allow_expired=1", &admin, &headers, None);
        assert_eq!(late.await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revocations_are_listed_for_services() {
    for world in worlds().await {
        let admin = world.admin().await;
        world.member(&admin, "alice", "member").await;
        let alice = world.token("alice", "secret", on_project("alice")).await;
        revoke(&world, &alice).await;
        let events = world.get("/v3/OS-REVOKE/events", &admin).await.json();
        let event = &events["events"][0];
        assert!(event["audit_id"].is_string());
        assert_eq!(event["issued_before"], "2026-09-21T14:13:20.500000Z");
        let later = world.get("/v3/OS-REVOKE/events?since=2026-09-21T14:13:21Z", &admin).await.json();
        assert_eq!(later["events"], json!([]));
        assert_eq!(world.get("/v3/OS-REVOKE/events?since=never", &admin).await.status, 400);
        assert_eq!(world.get("/v3/auth/tokens/OS-PKI/revoked", &admin).await.status, 403);
    }
}
