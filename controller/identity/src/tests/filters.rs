//! What projects see of the catalog, policy blobs of endpoints, consumers.

use super::{World, on_project, worlds};
use http::Method;
use serde_json::{Value, json};

async fn endpoint(world: &World, admin: &str, service: &str, interface: &str) -> String {
    let body = json!({"service_id": service, "interface": interface, "url": "https://x/", "region_id": "RegionOne"});
    world.create(admin, "endpoints", "endpoint", body).await
}

async fn status(world: &World, admin: &str, method: Method, path: &str) -> u16 {
    world.call(method, path, admin, None).await.status.as_u16()
}

/// Ids of the endpoints in the catalog of a fresh token.
async fn catalog(world: &World, user: &str) -> Vec<String> {
    let token = world.login(user, "secret", on_project(user)).await.json();
    let services = token["token"]["catalog"].as_array().unwrap();
    let all = services.iter().flat_map(|service| service["endpoints"].as_array().unwrap());
    all.map(|endpoint| endpoint["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_sees_what_it_was_given_or_all() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (_, project, _) = world.member(&admin, "alice", "member").await;
        let service = world.create(&admin, "services", "service", json!({"type": "t", "name": "n"})).await;
        let public = endpoint(&world, &admin, &service, "public").await;
        let internal = endpoint(&world, &admin, &service, "internal").await;
        assert!(catalog(&world, "alice").await.len() > 2);
        let given = format!("/v3/OS-EP-FILTER/projects/{project}/endpoints/{public}");
        assert_eq!(status(&world, &admin, Method::HEAD, &given).await, 404);
        assert_eq!(status(&world, &admin, Method::PUT, &given).await, 204);
        assert_eq!(status(&world, &admin, Method::HEAD, &given).await, 204);
        assert_eq!(catalog(&world, "alice").await, [public.as_str()]);
        let projects = world.get(&format!("/v3/OS-EP-FILTER/endpoints/{public}/projects"), &admin).await.json();
        assert_eq!(projects["projects"][0]["id"], project.as_str());

        let group = json!({"name": "g", "filters": {"service_id": service, "interface": "internal"}});
        let group = world.create(&admin, "OS-EP-FILTER/endpoint_groups", "endpoint_group", group).await;
        let bad = json!({"endpoint_group": {"name": "g", "filters": {"url": "x"}}});
        assert_eq!(world.call(Method::POST, "/v3/OS-EP-FILTER/endpoint_groups", &admin, Some(bad)).await.status, 400);
        let inside = world.get(&format!("/v3/OS-EP-FILTER/endpoint_groups/{group}/endpoints"), &admin).await.json();
        assert_eq!(inside["endpoints"][0]["id"], internal.as_str());
        let path = format!("/v3/OS-EP-FILTER/endpoint_groups/{group}/projects/{project}");
        assert_eq!(status(&world, &admin, Method::PUT, &path).await, 204);
        assert_eq!(world.get(&path, &admin).await.json()["endpoint_group"]["id"], group.as_str());
        assert_eq!(catalog(&world, "alice").await.len(), 2);
        assert_eq!(status(&world, &admin, Method::DELETE, &given).await, 204);
        assert_eq!(catalog(&world, "alice").await, [internal.as_str()]);
        assert_eq!(status(&world, &admin, Method::DELETE, &format!("/v3/endpoints/{internal}")).await, 204);
        assert!(catalog(&world, "alice").await.len() > 2, "nothing is left of what was given");
        assert_eq!(status(&world, &admin, Method::DELETE, &path).await, 204);
        assert_eq!(status(&world, &admin, Method::DELETE, &path).await, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nearest_policy_blob_holds_for_an_endpoint() {
    for world in worlds().await {
        let admin = world.admin().await;
        let mut blobs = Vec::new();
        for name in ["service", "region", "endpoint"] {
            blobs.push(world.create(&admin, "policies", "policy", json!({"type": name, "blob": "b"})).await);
        }
        let inner = json!({"id": "inner", "parent_region_id": "RegionOne"});
        world.create(&admin, "regions", "region", inner).await;
        let service = world.create(&admin, "services", "service", json!({"type": "t", "name": "n"})).await;
        let body = json!({"service_id": service, "interface": "public", "url": "https://x/", "region_id": "inner"});
        let endpoint = world.create(&admin, "endpoints", "endpoint", body).await;
        let holding = format!("/v3/endpoints/{endpoint}/OS-ENDPOINT-POLICY/policy");
        assert_eq!(world.get(&holding, &admin).await.status, 404);
        let places = [
            format!("services/{service}"),
            format!("services/{service}/regions/RegionOne"),
            format!("endpoints/{endpoint}"),
        ];
        for (blob, place) in blobs.iter().zip(&places) {
            let path = format!("/v3/policies/{blob}/OS-ENDPOINT-POLICY/{place}");
            assert_eq!(status(&world, &admin, Method::GET, &path).await, 404, "{path}");
            assert_eq!(status(&world, &admin, Method::PUT, &path).await, 204, "{path}");
            assert_eq!(status(&world, &admin, Method::GET, &path).await, 204, "{path}");
            assert_eq!(world.get(&holding, &admin).await.json()["policy"]["id"], blob.as_str(), "{path}");
            let all = world.get(&format!("/v3/policies/{blob}/OS-ENDPOINT-POLICY/endpoints"), &admin).await.json();
            assert_eq!(all["endpoints"][0]["id"], endpoint.as_str());
        }
        let path = format!("/v3/policies/{}/OS-ENDPOINT-POLICY/{}", blobs[2], places[2]);
        assert_eq!(status(&world, &admin, Method::DELETE, &path).await, 204);
        assert_eq!(world.get(&holding, &admin).await.json()["policy"]["id"], blobs[1].as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumers_secret_is_shown_once() {
    for world in worlds().await {
        let admin = world.admin().await;
        let path = "/v3/OS-OAUTH1/consumers";
        let made = world.call(Method::POST, path, &admin, Some(json!({"consumer": {"description": "d"}}))).await;
        assert_eq!(made.status, 201);
        let made = made.json()["consumer"].clone();
        assert!(made["secret"].as_str().is_some_and(|secret| secret.len() > 30));
        let one = format!("{path}/{}", made["id"].as_str().unwrap());
        let shown = world.get(&one, &admin).await.json()["consumer"].clone();
        assert_eq!((&shown["description"], &shown["secret"]), (&json!("d"), &Value::Null));
        let change = |consumer: Value| world.call(Method::PATCH, &one, &admin, Some(json!({"consumer": consumer})));
        assert_eq!(change(json!({"secret": "mine"})).await.status, 400);
        assert_eq!(change(json!({"description": "e"})).await.json()["consumer"]["description"], "e");
        assert_eq!(world.get(path, &admin).await.json()["consumers"].as_array().unwrap().len(), 1);
        assert_eq!(status(&world, &admin, Method::DELETE, &one).await, 204);
        assert_eq!(status(&world, &admin, Method::GET, &one).await, 404);
    }
}
