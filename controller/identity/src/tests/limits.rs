//! Limits and registered limits.

use super::{World, on_project, worlds};
use crate::LimitModel;
use http::Method;
use serde_json::{Value, json};

async fn post(world: &World, admin: &str, path: &str, body: Value) -> (u16, Value) {
    let answer = world.call(Method::POST, path, admin, Some(body)).await;
    (answer.status.as_u16(), answer.json())
}

async fn service(world: &World, admin: &str) -> String {
    world.create(admin, "services", "service", json!({"type": "compute", "name": "nova"})).await
}

fn registered(service: &str, default: i64) -> Value {
    json!({"registered_limits": [{"service_id": service, "resource_name": "cores", "default_limit": default}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_needs_a_registered_one_and_keeps_it() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (_, project, _) = world.member(&admin, "alice", "member").await;
        let service = service(&world, &admin).await;
        let limit = |resource: i64| {
            json!({"limits": [{"project_id": project, "service_id": service, "resource_name": "cores",
                "resource_limit": resource}]})
        };
        assert_eq!(post(&world, &admin, "/v3/limits", limit(5)).await.0, 403, "nothing is registered");
        let (status, made) = post(&world, &admin, "/v3/registered_limits", registered(&service, 10)).await;
        assert_eq!(status, 201, "{made}");
        let base = made["registered_limits"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(post(&world, &admin, "/v3/registered_limits", registered(&service, 10)).await.0, 409);
        assert_eq!(post(&world, &admin, "/v3/registered_limits", registered("nothing", 10)).await.0, 400);
        assert_eq!(post(&world, &admin, "/v3/registered_limits", registered(&service, -2)).await.0, 400);
        let (status, made) = post(&world, &admin, "/v3/limits", limit(5)).await;
        assert_eq!(status, 201, "{made}");
        let own = made["limits"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(made["limits"][0]["domain_id"], Value::Null);
        assert_eq!(post(&world, &admin, "/v3/limits", limit(6)).await.0, 409);
        let unknown = json!({"limits": [{"project_id": project, "service_id": service, "resource_name": "cores",
            "resource_limit": 1, "more": 1}]});
        assert_eq!(post(&world, &admin, "/v3/limits", unknown).await.0, 400);
        let base = format!("/v3/registered_limits/{base}");
        assert_eq!(world.call(Method::DELETE, &base, &admin, None).await.status, 403, "it is in use");
        let change = json!({"registered_limit": {"default_limit": 20}});
        assert_eq!(world.call(Method::PATCH, &base, &admin, Some(change)).await.status, 200);
        let rename = json!({"registered_limit": {"resource_name": "other"}});
        assert_eq!(world.call(Method::PATCH, &base, &admin, Some(rename)).await.status, 403);

        let alice = world.token("alice", "secret", on_project("alice")).await;
        let list = world.get("/v3/limits?project_id=other", &alice).await.json();
        assert_eq!(list["limits"].as_array().unwrap().len(), 1, "one's own, whatever is asked for");
        let own = format!("/v3/limits/{own}");
        assert_eq!(world.get(&own, &alice).await.status, 200);
        world.member(&admin, "bob", "member").await;
        let bob = world.token("bob", "secret", on_project("bob")).await;
        assert_eq!(world.get(&own, &bob).await.status, 403);
        assert_eq!(world.get("/v3/limits", &bob).await.json()["limits"], json!([]));
        let change = json!({"limit": {"resource_limit": 7}});
        let changed = world.call(Method::PATCH, &own, &admin, Some(change)).await.json();
        assert_eq!(changed["limit"]["resource_limit"], 7);
        assert_eq!(world.call(Method::DELETE, &own, &admin, None).await.status, 204);
        assert_eq!(world.call(Method::DELETE, &base, &admin, None).await.status, 204);
        assert_eq!(world.get("/v3/limits/model", &alice).await.json()["model"]["name"], "flat");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_levels_no_project_gets_more_than_its_domain() {
    for mut world in worlds().await {
        world.reopen(|identity| identity.limit_model = LimitModel::StrictTwoLevel);
        let admin = world.admin().await;
        let service = service(&world, &admin).await;
        assert_eq!(post(&world, &admin, "/v3/registered_limits", registered(&service, 10)).await.0, 201);
        let domain = world.create(&admin, "domains", "domain", json!({"name": "d"})).await;
        let project = world.create(&admin, "projects", "project", json!({"name": "p", "domain_id": domain})).await;
        let deeper = json!({"project": {"name": "q", "domain_id": domain, "parent_id": project}});
        assert_eq!(post(&world, &admin, "/v3/projects", deeper).await.0, 403, "two levels, not three");
        let limit = |owner: &str, id: &str, resource: i64| json!({"limits": [{owner: id, "service_id": service, "resource_name": "cores", "resource_limit": resource}]});
        assert_eq!(post(&world, &admin, "/v3/limits", limit("project_id", &project, 11)).await.0, 403);
        assert_eq!(post(&world, &admin, "/v3/limits", limit("domain_id", &domain, 20)).await.0, 201);
        let (status, made) = post(&world, &admin, "/v3/limits", limit("project_id", &project, 15)).await;
        assert_eq!(status, 201);
        let own = format!("/v3/limits/{}", made["limits"][0]["id"].as_str().unwrap());
        let more = json!({"limit": {"resource_limit": 21}});
        assert_eq!(world.call(Method::PATCH, &own, &admin, Some(more)).await.status, 403);
        assert_eq!(world.get(&own, &admin).await.json()["limit"]["resource_limit"], 15, "nothing changed");
        assert_eq!(world.get("/v3/limits/model", &admin).await.json()["model"]["name"], "strict_two_level");
    }
}
