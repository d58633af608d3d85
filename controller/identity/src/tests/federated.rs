//! Users who come from elsewhere, with a protocol that believes whatever it is told.

use super::{World, worlds};
use crate::federation::{
    FederationSettings,
    assertion::{Assertion, FederationProtocol, Journey, ProofError, Protocols},
    mapping::rules::Attributes,
};
use async_trait::async_trait;
use controller_base::Timestamp;
use controller_web::testing::{Answer, call_with};
use http::Method;
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc};

const ORIGIN: &str = "https://horizon.test/auth/websso/";
const ACME: &str = "/v3/OS-FEDERATION/identity_providers/acme";

/// `Bearer {"attribute": ["value"]}`.
#[derive(Debug)]
struct Believer;

fn believe(text: &str) -> Result<Assertion, ProofError> {
    let attributes: Attributes = serde_json::from_str(text).map_err(|error| ProofError::Refused(error.to_string()))?;
    Ok(Assertion { attributes, remote_user: None })
}

#[async_trait]
impl FederationProtocol for Believer {
    async fn by_header(&self, authorization: &str, _: Timestamp) -> Result<Assertion, ProofError> {
        believe(authorization.strip_prefix("Bearer ").unwrap_or_default())
    }

    async fn send_off(&self, callback: &str, state: &str) -> Result<Journey, ProofError> {
        let location = format!("https://idp.test/authorize?back={callback}&state={state}");
        Ok(Journey { location, memory: json!({"nonce": "n1"}) })
    }

    async fn by_answer(
        &self,
        answer: &HashMap<String, String>,
        callback: &str,
        memory: &Value,
        _: Timestamp,
    ) -> Result<Assertion, ProofError> {
        assert_eq!(callback, "http://cloud.test/v3/OS-FEDERATION/oidc/callback");
        assert_eq!(memory["nonce"], "n1");
        believe(answer.get("code").map_or("", String::as_str))
    }
}

/// What all worlds of these tests have.
pub(super) fn settings() -> FederationSettings {
    let key = ("acme".parse().unwrap(), "mapped".parse().unwrap());
    let believer: Arc<dyn FederationProtocol> = Arc::new(Believer);
    FederationSettings {
        protocols: Protocols::new([(key, believer)]),
        trusted_dashboards: vec![ORIGIN.to_owned()],
        ..FederationSettings::default()
    }
}

impl World {
    async fn put(&self, admin: &str, path: &str, body: Value) {
        let answer = self.call(Method::PUT, path, admin, Some(body)).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.json());
    }

    /// Provider `acme` in the domain `default`, with this mapping.
    async fn trust_acme(&self, admin: &str, provider: Value, mapping: Value) {
        self.put(admin, "/v3/OS-FEDERATION/mappings/m", json!({"mapping": mapping})).await;
        self.put(admin, ACME, json!({"identity_provider": provider})).await;
        self.put(admin, &format!("{ACME}/protocols/mapped"), json!({"protocol": {"mapping_id": "m"}})).await;
    }

    async fn come(&self, attributes: Value) -> Answer {
        let headers = [("authorization", format!("Bearer {attributes}"))];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        call_with(&self.router, Method::POST, &format!("{ACME}/protocols/mapped/auth"), "", &headers, None).await
    }

    async fn remap(&self, admin: &str, mapping: Value) {
        let path = "/v3/OS-FEDERATION/mappings/m";
        let answer = self.call(Method::PATCH, path, admin, Some(json!({"mapping": mapping}))).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
    }

    async fn rescope(&self, token: &str, scope: Value) -> Answer {
        let identity = json!({"methods": ["token"], "token": {"id": token}});
        let body = json!({"auth": {"identity": identity, "scope": scope}});
        self.call(Method::POST, "/v3/auth/tokens", "", Some(body)).await
    }
}

fn in_default() -> Value {
    json!({"enabled": true, "domain_id": "default", "authorization_ttl": 5})
}

fn by_groups() -> Value {
    json!({"rules": [
        {"remote": [{"type": "Name"}, {"type": "Mail"}], "local": [{"user": {"name": "{0}", "email": "{1}"}}]},
        {"remote": [{"type": "Groups"}], "local": [{"groups": "{0}", "domain": {"id": "default"}}]}
    ]})
}

fn bob(groups: &[&str]) -> Value {
    json!({"Name": ["bob"], "Mail": ["bob@acme.test"], "Groups": groups})
}

/// A project where a group `dev` has role member: ids of both.
async fn dev(world: &World, admin: &str) -> (String, String) {
    let project = world.create(admin, "projects", "project", json!({"name": "p"})).await;
    let group = world.create(admin, "groups", "group", json!({"name": "dev"})).await;
    let role = world.role(admin, "member").await;
    let grant = format!("/v3/projects/{project}/groups/{group}/roles/{role}");
    assert_eq!(world.call(Method::PUT, &grant, admin, None).await.status, 204);
    (project, group)
}

fn text(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.header("x-subject-token").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_gets_an_unscoped_token_and_scopes_it_by_groups() {
    for world in worlds().await {
        let admin = world.admin().await;
        world.trust_acme(&admin, in_default(), by_groups()).await;
        let (project, group) = dev(&world, &admin).await;
        let came = world.come(bob(&["dev", "unknown"])).await;
        let unscoped = text(&came);
        let token = came.json()["token"].clone();
        let id = crate::federation::shadow::public_id(&"default".parse().unwrap(), "user", "bob");
        assert_eq!(token["methods"], json!(["mapped"]));
        assert_eq!(
            token["user"],
            json!({
                "id": id, "name": "bob", "domain": {"id": "default", "name": "Default"},
                "OS-FEDERATION": {"identity_provider": {"id": "acme"}, "protocol": {"id": "mapped"},
                    "groups": [{"id": group}]}
            })
        );
        let own = world.get("/v3/OS-FEDERATION/projects", &unscoped).await.json();
        assert_eq!(own["projects"][0]["id"], project.as_str());
        let scoped = world.rescope(&unscoped, json!({"project": {"id": project}})).await;
        let scoped_text = text(&scoped);
        let roles: Vec<_> =
            scoped.json()["token"]["roles"].as_array().unwrap().iter().map(|r| r["name"].clone()).collect();
        assert_eq!(roles, ["member", "reader"]);
        assert_eq!(scoped.json()["token"]["user"]["OS-FEDERATION"]["protocol"]["id"], "mapped");
        assert_eq!(scoped.json()["token"]["expires_at"], token["expires_at"], "scoping makes no token last longer");
        let user = world.get(&format!("/v3/users/{id}"), &admin).await.json();
        assert_eq!((&user["user"]["email"], &user["user"]["enabled"]), (&json!("bob@acme.test"), &json!(true)));
        let again = world.come(bob(&["dev"])).await.json();
        assert_eq!(again["token"]["user"]["id"], id.as_str());
        assert_eq!(world.login("bob", "", Value::Null).await.status, 401, "no password opens the account");
        let disable = json!({"identity_provider": {"enabled": false}});
        assert_eq!(world.validity(&scoped_text).await, 200);
        assert_eq!(world.call(Method::PATCH, ACME, &admin, Some(disable)).await.status, 200);
        assert_eq!(world.validity(&scoped_text).await, 401, "a provider that is not trusted any more");
        assert_eq!(world.come(bob(&["dev"])).await.status, 403);
        assert_eq!(world.call(Method::DELETE, ACME, &admin, None).await.status, 204);
        assert_eq!(world.get(&format!("/v3/users/{id}"), &admin).await.status, 404, "its users go with it");
        assert_eq!(world.come(bob(&["dev"])).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memberships_last_as_long_as_the_provider_says() {
    for world in worlds().await {
        let admin = world.admin().await;
        world.trust_acme(&admin, in_default(), by_groups()).await;
        let (project, group) = dev(&world, &admin).await;
        let plain = text(&world.come(bob(&[])).await);
        assert_eq!(world.rescope(&plain, json!({"project": {"id": project}})).await.status, 401);
        let came = world.come(bob(&["dev"])).await;
        let user = came.json()["token"]["user"]["id"].as_str().unwrap().to_owned();
        let path = format!("/v3/groups/{group}/users/{user}");
        assert_eq!(world.call(Method::HEAD, &path, &admin, None).await.status, 204);
        world.clock.advance_seconds(299);
        world.identity.end_memberships().await.unwrap();
        assert_eq!(world.call(Method::HEAD, &path, &admin, None).await.status, 204);
        world.come(bob(&["dev"])).await;
        world.clock.advance_seconds(299);
        world.identity.end_memberships().await.unwrap();
        assert_eq!(world.call(Method::HEAD, &path, &admin, None).await.status, 204, "a login renews it");
        world.clock.advance_seconds(2);
        world.identity.end_memberships().await.unwrap();
        assert_eq!(world.call(Method::HEAD, &path, &admin, None).await.status, 404);
        let last = text(&world.come(bob(&["dev"])).await);
        world.clock.advance_seconds(2);
        text(&world.come(bob(&[])).await);
        assert_eq!(world.call(Method::HEAD, &path, &admin, None).await.status, 404, "the provider took it away");
        assert_eq!(world.validity(&last).await, 401, "with the tokens that say otherwise");
        world.put(&admin, &path, Value::Null).await;
        world.come(bob(&[])).await;
        assert_eq!(world.call(Method::HEAD, &path, &admin, None).await.status, 204, "an operator's own stays");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_are_provided_and_kept_in_step() {
    for world in worlds().await {
        let admin = world.admin().await;
        let rules = |roles: Value| {
            json!({"rules": [{"remote": [{"type": "Name"}],
                "local": [{"user": {"name": "{0}"}, "projects": [{"name": "{0}'s", "roles": roles}]}]}]})
        };
        let version = |number: &str, roles: Value| {
            let mut mapping = rules(roles);
            mapping["schema_version"] = number.into();
            mapping
        };
        world.trust_acme(&admin, in_default(), version("1.0", json!([{"name": "nonsense"}]))).await;
        assert_eq!(world.come(json!({"Name": ["bob"]})).await.status, 404);
        let users = world.get("/v3/users?name=bob", &admin).await.json();
        assert_eq!(users["users"], json!([]), "nothing is made when a role does not exist");
        world.remap(&admin, version("1.0", json!([{"name": "member"}]))).await;
        let token = text(&world.come(json!({"Name": ["bob"]})).await);
        let projects = world.get("/v3/auth/projects", &token).await.json();
        assert_eq!(projects["projects"][0]["name"], "bob's");
        let project = projects["projects"][0]["id"].as_str().unwrap().to_owned();
        let roles = async |token: &str| {
            let scoped = world.rescope(token, json!({"project": {"id": project}})).await.json();
            scoped["token"]["roles"].as_array().map_or(0, Vec::len)
        };
        assert_eq!(roles(&token).await, 2);
        world.remap(&admin, version("2.0", json!([{"name": "reader"}]))).await;
        let token = text(&world.come(json!({"Name": ["bob"]})).await);
        assert_eq!(roles(&token).await, 2, "before version 3.0 roles are only added");
        world.remap(&admin, version("3.0", json!([{"name": "reader"}]))).await;
        let token = text(&world.come(json!({"Name": ["bob"]})).await);
        assert_eq!(roles(&token).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_must_call_itself_what_it_is_called() {
    for world in worlds().await {
        let admin = world.admin().await;
        let mut provider = in_default();
        provider["remote_ids"] = json!(["https://acme.test"]);
        world.trust_acme(&admin, provider, by_groups()).await;
        let path = format!("{ACME}/protocols/mapped");
        let protocol = json!({"protocol": {"mapping_id": "m", "remote_id_attribute": "Iss"}});
        assert_eq!(world.call(Method::PATCH, &path, &admin, Some(protocol)).await.status, 200);
        let with = |issuer: Value| {
            let mut attributes = bob(&[]);
            attributes["Iss"] = issuer;
            attributes
        };
        assert_eq!(world.come(bob(&[])).await.status, 401);
        assert_eq!(world.come(with(json!(["https://evil.test"]))).await.status, 403);
        assert_eq!(world.come(with(json!(["https://acme.test", "https://evil.test"]))).await.status, 403);
        assert_eq!(world.come(with(json!(["https://acme.test"]))).await.status, 201);
        assert_eq!(world.come(json!({"Iss": ["https://acme.test"]})).await.status, 401, "no rule applies");
        assert_eq!(world.come(json!("nonsense")).await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_may_name_users_of_this_cloud() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (alice, project, _) = world.member(&admin, "alice", "member").await;
        let local = json!([{"user": {"name": "{0}", "type": "local", "domain": {"id": "default"}}}]);
        let mapping = json!({"rules": [{"remote": [{"type": "Name"}], "local": local}]});
        world.trust_acme(&admin, in_default(), mapping).await;
        let came = world.come(json!({"Name": ["alice"]})).await;
        let token = text(&came);
        assert_eq!(came.json()["token"]["user"]["id"], alice.as_str());
        assert!(came.json()["token"]["user"].get("OS-FEDERATION").is_none());
        assert_eq!(world.rescope(&token, json!({"project": {"id": project}})).await.status, 201);
        assert_eq!(world.come(json!({"Name": ["nobody"]})).await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_does_not_make_one_the_other() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (own, _, _) = world.member(&admin, "bob", "member").await;
        world.trust_acme(&admin, in_default(), by_groups()).await;
        let came = world.come(bob(&[])).await.json();
        assert_eq!(came["token"]["user"]["name"], "bob@acme");
        assert_ne!(came["token"]["user"]["id"], own.as_str());
        let again = world.come(bob(&[])).await.json();
        assert_eq!(again["token"]["user"]["id"], came["token"]["user"]["id"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_goes_to_the_provider_and_back_to_the_dashboard() {
    for world in worlds().await {
        let admin = world.admin().await;
        world.trust_acme(&admin, in_default(), by_groups()).await;
        let start = "/v3/auth/OS-FEDERATION/identity_providers/acme/protocols/mapped/websso";
        assert_eq!(world.get(start, "").await.status, 400);
        assert_eq!(world.get(&format!("{start}?origin=https://evil.test/"), "").await.status, 401);
        for path in [start, "/v3/auth/OS-FEDERATION/websso/mapped"] {
            let sent = world.get(&format!("{path}?origin={ORIGIN}"), "").await;
            assert_eq!(sent.status, 302, "{}", sent.json());
            let state = sent.header("location").unwrap().rsplit_once("state=").unwrap().1.to_owned();
            let cookie = sent.header("set-cookie").unwrap();
            assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
            let cookie = cookie.split(';').next().unwrap().to_owned();
            let code = percent_encoding::utf8_percent_encode(&bob(&[]).to_string(), percent_encoding::NON_ALPHANUMERIC)
                .to_string();
            let back = async |state: &str, cookie: &str| {
                let path = format!("/v3/OS-FEDERATION/oidc/callback?state={state}&code={code}");
                call_with(&world.router, Method::GET, &path, "", &[("cookie", cookie)], None).await
            };
            assert_eq!(back("other", &cookie).await.status, 401);
            assert_eq!(back(&state, "").await.status, 401, "another browser");
            assert_eq!(back(&state, &format!("humilis_websso={admin}")).await.status, 401);
            let page = back(&state, &cookie).await;
            assert_eq!(page.status, 200);
            assert_eq!(page.header("cache-control"), Some("no-store"));
            let html = String::from_utf8(page.bytes.clone()).unwrap();
            assert!(html.contains(&format!("action=\"{ORIGIN}\"")), "{html}");
            let token = html.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
            assert_eq!(world.validity(token).await, 200);
            assert_eq!(world.get("/v3/users", cookie.split_once('=').unwrap().1).await.status, 401, "no token");
            world.clock.advance_seconds(601);
            assert_eq!(back(&state, &cookie).await.status, 401, "too late");
        }
    }
}
