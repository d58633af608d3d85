//! What operators say of federation, through the routes.

use super::{on_project, worlds};
use http::Method;
use serde_json::{Value, json};

const PROVIDERS: &str = "/v3/OS-FEDERATION/identity_providers";

fn rules() -> Value {
    json!([{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "User"}]}])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_provider_lives() {
    for world in worlds().await {
        let admin = world.admin().await;
        let call = async |method: Method, path: &str, body: Value| {
            let body = (!body.is_null()).then(|| json!({"identity_provider": body}));
            world.call(method, path, &admin, body).await
        };
        let acme = format!("{PROVIDERS}/acme");
        let made = call(Method::PUT, &acme, json!({"remote_ids": ["b", "a"], "authorization_ttl": 5})).await;
        assert_eq!(made.status, 201, "{}", made.json());
        let made = made.json()["identity_provider"].clone();
        let domain = made["domain_id"].as_str().unwrap().to_owned();
        assert_eq!(
            made,
            json!({
                "id": "acme", "domain_id": domain, "enabled": false, "description": null, "authorization_ttl": 5,
                "remote_ids": ["a", "b"],
                "links": {
                    "self": format!("http://cloud.test{acme}"),
                    "protocols": format!("http://cloud.test{acme}/protocols"),
                }
            })
        );
        let own = world.get(&format!("/v3/domains/{domain}"), &admin).await.json();
        assert_eq!(own["domain"]["description"], "Auto generated federated domain for Identity Provider: acme");
        assert_eq!(call(Method::PUT, &acme, json!({})).await.status, 409);
        assert_eq!(call(Method::PUT, &format!("{PROVIDERS}/o"), json!({"remote_ids": ["a"]})).await.status, 409);
        assert_eq!(world.get(&format!("{PROVIDERS}/o"), &admin).await.status, 404, "nothing is left of a refused one");
        assert_eq!(call(Method::PUT, &format!("{PROVIDERS}/o"), json!({"domain_id": "nowhere"})).await.status, 404);
        assert_eq!(call(Method::PUT, &format!("{PROVIDERS}/o"), json!({"domain_id": "default"})).await.status, 201);
        let changed = call(Method::PATCH, &acme, json!({"enabled": true, "remote_ids": ["c"]})).await.json();
        assert_eq!(changed["identity_provider"]["remote_ids"], json!(["c"]));
        for wrong in [
            json!({}),
            json!({"domain_id": "default"}),
            json!({"enabled": "yes"}),
            json!({"other": 1}),
            json!({"remote_ids": ["x", "x"]}),
            json!({"authorization_ttl": -1}),
        ] {
            assert_eq!(call(Method::PATCH, &acme, wrong.clone()).await.status, 400, "{wrong}");
        }
        let list = world.get(&format!("{PROVIDERS}?enabled=true"), &admin).await.json();
        assert_eq!(list["identity_providers"].as_array().unwrap().len(), 1);
        assert_eq!(list["links"]["self"], format!("http://cloud.test{PROVIDERS}"));
        assert_eq!(call(Method::DELETE, &acme, Value::Null).await.status, 204);
        let gone = call(Method::DELETE, &acme, Value::Null).await;
        assert_eq!(gone.json()["error"]["message"], "Could not find Identity Provider: acme.");
        let domain = format!("/v3/domains/{domain}");
        world.call(Method::PATCH, &domain, &admin, Some(json!({"domain": {"enabled": false}}))).await;
        assert_eq!(call(Method::DELETE, &domain, Value::Null).await.status, 204, "its domain can go, too");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_takes_its_identity_providers_along() {
    for world in worlds().await {
        let admin = world.admin().await;
        let domain = world.create(&admin, "domains", "domain", json!({"name": "partners", "enabled": false})).await;
        let body = json!({"identity_provider": {"domain_id": domain, "remote_ids": ["r"]}});
        let path = format!("{PROVIDERS}/acme");
        assert_eq!(world.call(Method::PUT, &path, &admin, Some(body)).await.status, 201);
        assert_eq!(world.call(Method::DELETE, &format!("/v3/domains/{domain}"), &admin, None).await.status, 204);
        assert_eq!(world.get(&path, &admin).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_and_a_protocol_live() {
    for world in worlds().await {
        let admin = world.admin().await;
        let call = async |method: Method, path: &str, body: Value| {
            world.call(method, path, &admin, (!body.is_null()).then_some(body)).await
        };
        let mapping = "/v3/OS-FEDERATION/mappings/m1";
        for wrong in [json!({}), json!({"mapping": {}}), json!({"mapping": {"rules": []}})] {
            assert_eq!(call(Method::PUT, mapping, wrong.clone()).await.status, 400, "{wrong}");
        }
        let made = call(Method::PUT, mapping, json!({"mapping": {"rules": rules()}})).await;
        assert_eq!(made.status, 201, "{}", made.json());
        let links = json!({"self": format!("http://cloud.test{mapping}")});
        assert_eq!(
            made.json(),
            json!({"mapping": {"id": "m1", "rules": rules(), "schema_version": "1.0", "links": links}})
        );
        assert_eq!(call(Method::PUT, mapping, json!({"mapping": {"rules": rules()}})).await.status, 409);
        let two = json!({"mapping": {"rules": rules(), "schema_version": "2.0"}});
        assert_eq!(call(Method::PATCH, mapping, two).await.json()["mapping"]["schema_version"], "2.0");
        let acme = format!("{PROVIDERS}/acme");
        assert_eq!(call(Method::PUT, &acme, json!({"identity_provider": {"enabled": true}})).await.status, 201);
        let oidc = format!("{acme}/protocols/openid");
        let body = |mapping: &str| json!({"protocol": {"mapping_id": mapping}});
        assert_eq!(call(Method::PUT, &oidc, body("nowhere")).await.status, 400);
        assert_eq!(call(Method::PUT, &format!("{PROVIDERS}/no/protocols/openid"), body("m1")).await.status, 404);
        let made = call(Method::PUT, &oidc, body("m1")).await;
        assert_eq!(made.status, 201, "{}", made.json());
        assert_eq!(made.json()["protocol"]["links"]["identity_provider"], format!("http://cloud.test{acme}"));
        assert_eq!(call(Method::PUT, &oidc, body("m1")).await.status, 409);
        let change = json!({"protocol": {"mapping_id": "m1", "remote_id_attribute": "OIDC-iss"}});
        assert_eq!(call(Method::PATCH, &oidc, change).await.json()["protocol"]["remote_id_attribute"], "OIDC-iss");
        let list = call(Method::GET, &format!("{acme}/protocols"), Value::Null).await.json();
        assert_eq!(list["protocols"][0]["id"], "openid");
        assert_eq!(call(Method::DELETE, &oidc, Value::Null).await.status, 204);
        assert_eq!(
            call(Method::GET, &oidc, Value::Null).await.json()["error"]["message"],
            "Could not find federated protocol: openid for Identity Provider: acme."
        );
        assert_eq!(call(Method::DELETE, mapping, Value::Null).await.status, 204);
        assert_eq!(call(Method::GET, mapping, Value::Null).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_provider_lives() {
    for world in worlds().await {
        let admin = world.admin().await;
        let path = "/v3/OS-FEDERATION/service_providers/beta";
        let call = async |method: Method, body: Value| {
            let body = (!body.is_null()).then(|| json!({"service_provider": body}));
            world.call(method, path, &admin, body).await
        };
        let (auth, sp) = ("https://beta.test/v3/auth", "https://beta.test/ECP");
        for wrong in [json!({}), json!({"auth_url": auth}), json!({"auth_url": "no url", "sp_url": sp})] {
            assert_eq!(call(Method::PUT, wrong.clone()).await.status, 400, "{wrong}");
        }
        let made = call(Method::PUT, json!({"auth_url": auth, "sp_url": sp})).await;
        assert_eq!(made.status, 201, "{}", made.json());
        let expected = json!({
            "id": "beta", "auth_url": auth, "sp_url": sp, "enabled": false, "description": null,
            "relay_state_prefix": "ss:mem:", "links": {"self": format!("http://cloud.test{path}")},
        });
        assert_eq!(made.json()["service_provider"], expected);
        assert_eq!(call(Method::PATCH, json!({"enabled": true})).await.json()["service_provider"]["enabled"], true);
        let list = world.get("/v3/OS-FEDERATION/service_providers?id=beta", &admin).await.json();
        assert_eq!(list["service_providers"].as_array().unwrap().len(), 1);
        let token = world.login("admin", "secret", on_project("admin")).await.json();
        let listed = json!([{"id": "beta", "auth_url": auth, "sp_url": sp}]);
        assert_eq!(token["token"]["service_providers"], listed);
        assert_eq!(call(Method::DELETE, Value::Null).await.status, 204);
        assert_eq!(call(Method::DELETE, Value::Null).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ones_own_projects_have_federations_names_too() {
    for world in worlds().await {
        let admin = world.admin().await;
        world.member(&admin, "alice", "member").await;
        let alice = world.token("alice", "secret", on_project("alice")).await;
        let projects = world.get("/v3/OS-FEDERATION/projects", &alice).await.json();
        assert_eq!(projects["projects"][0]["name"], "alice");
        assert_eq!(world.get("/v3/OS-FEDERATION/domains", &alice).await.json()["domains"], json!([]));
        assert_eq!(world.get("/v3/OS-FEDERATION/projects", "").await.status, 401);
    }
}
