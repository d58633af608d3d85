//! Users, projects, domains, groups, roles, catalog, credentials: life and limits.

use super::{World, worlds};
use http::Method;
use serde_json::{Value, json};

/// Makes, shows, changes, lists and deletes one thing.
async fn life(world: &World, admin: &str, collection: &str, kind: &str, new: Value, change: Value) {
    let id = world.create(admin, collection, kind, new.clone()).await;
    let path = format!("/v3/{collection}/{id}");
    let shown = world.get(&path, admin).await.json();
    for (key, value) in new.as_object().unwrap().iter().filter(|(key, _)| *key != "password") {
        assert_eq!(&shown[kind][key], value, "{collection} {key}");
    }
    assert_eq!(shown[kind]["links"]["self"], format!("http://cloud.test{path}"));
    let changed = world.call(Method::PATCH, &path, admin, Some(json!({kind: change}))).await;
    assert_eq!(changed.status, 200, "{collection}: {}", changed.json());
    for (key, value) in change.as_object().unwrap() {
        assert_eq!(&changed.json()[kind][key], value, "{collection} {key}");
    }
    let list = world.get(&format!("/v3/{collection}"), admin).await.json();
    assert!(list[collection].as_array().unwrap().iter().any(|thing| thing["id"] == id.as_str()), "{collection}");
    assert_eq!(world.call(Method::DELETE, &path, admin, None).await.status, 204, "{collection}");
    let gone = world.get(&path, admin).await;
    assert_eq!((gone.status.as_u16(), gone.json()["error"]["code"].as_u64()), (404, Some(404)), "{collection}");
}

#[tokio::test(flavor = "multi_thread")]
async fn things_are_made_shown_changed_and_deleted() {
    for world in worlds().await {
        let admin = world.admin().await;
        let admin = admin.as_str();
        let named = |name: &str| json!({"name": name, "description": "d"});
        let changed = json!({"name": "other", "description": "e"});
        life(&world, admin, "projects", "project", named("p"), changed.clone()).await;
        life(&world, admin, "groups", "group", named("g"), changed.clone()).await;
        life(&world, admin, "roles", "role", named("r"), changed.clone()).await;
        let user = json!({"name": "u", "password": "x", "email": "u@example.org", "enabled": true});
        life(&world, admin, "users", "user", user, json!({"email": "v@example.org", "enabled": false})).await;
        let domain = json!({"name": "d", "enabled": false});
        life(&world, admin, "domains", "domain", domain, json!({"description": "x"})).await;
        life(&world, admin, "regions", "region", json!({"id": "two"}), json!({"description": "x"})).await;
        let service = json!({"type": "t", "name": "n"});
        life(&world, admin, "services", "service", service.clone(), json!({"enabled": false})).await;
        let service = world.create(admin, "services", "service", service).await;
        let endpoint =
            json!({"service_id": service, "interface": "public", "url": "https://x/", "region_id": "RegionOne"});
        life(&world, admin, "endpoints", "endpoint", endpoint, json!({"url": "https://y/"})).await;
        let older = json!({"service_id": service, "interface": "public", "url": "https://x/", "region": "new-one"});
        life(&world, admin, "endpoints", "endpoint", older, json!({"region": "newer-one"})).await;
        for region in ["new-one", "newer-one"] {
            assert_eq!(world.get(&format!("/v3/regions/{region}"), admin).await.status, 200, "{region}");
        }
        let credential = json!({"type": "cert", "blob": "secret text"});
        life(&world, admin, "credentials", "credential", credential, json!({"blob": "other"})).await;
        life(&world, admin, "policies", "policy", json!({"type": "t", "blob": "b"}), json!({"blob": "c"})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_bodies_are_refused_with_keystones_words() {
    for world in worlds().await {
        let admin = world.admin().await;
        let post = |path: &'static str, body: Value| {
            let (world, admin) = (&world, admin.as_str());
            async move { world.call(Method::POST, path, admin, Some(body)).await }
        };
        for (path, body) in [
            ("/v3/users", json!({"user": {"name": ""}})),
            ("/v3/users", json!({"user": {"name": "x".repeat(256)}})),
            ("/v3/users", json!({"user": {"name": "x", "enabled": "yes"}})),
            ("/v3/users", json!({})),
            ("/v3/projects", json!({"project": {"name": "x".repeat(65)}})),
            ("/v3/projects", json!({"project": {"name": "x", "tags": ["a,b"]}})),
            ("/v3/endpoints", json!({"endpoint": {"interface": "other", "service_id": "x", "url": "https://x"}})),
            ("/v3/services", json!({"service": {"name": "x"}})),
        ] {
            let answer = post(path, body).await;
            assert_eq!(answer.status, 400, "{path}: {}", answer.json());
            assert!(answer.json()["error"]["message"].is_string());
        }
        assert_eq!(post("/v3/users", json!({"user": {"name": "twice"}})).await.status, 201);
        let twice = post("/v3/users", json!({"user": {"name": "twice"}})).await;
        assert_eq!(twice.status, 409);
        let message = "Conflict occurred attempting to store user - \
                       Duplicate entry found with name twice at domain ID default.";
        assert_eq!(twice.json()["error"]["message"], message);
        let orphan = post("/v3/users", json!({"user": {"name": "o", "domain_id": "nowhere"}})).await;
        assert_eq!(orphan.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoints_older_word_for_a_region_makes_it() {
    for world in worlds().await {
        let admin = world.admin().await;
        let service = world.create(&admin, "services", "service", json!({"type": "t", "name": "n"})).await;
        let endpoint =
            |key: &str| json!({"service_id": service, "interface": "public", "url": "https://x/", key: "new"});
        let refused = json!({"endpoint": endpoint("region_id")});
        assert_eq!(world.call(Method::POST, "/v3/endpoints", &admin, Some(refused)).await.status, 400);
        world.create(&admin, "endpoints", "endpoint", endpoint("region")).await;
        assert_eq!(world.get("/v3/regions/new", &admin).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_goes_with_all_that_it_owns_once_it_is_disabled() {
    for world in worlds().await {
        let admin = world.admin().await;
        let domain = world.create(&admin, "domains", "domain", json!({"name": "d"})).await;
        let in_domain = |name: &str| json!({"name": name, "domain_id": domain});
        let user = world.create(&admin, "users", "user", in_domain("u")).await;
        let parent = world.create(&admin, "projects", "project", in_domain("p")).await;
        let mut child = in_domain("c");
        child["parent_id"] = parent.as_str().into();
        let child = world.create(&admin, "projects", "project", child).await;
        let path = format!("/v3/domains/{domain}");
        assert_eq!(world.call(Method::DELETE, &format!("/v3/projects/{parent}"), &admin, None).await.status, 403);
        assert_eq!(world.call(Method::DELETE, &path, &admin, None).await.status, 403);
        let off = json!({"domain": {"enabled": false}});
        assert_eq!(world.call(Method::PATCH, &path, &admin, Some(off)).await.status, 200);
        assert_eq!(world.call(Method::DELETE, &path, &admin, None).await.status, 204);
        for path in [format!("/v3/users/{user}"), format!("/v3/projects/{child}"), path] {
            assert_eq!(world.get(&path, &admin).await.status, 404, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_filter_by_name_domain_and_state() {
    for world in worlds().await {
        let admin = world.admin().await;
        for name in ["alpha", "beta_1", "Betax1"] {
            world.create(&admin, "users", "user", json!({"name": name, "enabled": name != "alpha"})).await;
        }
        for (query, expected) in [
            ("name=alpha", vec!["alpha"]),
            ("name__startswith=beta_", vec!["beta_1"]),
            ("name__icontains=BETA", vec!["Betax1", "beta_1"]),
            ("enabled=false", vec!["alpha"]),
            ("domain_id=nowhere", vec![]),
            ("name=%27%20OR%201=1", vec![]),
        ] {
            let list = world.get(&format!("/v3/users?{query}"), &admin).await.json();
            let mut names: Vec<_> = list["users"].as_array().unwrap().iter().map(|u| u["name"].clone()).collect();
            names.sort_by_key(ToString::to_string);
            assert_eq!(names, expected, "{query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usual_roles_are_not_deleted_by_mistake() {
    for world in worlds().await {
        let admin = world.admin().await;
        let path = format!("/v3/roles/{}", world.role(&admin, "member").await);
        assert_eq!(world.call(Method::DELETE, &path, &admin, None).await.status, 403);
        let unlock = json!({"role": {"options": {"immutable": null}}});
        assert_eq!(world.call(Method::PATCH, &path, &admin, Some(unlock)).await.status, 200);
        assert_eq!(world.call(Method::DELETE, &path, &admin, None).await.status, 204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credentials_blob_is_sealed_in_the_database() {
    for world in worlds().await {
        let admin = world.admin().await;
        let id = world.create(&admin, "credentials", "credential", json!({"type": "cert", "blob": "plain text"})).await;
        let mut conn = world.identity.db.read().await.unwrap();
        let stored = crate::credential::store::get(&mut conn, &id).await.unwrap().unwrap();
        assert!(stored.blob.starts_with("gAAAA"), "{}", stored.blob);
    }
}
