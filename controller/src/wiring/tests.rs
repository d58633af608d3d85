//! The whole controller in one process, without sockets.

use super::{Cloud, Platform, bootstrap, policy};
use crate::config::Config;
use controller_base::Secret;
use controller_web::{mount, testing};
use http::Method;
use serde_json::json;

async fn cloud(directory: &tempfile::TempDir) -> Cloud {
    let mut config = Config { state_directory: directory.path().to_owned(), ..Config::default() };
    config.identity.admin_password = Secret::new("secret");
    let cloud = Cloud::open(Platform::open(config).await.unwrap()).await.unwrap();
    bootstrap(&cloud, false).await.unwrap();
    cloud
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_has_its_rules() {
    let directory = tempfile::tempdir().unwrap();
    let cloud = cloud(&directory).await;
    let policy = policy::sources(&Config::default()).unwrap().load().unwrap();
    for (prefix, service) in &cloud.services {
        assert_eq!(service.routes_without_rule(&policy), Vec::<String>::new(), "{prefix}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_public_answers_without_a_token() {
    let directory = tempfile::tempdir().unwrap();
    let cloud = cloud(&directory).await;
    for (prefix, service) in &cloud.services {
        for route in service.table.iter().filter(|route| route.access != controller_web::Access::Public) {
            let path = route.path.replace("{*", "{").replace(['{', '}'], "");
            let answer = testing::call(&service.router, route.method.clone(), &path, "", None).await;
            assert_eq!(answer.status, 401, "{prefix} {} {}", route.method, route.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_administrator_gets_a_token_that_every_service_knows() {
    let directory = tempfile::tempdir().unwrap();
    let cloud = cloud(&directory).await;
    let router = mount::mount(cloud.services.clone());
    let user = json!({"name": "admin", "domain": {"id": "default"}, "password": "secret"});
    let project = json!({"name": "admin", "domain": {"id": "default"}});
    let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": project}}});
    let answer = testing::call(&router, Method::POST, "/identity/v3/auth/tokens", "", Some(&body)).await;
    assert_eq!(answer.status, 201);
    let catalog = answer.json()["token"]["catalog"].as_array().unwrap().len();
    assert_eq!(catalog, cloud.services.len());
    let token = answer.header("x-subject-token").unwrap();
    for path in [
        "/identity/v3/projects",
        "/image/v2/images",
        "/compute/v2.1/servers",
        "/network/v2.0/networks",
        "/placement/resource_providers",
    ] {
        assert_eq!(testing::call(&router, Method::GET, path, token, None).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_file_holds_without_a_restart_and_a_wrong_one_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config { state_directory: directory.path().to_owned(), ..Config::default() };
    config.policy_directory = directory.path().join("policy");
    std::fs::create_dir(&config.policy_directory).unwrap();
    let file = config.policy_directory.join("identity.yaml");
    let live = policy::Live::open(&config).unwrap();
    live.watch();
    let rules = live.running.of("identity");
    let reader = testing::project_token("u", "p", &["reader"]);
    let allowed = || rules.allows(&reader, "identity:create_user", &controller_web::Target::none());
    let becomes = async |wanted: bool| {
        for _ in 0..100 {
            if allowed() == wanted {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        false
    };
    assert!(!allowed());
    std::fs::write(&file, "\"identity:create_user\": \"role:reader\"\n").unwrap();
    assert!(becomes(true).await, "the file is taken up");
    std::fs::write(&file, "\"identity:create_user\": \"role:reader and\"\n").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert!(allowed(), "a wrong file changes nothing");
    std::fs::remove_file(&file).unwrap();
    assert!(becomes(false).await, "without the file the defaults hold");
}
