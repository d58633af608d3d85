//! Configurations of domains.

use super::worlds;
use http::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_domains_configuration_is_made_shown_changed_and_deleted() {
    for world in worlds().await {
        let admin = world.admin().await;
        let domain = world.create(&admin, "domains", "domain", json!({"name": "d"})).await;
        let path = |rest: &str| format!("/v3/domains/{domain}/config{rest}");
        let call = async |method: Method, rest: &str, config: Option<serde_json::Value>| {
            let body = config.map(|config| json!({"config": config}));
            let answer = world.call(method, &path(rest), &admin, body).await;
            (answer.status.as_u16(), answer.json()["config"].clone())
        };
        assert_eq!(call(Method::GET, "", None).await.0, 404);
        let config = json!({"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://x", "password": "secret"}});
        let shown = json!({"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://x"}});
        assert_eq!(call(Method::PUT, "", Some(config.clone())).await, (201, shown.clone()));
        assert_eq!(call(Method::PUT, "", Some(config)).await, (200, shown.clone()));
        assert_eq!(call(Method::GET, "", None).await, (200, shown));
        assert_eq!(call(Method::GET, "/ldap", None).await, (200, json!({"ldap": {"url": "ldap://x"}})));
        assert_eq!(call(Method::GET, "/ldap/url", None).await, (200, json!({"url": "ldap://x"})));
        assert_eq!(call(Method::GET, "/ldap/user", None).await.0, 404);
        assert_eq!(call(Method::GET, "/ldap/password", None).await.0, 404, "a secret is not shown");
        assert_eq!(call(Method::GET, "/nonsense", None).await.0, 403);
        let (status, all) = call(Method::PATCH, "/identity/driver", Some(json!({"driver": "sql"}))).await;
        assert_eq!((status, &all["identity"]["driver"]), (200, &json!("sql")));
        assert_eq!(call(Method::PATCH, "/identity", Some(json!({"ldap": {"url": "x"}}))).await.0, 403);
        let id = domain.parse().unwrap();
        let options = world.identity.domain_options(&id).await.unwrap();
        assert_eq!(options["ldap"]["password"], "secret", "a back end reads it");
        assert_eq!(world.identity.domains_with_option("ldap", "url").await.unwrap(), [id]);
        assert_eq!(call(Method::DELETE, "/identity/driver", None).await.0, 204);
        assert_eq!(call(Method::DELETE, "/identity", None).await.0, 404);
        assert_eq!(call(Method::DELETE, "", None).await.0, 204);
        assert_eq!(call(Method::GET, "", None).await.0, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_are_shown_by_group_and_option() {
    let world = worlds().await.remove(0);
    let admin = world.admin().await;
    let get = async |path: &str| world.get(path, &admin).await.json()["config"].clone();
    let all = get("/v3/domains/config/default").await;
    assert!(all["identity"].as_object().unwrap().contains_key("list_limit"));
    assert_eq!(get("/v3/domains/config/ldap/default").await["ldap"], all["ldap"]);
    assert_eq!(get("/v3/domains/config/ldap/url/default").await, json!({"url": "ldap://localhost"}));
    assert_eq!(world.get("/v3/domains/config/sql/default", &admin).await.status, 403);
    let rules = get("/v3/domains/default/config/security_compliance").await;
    assert_eq!(rules["security_compliance"]["password_regex"], json!(null));
}
