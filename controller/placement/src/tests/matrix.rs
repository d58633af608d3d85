//! Who may call what.

use super::{policy, worlds};
use controller_web::{Access, testing::call};
use http::Method;

#[test]
fn every_route_names_rules_that_exist_and_none_writes() {
    let rules = policy().of("placement");
    let table = crate::routes();
    for route in table.table() {
        assert_eq!(route.method, Method::GET, "{}: what writes needs an event", route.path);
        assert!(route.access.rules().iter().all(|rule| rules.has(rule)), "{}", route.path);
        assert_eq!(route.access == Access::Public, route.path == "/", "{}", route.path);
    }
    let reachable: Vec<_> = table.table().iter().flat_map(|route| route.access.rules()).collect();
    for rule in crate::policy::rules().iter().filter(|rule| rule.name.starts_with("placement:")) {
        assert!(reachable.contains(&&rule.name), "{} guards nothing", rule.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_for_administrators_and_services_and_a_projects_usage_for_its_readers() {
    for world in worlds().await {
        let host = world.host("a", 4096).await;
        for route in crate::routes().table().iter().filter(|route| route.access != Access::Public) {
            let path = route.path.replace("{uuid}", &host.id.to_string()).replace("{resource_class}", "VCPU");
            let path = match route.path {
                "/usages" => "/usages?project_id=p1".to_owned(),
                "/allocation_candidates" => format!("{path}?resources=VCPU:1"),
                "/traits/{name}" => "/traits/COMPUTE_NODE".to_owned(),
                "/resource_classes/{name}" => "/resource_classes/VCPU".to_owned(),
                _ => path.replace("{consumer_uuid}", &host.id.to_string()),
            };
            let usage = route.path == "/usages";
            for (token, allowed) in [
                ("admin", true),
                ("service", true),
                ("member", usage),
                ("reader", usage),
                ("other", false),
                ("system", false),
            ] {
                let answer = world.get_as(token, &path, "1.39").await;
                let refused = answer.status == 403;
                assert!(answer.status.is_success() != refused, "{path} {}", answer.json());
                assert_eq!(!refused, allowed, "{token} {path}");
            }
            assert_eq!(world.get_as("", &path, "1.39").await.status, 401, "{path}");
        }
    }
}

#[tokio::test]
async fn what_is_not_offered_is_not_there() {
    let world = worlds().await.remove(0);
    for (method, path, status) in [
        (Method::POST, "/resource_providers", 405),
        (Method::PUT, "/resource_providers/x/inventories", 405),
        (Method::DELETE, "/allocations/x", 405),
        (Method::POST, "/reshaper", 404),
        (Method::POST, "/allocations", 404),
    ] {
        let answer = call(&world.router, method.clone(), path, "admin", None).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.json()["errors"][0]["status"], status, "{method} {path}");
    }
}
