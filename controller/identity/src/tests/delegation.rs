//! Application credentials and trusts: what they give, to whom, and when they end.

use super::{World, on_project, worlds};
use controller_web::testing::{Answer, call_with};
use http::Method;
use serde_json::{Value, json};

async fn by_credential(world: &World, credential: Value) -> Answer {
    let identity = json!({"methods": ["application_credential"], "application_credential": credential});
    world.call(Method::POST, "/v3/auth/tokens", "", Some(json!({"auth": {"identity": identity}}))).await
}

/// A credential of alice's on her project: the answer's body.
async fn new_credential(world: &World, token: &str, user: &str, body: Value) -> Answer {
    let path = format!("/v3/users/{user}/application_credentials");
    world.call(Method::POST, &path, token, Some(json!({"application_credential": body}))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_credential_gives_its_roles_on_its_project() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (alice, project, _) = world.member(&admin, "alice", "member").await;
        let token = world.token("alice", "secret", on_project("alice")).await;
        let reader = world.role(&admin, "reader").await;
        let made = new_credential(&world, &token, &alice, json!({"name": "a", "roles": [{"id": reader}]})).await;
        assert_eq!(made.status, 201, "{}", made.json());
        let made = made.json()["application_credential"].clone();
        assert_eq!(made["project_id"], project.as_str());
        assert_eq!(made["unrestricted"], false);
        assert!(made.get("access_rules").is_none());
        let secret = made["secret"].as_str().unwrap();
        assert_eq!(secret.len(), 86);
        let path = format!("/v3/users/{alice}/application_credentials");
        let one = format!("{path}/{}", made["id"].as_str().unwrap());
        assert!(world.get(&one, &token).await.json()["application_credential"].get("secret").is_none());
        let listed = world.get(&format!("{path}?name=a"), &token).await.json();
        assert_eq!(listed["application_credentials"][0]["id"], made["id"]);
        for credential in [
            json!({"id": made["id"], "secret": secret}),
            json!({"name": "a", "user": {"id": alice}, "secret": secret}),
            json!({"name": "a", "user": {"name": "alice", "domain": {"id": "default"}}, "secret": secret}),
        ] {
            let answer = by_credential(&world, credential).await;
            assert_eq!(answer.status, 201, "{}", answer.json());
            let body = &answer.json()["token"];
            assert_eq!(body["methods"], json!(["application_credential"]));
            assert_eq!(body["project"]["id"], project.as_str());
            assert_eq!(body["roles"], json!([{"id": reader, "name": "reader"}]));
            assert_eq!(body["application_credential"], json!({"id": made["id"], "name": "a", "restricted": true}));
            assert_eq!(world.validity(answer.header("x-subject-token").unwrap()).await, 200);
        }
        let wrong = by_credential(&world, json!({"id": made["id"], "secret": "guess"})).await;
        assert_eq!(wrong.status, 401);
        assert_eq!(by_credential(&world, json!({"id": "nothing", "secret": "guess"})).await.status, 404);
        let twice = new_credential(&world, &token, &alice, json!({"name": "a"})).await;
        assert_eq!(twice.status, 409);
        let manager = new_credential(&world, &token, &alice, json!({"name": "b", "roles": [{"name": "admin"}]})).await;
        assert_eq!(manager.status, 400);
        let mallory = new_credential(&world, &admin, &alice, json!({"name": "c"})).await;
        assert_eq!(mallory.status, 403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_credential_ends_with_its_time_its_grant_and_its_user() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (alice, project, role) = world.member(&admin, "alice", "member").await;
        let token = world.token("alice", "secret", on_project("alice")).await;
        let credential = async |name: &str, end: Value| {
            let made = new_credential(&world, &token, &alice, json!({"name": name, "secret": "s", "expires_at": end}));
            let answer = made.await;
            assert_eq!(answer.status, 201, "{}", answer.json());
            let id = answer.json()["application_credential"]["id"].clone();
            json!({"id": id, "secret": "s"})
        };
        let short = credential("short", json!("2026-09-21T15:13:20.500000")).await;
        let long = credential("long", Value::Null).await;
        let answer = by_credential(&world, short.clone()).await;
        assert_eq!(answer.json()["token"]["expires_at"], "2026-09-21T15:13:20.500000Z");
        let by_long = by_credential(&world, long.clone()).await.header("x-subject-token").unwrap().to_owned();
        world.clock.advance_seconds(3600);
        assert_eq!(by_credential(&world, short).await.status, 401);
        assert_eq!(world.validity(&by_long).await, 200);
        let past =
            new_credential(&world, &token, &alice, json!({"name": "p", "expires_at": "2020-01-01T00:00:00"})).await;
        assert_eq!(past.status, 400);
        let grant = format!("/v3/projects/{project}/users/{alice}/roles/{role}");
        assert_eq!(world.call(Method::DELETE, &grant, &admin, None).await.status, 204);
        assert_eq!(world.validity(&by_long).await, 401);
        assert_eq!(world.call(Method::PUT, &grant, &admin, None).await.status, 204);
        assert_eq!(by_credential(&world, long).await.status, 404, "the credential went with the grant");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_credential_does_not_multiply_and_asks_no_scope() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (alice, ..) = world.member(&admin, "alice", "member").await;
        let token = world.token("alice", "secret", on_project("alice")).await;
        for (unrestricted, status) in [(false, 403), (true, 201)] {
            let body = json!({"name": unrestricted.to_string(), "secret": "s", "unrestricted": unrestricted});
            let made = new_credential(&world, &token, &alice, body).await.json();
            let id = made["application_credential"]["id"].clone();
            let answer = by_credential(&world, json!({"id": id, "secret": "s"})).await;
            let by = answer.header("x-subject-token").unwrap();
            let child = new_credential(&world, by, &alice, json!({"name": format!("child of {unrestricted}")})).await;
            assert_eq!(child.status, status, "{}", child.json());
            let trust = json!({"trust": {"trustor_user_id": alice, "trustee_user_id": alice, "impersonation": true}});
            let trust = world.call(Method::POST, "/v3/OS-TRUST/trusts", by, Some(trust)).await;
            assert_eq!(trust.status, 403);
            let identity = json!({"methods": ["token"], "token": {"id": by}});
            let again = json!({"auth": {"identity": identity}});
            let again = world.call(Method::POST, "/v3/auth/tokens", "", Some(again)).await;
            assert_eq!(again.json()["token"]["application_credential"]["id"], id, "{}", again.json());
            let wide = json!({"auth": {"identity": identity, "scope": {"system": {"all": true}}}});
            assert_eq!(world.call(Method::POST, "/v3/auth/tokens", "", Some(wide)).await.status, 403);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_rules_bound_a_credential_and_stay_after_it() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (alice, ..) = world.member(&admin, "alice", "member").await;
        let token = world.token("alice", "secret", on_project("alice")).await;
        let rule = json!({"service": "identity", "method": "GET", "path": "/v3/users/*"});
        let body = json!({"name": "a", "secret": "s", "access_rules": [rule]});
        let made = new_credential(&world, &token, &alice, body).await.json()["application_credential"].clone();
        let id = made["access_rules"][0]["id"].as_str().unwrap();
        let mut same = made["access_rules"][0].clone();
        same.as_object_mut().unwrap().remove("id");
        assert_eq!(same, rule);
        let answer = by_credential(&world, json!({"id": made["id"], "secret": "s"})).await;
        assert_eq!(answer.json()["token"]["application_credential"]["access_rules"], made["access_rules"]);
        let by = answer.header("x-subject-token").unwrap();
        assert_eq!(world.get(&format!("/v3/users/{alice}"), by).await.status, 200);
        assert_eq!(world.get(&format!("/v3/users/{alice}/groups"), by).await.status, 401);
        assert_eq!(world.validity(by).await, 404, "whoever asks does not know access rules");
        let headers = [("x-subject-token", by), ("openstack-identity-access-rules", "1.0")];
        let knows = call_with(&world.router, Method::GET, "/v3/auth/tokens", by, &headers, None).await;
        assert_eq!(knows.status, 200);
        let rules = format!("/v3/users/{alice}/access_rules");
        let one = format!("{rules}/{id}");
        assert_eq!(world.get(&rules, &token).await.json()["access_rules"][0]["id"], id);
        assert_eq!(world.get(&one, &token).await.json()["access_rule"]["path"], "/v3/users/*");
        assert_eq!(world.call(Method::DELETE, &one, &token, None).await.status, 403);
        let path = format!("/v3/users/{alice}/application_credentials/{}", made["id"].as_str().unwrap());
        assert_eq!(world.call(Method::DELETE, &path, &token, None).await.status, 204);
        assert_eq!(world.get(&path, &token).await.status, 404);
        let (bob, ..) = world.member(&admin, "bob", "member").await;
        let bobs = world.token("bob", "secret", on_project("bob")).await;
        assert_eq!(world.get(&one, &bobs).await.status, 403);
        assert_eq!(world.get(&format!("/v3/users/{bob}/access_rules/{id}"), &bobs).await.status, 404);
        assert_eq!(world.call(Method::DELETE, &one, &token, None).await.status, 204);
        for bad in [
            json!({"service": "identity", "method": "get", "path": "/v3"}),
            json!({"service": "identity", "method": "GET", "path": "v3"}),
            json!({"service": "", "method": "GET", "path": "/v3"}),
            json!({"method": "GET", "path": "/v3"}),
        ] {
            let answer = new_credential(&world, &token, &alice, json!({"name": "b", "access_rules": [bad]})).await;
            assert_eq!(answer.status, 400, "{bad}");
        }
    }
}

struct Agents {
    alice: String,
    bob: String,
    project: String,
    alices: String,
    bobs: String,
}

async fn agents(world: &World, admin: &str) -> Agents {
    let (alice, project, _) = world.member(admin, "alice", "member").await;
    let (bob, ..) = world.member(admin, "bob", "reader").await;
    let alices = world.token("alice", "secret", on_project("alice")).await;
    let bobs = world.token("bob", "secret", on_project("bob")).await;
    Agents { alice, bob, project, alices, bobs }
}

impl Agents {
    fn trust(&self, more: Value) -> Value {
        let mut trust = json!({
            "trustor_user_id": self.alice, "trustee_user_id": self.bob, "project_id": self.project,
            "impersonation": true, "roles": [{"name": "reader"}],
        });
        trust.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"trust": trust})
    }

    async fn make(&self, world: &World, more: Value) -> Answer {
        world.call(Method::POST, "/v3/OS-TRUST/trusts", &self.alices, Some(self.trust(more))).await
    }

    async fn made(&self, world: &World, more: Value) -> String {
        let answer = self.make(world, more).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        answer.json()["trust"]["id"].as_str().unwrap().to_owned()
    }
}

fn on_trust(id: &str) -> Value {
    json!({"OS-TRUST:trust": {"id": id}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trust_lets_its_trustee_act_with_its_roles() {
    for world in worlds().await {
        let admin = world.admin().await;
        let agents = agents(&world, &admin).await;
        for impersonation in [true, false] {
            let id = agents.made(&world, json!({"impersonation": impersonation})).await;
            let shown = world.get(&format!("/v3/OS-TRUST/trusts/{id}"), &agents.bobs).await.json()["trust"].clone();
            assert_eq!(shown["roles"][0]["name"], "reader");
            assert_eq!((&shown["expires_at"], &shown["redelegation_count"]), (&Value::Null, &json!(0)));
            let role = shown["roles"][0]["id"].as_str().unwrap();
            let roles = format!("/v3/OS-TRUST/trusts/{id}/roles");
            assert_eq!(world.get(&roles, &agents.bobs).await.json()["roles"][0]["id"], role);
            assert_eq!(world.get(&format!("{roles}/{role}"), &agents.bobs).await.json()["role"]["name"], "reader");
            let member = world.role(&admin, "member").await;
            assert_eq!(world.get(&format!("{roles}/{member}"), &agents.bobs).await.status, 404);
            let answer = world.login("bob", "secret", on_trust(&id)).await;
            assert_eq!(answer.status, 201, "{}", answer.json());
            let body = &answer.json()["token"];
            assert_eq!(body["user"]["id"], if impersonation { agents.alice.as_str() } else { agents.bob.as_str() });
            assert_eq!(body["OS-TRUST:trust"]["trustor_user"]["id"], agents.alice.as_str());
            assert_eq!(body["OS-TRUST:trust"]["impersonation"], impersonation);
            assert_eq!(body["project"]["id"], agents.project.as_str());
            assert_eq!(body["roles"].as_array().unwrap().len(), 1);
            let token = answer.header("x-subject-token").unwrap();
            assert_eq!(world.validity(token).await, 200);
            let identity = json!({"methods": ["token"], "token": {"id": token}});
            let again = world.call(Method::POST, "/v3/auth/tokens", "", Some(json!({"auth": {"identity": identity}})));
            assert_eq!(again.await.status, 403, "a trust's token gives no other");
            assert_eq!(world.login("alice", "secret", on_trust(&id)).await.status, 403, "she is no trustee");
            let path = format!("/v3/OS-TRUST/trusts/{id}");
            assert_eq!(world.call(Method::DELETE, &path, &agents.bobs, None).await.status, 403);
            assert_eq!(world.call(Method::DELETE, &path, &agents.alices, None).await.status, 204);
            assert_eq!(world.validity(token).await, 401);
            assert_eq!(world.get(&path, &agents.alices).await.status, 404);
        }
        assert_eq!(world.login("bob", "secret", on_trust("nothing")).await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trust_ends_with_its_time_its_uses_and_its_trustors_roles() {
    for world in worlds().await {
        let admin = world.admin().await;
        let agents = agents(&world, &admin).await;
        let once = agents.made(&world, json!({"remaining_uses": 1})).await;
        let short = agents.made(&world, json!({"expires_at": "2026-09-21T14:14:20Z"})).await;
        let long = agents.made(&world, json!({})).await;
        let token = world.token("bob", "secret", on_trust(&once)).await;
        assert_eq!(world.login("bob", "secret", on_trust(&once)).await.status, 401);
        assert_eq!(world.validity(&token).await, 200, "the last use holds");
        let short_token = world.token("bob", "secret", on_trust(&short)).await;
        let long_token = world.token("bob", "secret", on_trust(&long)).await;
        assert_eq!(world.validity(&short_token).await, 200);
        world.clock.advance_seconds(61);
        assert_eq!(world.validity(&short_token).await, 401);
        assert_eq!(world.login("bob", "secret", on_trust(&short)).await.status, 401);
        let member = world.role(&admin, "member").await;
        let grant = format!("/v3/projects/{}/users/{}/roles/{member}", agents.project, agents.alice);
        assert_eq!(world.call(Method::DELETE, &grant, &admin, None).await.status, 204);
        assert_eq!(world.validity(&long_token).await, 401);
        assert_eq!(world.login("bob", "secret", on_trust(&long)).await.status, 403);
        assert_eq!(world.call(Method::PUT, &grant, &admin, None).await.status, 204);
        assert_eq!(world.validity(&long_token).await, 200);
        let off = json!({"user": {"enabled": false}});
        let path = format!("/v3/users/{}", agents.alice);
        assert_eq!(world.call(Method::PATCH, &path, &admin, Some(off)).await.status, 200);
        assert_eq!(world.validity(&long_token).await, 401);
        assert_eq!(world.call(Method::DELETE, &path, &admin, None).await.status, 204);
        assert_eq!(world.get(&format!("/v3/OS-TRUST/trusts/{long}"), &admin).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trust_is_redelegated_as_deep_as_it_allows() {
    for world in worlds().await {
        let admin = world.admin().await;
        let agents = agents(&world, &admin).await;
        let (carol, ..) = world.member(&admin, "carol", "reader").await;
        let first = agents.made(&world, json!({"allow_redelegation": true, "redelegation_count": 1})).await;
        let bobs = world.token("bob", "secret", on_trust(&first)).await;
        let mut body = agents.trust(json!({"allow_redelegation": true}));
        body["trust"]["trustee_user_id"] = carol.as_str().into();
        let second = world.call(Method::POST, "/v3/OS-TRUST/trusts", &bobs, Some(body.clone())).await;
        assert_eq!(second.status, 201, "{}", second.json());
        let second = second.json()["trust"].clone();
        assert_eq!((&second["redelegated_trust_id"], &second["redelegation_count"]), (&json!(first), &json!(0)));
        let carols = world.token("carol", "secret", on_trust(second["id"].as_str().unwrap())).await;
        let third = world.call(Method::POST, "/v3/OS-TRUST/trusts", &carols, Some(body.clone())).await;
        assert_eq!(third.status, 403, "{}", third.json());
        body["trust"]["roles"] = json!([{"name": "member"}]);
        assert_eq!(world.call(Method::POST, "/v3/OS-TRUST/trusts", &bobs, Some(body)).await.status, 403);
        let path = format!("/v3/OS-TRUST/trusts/{first}");
        assert_eq!(world.call(Method::DELETE, &path, &agents.alices, None).await.status, 204);
        assert_eq!(world.validity(&carols).await, 401, "what came from it went with it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trusts_are_listed_for_those_they_concern_and_bad_ones_are_refused() {
    for world in worlds().await {
        let admin = world.admin().await;
        let agents = agents(&world, &admin).await;
        agents.made(&world, json!({})).await;
        let list = async |query: String, token: &str| {
            let answer = world.get(&format!("/v3/OS-TRUST/trusts{query}"), token).await;
            (answer.status.as_u16(), answer.json()["trusts"].as_array().map_or(0, Vec::len))
        };
        assert_eq!(list(format!("?trustor_user_id={}", agents.alice), &agents.alices).await, (200, 1));
        assert_eq!(list(format!("?trustee_user_id={}", agents.bob), &agents.bobs).await, (200, 1));
        assert_eq!(list(format!("?trustee_user_id={}", agents.alice), &agents.alices).await, (200, 0));
        assert_eq!(list(format!("?trustor_user_id={}", agents.alice), &agents.bobs).await.0, 403);
        assert_eq!(list(String::new(), &agents.alices).await.0, 403);
        assert_eq!(list(String::new(), &admin).await, (200, 1));
        for (change, status) in [
            (json!({"expires_at": "bad.123Z"}), 400),
            (json!({"expires_at": "2020-01-01T00:00:00Z"}), 400),
            (json!({"remaining_uses": 0}), 400),
            (json!({"remaining_uses": 1, "allow_redelegation": true}), 400),
            (json!({"redelegation_count": 99, "allow_redelegation": true}), 403),
            (json!({"impersonation": "yes"}), 400),
            (json!({"roles": []}), 403),
            (json!({"roles": [{"name": "admin"}]}), 404),
            (json!({"roles": [{"name": "nothing"}]}), 404),
            (json!({"roles": [{"name": "reader", "id": "x"}]}), 400),
            (json!({"trustee_user_id": "nobody"}), 404),
            (json!({"project_id": "nowhere"}), 404),
            (json!({"trustor_user_id": agents.bob}), 403),
        ] {
            let answer = agents.make(&world, change.clone()).await;
            assert_eq!(answer.status, status, "{change}: {}", answer.json());
        }
    }
}
