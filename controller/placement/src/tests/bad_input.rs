//! Queries, ids and versions that nobody should send: the right status and upstream's body.

use super::worlds;
use controller_web::testing::{Answer, call_with};
use http::Method;

fn refused(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.json());
    let error = &answer.json()["errors"][0];
    assert_eq!(error["status"], status, "{what}");
    assert!(error["detail"].is_string() && error["title"].is_string() && error["request_id"].is_string(), "{what}");
}

#[tokio::test]
async fn nonsense_in_paths_and_queries_is_refused() {
    for world in worlds().await {
        let id = world.host("a", 4096).await.id;
        let long = "x".repeat(256);
        for (path, status) in [
            ("/resource_providers/x".to_owned(), 404),
            (format!("/resource_providers/{}", controller_base::id::HostId::random()), 404),
            (format!("/resource_providers/{id}/inventories/vcpu"), 404),
            (format!("/resource_providers/{id}/inventories/PCPU"), 404),
            ("/resource_providers/x/inventories".to_owned(), 404),
            ("/resource_providers/x/usages".to_owned(), 404),
            ("/resource_providers/x/allocations".to_owned(), 404),
            ("/resource_providers/x/aggregates".to_owned(), 404),
            ("/resource_providers/x/traits".to_owned(), 404),
            ("/resource_providers/%00".to_owned(), 400),
            ("/resource_providers?nonsense=1".to_owned(), 400),
            ("/resource_providers?uuid=x".to_owned(), 400),
            ("/resource_providers?resources=VCPU".to_owned(), 400),
            ("/resource_providers?required=HW_CPU_X86_VMX".to_owned(), 400),
            ("/traits?name=COMPUTE".to_owned(), 400),
            ("/traits?associated=maybe".to_owned(), 400),
            ("/traits/HW_CPU_X86_VMX".to_owned(), 404),
            ("/resource_classes/CUSTOM_X".to_owned(), 404),
            ("/usages".to_owned(), 400),
            ("/usages?project_id=".to_owned(), 400),
            (format!("/usages?project_id={long}"), 400),
            ("/usages?project_id=p1&consumer_type=lower".to_owned(), 400),
            ("/allocation_candidates".to_owned(), 400),
            ("/allocation_candidates?resources=CUSTOM_X:1".to_owned(), 400),
            ("/nowhere".to_owned(), 404),
        ] {
            refused(&world.get(&path, "1.39").await, status, &path);
        }
    }
}

#[tokio::test]
async fn versions_that_there_are_not_are_refused_with_those_that_there_are() {
    let world = worlds().await.remove(0);
    let answer = world.get("/", "1.40").await;
    refused(&answer, 406, "1.40");
    let error = &answer.json()["errors"][0];
    assert_eq!((error["min_version"].as_str(), error["max_version"].as_str()), (Some("1.0"), Some("1.39")));
    refused(&world.get("/", "one").await, 400, "one");
    let other = [("openstack-api-version", "compute 2.96")];
    let answer = call_with(&world.router, Method::GET, "/", "", &other, None).await;
    assert_eq!(answer.header("openstack-api-version"), Some("placement 1.0"), "another service's version is none");
}

#[tokio::test]
async fn routes_and_parameters_begin_with_their_microversion() {
    let world = worlds().await.remove(0);
    let id = world.host("a", 4096).await.id;
    for (path, minor, before) in [
        (format!("/resource_providers/{id}/aggregates"), 1, 404),
        ("/resource_classes".to_owned(), 2, 404),
        ("/resource_classes/VCPU".to_owned(), 2, 404),
        ("/traits".to_owned(), 6, 404),
        ("/traits/COMPUTE_NODE".to_owned(), 6, 404),
        (format!("/resource_providers/{id}/traits"), 6, 404),
        ("/usages?project_id=p1".to_owned(), 9, 404),
        ("/allocation_candidates?resources=VCPU:1".to_owned(), 10, 404),
        (format!("/resource_providers?member_of={id}"), 3, 400),
        ("/resource_providers?resources=VCPU:1".to_owned(), 4, 400),
        (format!("/resource_providers?in_tree={id}"), 14, 400),
        ("/resource_providers?required=COMPUTE_NODE".to_owned(), 18, 400),
    ] {
        refused(&world.get(&path, &format!("1.{}", minor - 1)).await, before, &path);
        assert!(world.get(&path, &format!("1.{minor}")).await.status.is_success(), "{path}");
    }
}
