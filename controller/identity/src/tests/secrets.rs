//! Passwords that are guessed, end, repeat and do not suffice.

use super::{World, by_password, on_project, world_with, worlds};
use crate::Compliance;
use controller_db::testing::databases;
use controller_web::testing::{Answer, call_with};
use http::Method;
use serde_json::{Value, json};

async fn strict(compliance: Compliance) -> Vec<World> {
    let mut worlds = Vec::new();
    for db in databases().await {
        worlds.push(world_with(db, |settings| settings.compliance = compliance.clone()).await);
    }
    worlds
}

async fn change(world: &World, user: &str, old: &str, new: &str) -> Answer {
    let body = json!({"user": {"original_password": old, "password": new}});
    world.call(Method::POST, &format!("/v3/users/{user}/password"), "", Some(body)).await
}

async fn login(world: &World, name: &str, password: &str) -> u16 {
    world.login(name, password, Value::Null).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_lock_an_account_for_a_while() {
    let rules = Compliance { lockout_failure_attempts: 2, lockout_duration: 60, ..Compliance::default() };
    for world in strict(rules).await {
        let admin = world.admin().await;
        let (alice, ..) = world.member(&admin, "alice", "member").await;
        assert_eq!(login(&world, "alice", "guess").await, 401);
        assert_eq!(login(&world, "alice", "secret").await, 201, "one is not two, and is forgotten now");
        for _ in 0..2 {
            assert_eq!(login(&world, "alice", "guess").await, 401);
        }
        assert_eq!(login(&world, "alice", "secret").await, 401);
        world.clock.advance_seconds(61);
        assert_eq!(login(&world, "alice", "guess").await, 401);
        assert_eq!(login(&world, "alice", "secret").await, 201, "counting began anew");
        for _ in 0..2 {
            assert_eq!(change(&world, &alice, "guess", "x").await.status, 401);
        }
        assert_eq!(login(&world, "alice", "secret").await, 401, "changing a password is guessing too");
        let on = json!({"user": {"enabled": true}});
        let path = format!("/v3/users/{alice}");
        assert_eq!(world.call(Method::PATCH, &path, &admin, Some(on)).await.status, 200);
        assert_eq!(login(&world, "alice", "secret").await, 201, "enabling unlocks");
        let exempt = json!({"user": {"options": {"ignore_lockout_failure_attempts": true}}});
        assert_eq!(world.call(Method::PATCH, &path, &admin, Some(exempt)).await.status, 200);
        for _ in 0..3 {
            assert_eq!(login(&world, "alice", "guess").await, 401);
        }
        assert_eq!(login(&world, "alice", "secret").await, 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_guesses_is_refused_unseen() {
    let rules = Compliance { guesses_per_minute: 3, ..Compliance::default() };
    for world in strict(rules).await {
        let admin = world.admin().await;
        world.member(&admin, "alice", "member").await;
        for _ in 0..3 {
            assert_eq!(login(&world, "alice", "guess").await, 401);
        }
        let answer = world.login("alice", "secret", Value::Null).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.header("retry-after"), Some("40"));
        assert_eq!(login(&world, "admin", "secret").await, 201);
        world.clock.advance_seconds(40);
        assert_eq!(login(&world, "alice", "secret").await, 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_end_and_do_not_come_back() {
    let rules = Compliance {
        password_expires_days: 2,
        unique_last_password_count: 3,
        minimum_password_age: 1,
        password_regex: r"^(?=.*[a-z]).{2,}$".into(),
        password_regex_description: "two letters".into(),
        ..Compliance::default()
    };
    for world in strict(rules).await {
        let admin = world.admin().await;
        let (alice, ..) = world.member(&admin, "alice", "member").await;
        let shown = world.get(&format!("/v3/users/{alice}"), &admin).await.json();
        assert_eq!(shown["user"]["password_expires_at"], "2026-09-23T14:13:20.000000");
        let told = world.get("/v3/domains/default/config/security_compliance", &admin).await.json();
        assert_eq!(told["config"]["security_compliance"]["password_regex_description"], "two letters");
        assert_eq!(change(&world, &alice, "secret", "X").await.status, 400);
        assert_eq!(change(&world, &alice, "secret", "secret").await.status, 400);
        assert_eq!(change(&world, &alice, "secret", "first").await.status, 204);
        let young = change(&world, &alice, "first", "second").await;
        assert_eq!(young.status, 400);
        assert!(young.json()["error"]["message"].as_str().unwrap().contains("minimum password age"));
        world.clock.advance_seconds(86_400);
        assert_eq!(change(&world, &alice, "first", "second").await.status, 204);
        world.clock.advance_seconds(86_400);
        for old in ["secret", "first", "second"] {
            assert_eq!(change(&world, &alice, "second", old).await.status, 400, "{old}");
        }
        assert_eq!(change(&world, &alice, "second", "third").await.status, 204);
        world.clock.advance_seconds(86_400);
        assert_eq!(change(&world, &alice, "third", "secret").await.status, 204, "that one is long ago");
        world.clock.advance_seconds(2 * 86_400);
        let over = world.login("alice", "secret", Value::Null).await;
        assert_eq!(over.status, 401);
        let message = format!("The password is expired and needs to be changed for user: {alice}.");
        assert_eq!(over.json()["error"]["message"], message);
        assert_eq!(change(&world, &alice, "secret", "fourth").await.status, 204);
        world.clock.advance_seconds(1);
        assert_eq!(login(&world, "alice", "fourth").await, 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_password_is_changed_first_and_a_locked_one_never() {
    let rules = Compliance { change_password_upon_first_use: true, ..Compliance::default() };
    for world in strict(rules).await {
        let admin = world.admin().await;
        let (alice, ..) = world.member(&admin, "alice", "member").await;
        assert_eq!(login(&world, "alice", "secret").await, 401);
        assert_eq!(change(&world, &alice, "secret", "own").await.status, 204);
        world.clock.advance_seconds(1);
        assert_eq!(login(&world, "alice", "own").await, 201);
        let exempt = json!({"name": "bot", "password": "secret", "options":
            {"ignore_change_password_upon_first_use": true, "lock_password": true}});
        let bot = world.create(&admin, "users", "user", exempt).await;
        assert_eq!(login(&world, "bot", "secret").await, 201);
        assert_eq!(change(&world, &bot, "secret", "own").await.status, 400);
        let unknown = json!({"user": {"name": "x", "options": {"unheard_of": true}}});
        assert_eq!(world.call(Method::POST, "/v3/users", &admin, Some(unknown)).await.status, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_sleeps_too_long_is_closed() {
    let rules = Compliance { disable_user_account_days_inactive: 2, ..Compliance::default() };
    for world in strict(rules).await {
        let admin = world.admin().await;
        let (alice, ..) = world.member(&admin, "alice", "member").await;
        for _ in 0..3 {
            world.clock.advance_seconds(86_400);
            assert_eq!(login(&world, "alice", "secret").await, 201);
        }
        world.clock.advance_seconds(2 * 86_400);
        assert_eq!(login(&world, "alice", "secret").await, 401);
        drop(alice);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_methods_are_wanted_where_a_rule_says_so() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (alice, ..) = world.member(&admin, "alice", "member").await;
        let rules = json!({"user": {"options": {"multi_factor_auth_rules": [["password", "totp"], ["unheard_of"]]}}});
        let path = format!("/v3/users/{alice}");
        assert_eq!(world.call(Method::PATCH, &path, &admin, Some(rules)).await.status, 200);
        let seed = json!({"type": "totp", "user_id": alice, "blob": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"});
        world.create(&admin, "credentials", "credential", seed).await;
        let first = world.login("alice", "secret", on_project("alice")).await;
        assert_eq!(first.status, 401);
        let body = first.json();
        assert_eq!(body["required_auth_methods"], json!([["password", "totp"]]));
        assert_eq!(body["receipt"]["methods"], json!(["password"]));
        assert_eq!(body["receipt"]["user"]["id"], alice.as_str());
        let receipt = first.header("openstack-auth-receipt").unwrap().to_owned();
        // RFC 6238 at 2026-09-21T14:13:20Z.
        let with = |passcode: &str| json!({"auth": {"identity": {"methods": ["totp"], "totp": {"user": {"id": alice, "passcode": passcode}}}}});
        let right = passcode(1_790_000_000);
        let finish = async |passcode: &str, receipt: &str| {
            let (headers, body) = ([("openstack-auth-receipt", receipt)], with(passcode));
            call_with(&world.router, Method::POST, "/v3/auth/tokens", "", &headers, Some(&body)).await
        };
        assert_eq!(finish("000000", &receipt).await.status, 401);
        assert_eq!(finish(&right, "forged").await.status, 401);
        let done = finish(&right, &receipt).await;
        assert_eq!(done.status, 201, "{}", done.json());
        assert_eq!(done.json()["token"]["methods"], json!(["totp", "password"]));
        let mut both = by_password("alice", "secret", Value::Null);
        both["auth"]["identity"]["methods"] = json!(["password", "totp"]);
        both["auth"]["identity"]["totp"] = with(&right)["auth"]["identity"]["totp"].clone();
        assert_eq!(world.call(Method::POST, "/v3/auth/tokens", "", Some(both)).await.status, 201);
        world.clock.advance_seconds(301);
        let late = finish(&passcode(1_790_000_301), &receipt).await;
        assert_eq!(late.status, 401, "the receipt is over");
    }
}

fn passcode(seconds: i64) -> String {
    crate::token::passcode("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", controller_base::Timestamp(seconds * 1_000_000))
}
