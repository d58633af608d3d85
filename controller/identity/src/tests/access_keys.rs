//! Access keys of EC2 and S3, and credentials at rest.

use super::{World, on_project, worlds};
use crate::ec2::signature::Signed;
use controller_web::testing::Answer;
use http::Method;
use serde_json::{Value, json};

async fn new_key(world: &World, token: &str, user: &str, project: &str) -> Answer {
    let path = format!("/v3/users/{user}/credentials/OS-EC2");
    world.call(Method::POST, &path, token, Some(json!({"tenant_id": project}))).await
}

/// A request that is signed with a key in version 2.
fn signed(key: &Value, secret: &str) -> Value {
    let mut request = json!({
        "access": key["access"], "host": "cloud.test:8788", "verb": "GET", "path": "/",
        "params": {"SignatureVersion": "2", "AWSAccessKeyId": key["access"], "Timestamp": "2026-09-21T14:13:20Z"},
    });
    let own: Signed = serde_json::from_value(request.clone()).unwrap();
    request["signature"] = own.sign(secret).unwrap().into();
    json!({"credentials": request})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_request_gets_its_signers_token() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (alice, project, _) = world.member(&admin, "alice", "member").await;
        let token = world.token("alice", "secret", on_project("alice")).await;
        let made = new_key(&world, &token, &alice, &project).await;
        assert_eq!(made.status, 201, "{}", made.json());
        let key = made.json()["credential"].clone();
        assert_eq!((&key["user_id"], &key["tenant_id"]), (&json!(alice), &json!(project)));
        let all = format!("/v3/users/{alice}/credentials/OS-EC2");
        let one = format!("{all}/{}", key["access"].as_str().unwrap());
        assert_eq!(world.get(&all, &token).await.json()["credentials"][0], key);
        assert_eq!(world.get(&one, &token).await.json()["credential"], key);
        let secret = key["secret"].as_str().unwrap();
        let ask = async |token: &str, body: Value| world.call(Method::POST, "/v3/ec2tokens", token, Some(body)).await;
        let answer = ask(&admin, signed(&key, secret)).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        assert_eq!(answer.json()["token"]["user"]["id"], alice.as_str());
        assert_eq!(answer.json()["token"]["project"]["id"], project.as_str());
        assert_eq!(world.validity(answer.header("x-subject-token").unwrap()).await, 200);
        assert_eq!(ask(&token, signed(&key, secret)).await.status, 403, "only services may ask");
        assert_eq!(ask(&admin, signed(&key, "guess")).await.status, 401);
        assert_eq!(ask(&admin, signed(&json!({"access": "nothing"}), secret)).await.status, 404);
        assert_eq!(ask(&admin, json!({"credentials": {}})).await.status, 401);
        assert_eq!(ask(&admin, json!({})).await.status, 401);
        world.clock.advance_seconds(901);
        assert_eq!(ask(&admin, signed(&key, secret)).await.status, 401, "signed too long ago");
        let (bob, ..) = world.member(&admin, "bob", "member").await;
        let bobs = world.token("bob", "secret", on_project("bob")).await;
        assert_eq!(world.get(&one, &bobs).await.status, 403);
        assert_eq!(new_key(&world, &bobs, &alice, &project).await.status, 403);
        assert_eq!(new_key(&world, &bobs, &bob, "nowhere").await.status, 404);
        assert_eq!(world.call(Method::DELETE, &one, &token, None).await.status, 204);
        assert_eq!(world.get(&one, &token).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegated_token_makes_keys_of_its_delegation_and_sees_no_others() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (alice, project, _) = world.member(&admin, "alice", "member").await;
        let token = world.token("alice", "secret", on_project("alice")).await;
        let seed = json!({"type": "totp", "user_id": alice, "blob": "GEZDGNBV"});
        let seed = world.create(&token, "credentials", "credential", seed).await;
        let path = format!("/v3/users/{alice}/application_credentials");
        let by = async |unrestricted: bool| {
            let body = json!({"name": unrestricted.to_string(), "secret": "s", "unrestricted": unrestricted});
            let made = world.call(Method::POST, &path, &token, Some(json!({"application_credential": body}))).await;
            let id = made.json()["application_credential"]["id"].clone();
            let identity =
                json!({"methods": ["application_credential"], "application_credential": {"id": id, "secret": "s"}});
            let answer = world.call(Method::POST, "/v3/auth/tokens", "", Some(json!({"auth": {"identity": identity}})));
            (id, answer.await.header("x-subject-token").unwrap().to_owned())
        };
        let (_, restricted) = by(false).await;
        assert_eq!(new_key(&world, &restricted, &alice, &project).await.status, 403);
        let (id, free) = by(true).await;
        assert_eq!(world.get(&format!("/v3/credentials/{seed}"), &free).await.status, 403);
        assert_eq!(world.get("/v3/credentials", &free).await.json()["credentials"], json!([]));
        let key = new_key(&world, &free, &alice, &project).await.json()["credential"].clone();
        let body = signed(&key, key["secret"].as_str().unwrap());
        let answer = world.call(Method::POST, "/v3/ec2tokens", &admin, Some(body)).await;
        assert_eq!(answer.json()["token"]["application_credential"]["id"], id, "{}", answer.json());
        let listed = world.get("/v3/credentials?type=ec2", &token).await.json();
        let stored = &listed["credentials"][0];
        let bound: Value = serde_json::from_str(stored["blob"].as_str().unwrap()).unwrap();
        assert_eq!(bound["app_cred_id"], id);
        let loose = json!({"credential": {"blob": json!({"access": key["access"], "secret": "x"}).to_string()}});
        let path = format!("/v3/credentials/{}", stored["id"].as_str().unwrap());
        assert_eq!(world.call(Method::PATCH, &path, &token, Some(loose)).await.status, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_outlive_the_rotation_of_their_keys() {
    for world in worlds().await {
        let admin = world.admin().await;
        let id = world.create(&admin, "credentials", "credential", json!({"type": "cert", "blob": "text"})).await;
        assert_eq!(world.identity.migrate_credentials().await.unwrap(), 0);
        for _ in 0..4 {
            assert_eq!(world.identity.rotate_credential_keys().await.unwrap(), 1);
        }
        let shown = world.get(&format!("/v3/credentials/{id}"), &admin).await.json();
        assert_eq!(shown["credential"]["blob"], "text");
    }
}
