//! Roles by every way: granted, through groups, inherited, implied.

use super::{on_project, worlds};
use http::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_role_comes_by_group_inheritance_and_implication() {
    for world in worlds().await {
        let admin = world.admin().await;
        let admin = admin.as_str();
        let user = world.create(admin, "users", "user", json!({"name": "u", "password": "secret"})).await;
        let group = world.create(admin, "groups", "group", json!({"name": "g"})).await;
        let project = world.create(admin, "projects", "project", json!({"name": "p"})).await;
        let child = world.create(admin, "projects", "project", json!({"name": "c", "parent_id": project})).await;
        let role = world.role(admin, "member").await;
        let put =
            async |path: String| assert_eq!(world.call(Method::PUT, &path, admin, None).await.status, 204, "{path}");
        put(format!("/v3/OS-INHERIT/projects/{project}/groups/{group}/roles/{role}/inherited_to_projects")).await;
        assert_eq!(world.login("u", "secret", on_project("c")).await.status, 401);
        put(format!("/v3/groups/{group}/users/{user}")).await;
        assert_eq!(world.login("u", "secret", on_project("p")).await.status, 401, "it holds below, not here");
        let token = world.login("u", "secret", on_project("c")).await.json();
        let roles: Vec<_> = token["token"]["roles"].as_array().unwrap().iter().map(|r| r["name"].clone()).collect();
        assert_eq!(roles, ["member", "reader"]);
        let list = format!("/v3/role_assignments?effective&user.id={user}&include_names");
        let list = world.get(&list, admin).await.json();
        let list = list["role_assignments"].as_array().unwrap();
        assert_eq!(list.len(), 2, "{list:?}");
        assert!(list.iter().all(|one| one["scope"]["project"]["id"] == child.as_str()));
        assert_eq!(list[0]["user"]["domain"]["name"], "Default");
        let own = world.token("u", "secret", json!("unscoped")).await;
        let projects = world.get("/v3/auth/projects", &own).await.json();
        assert_eq!(projects["projects"][0]["name"], "c");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_made_checked_listed_and_taken_away() {
    for world in worlds().await {
        let admin = world.admin().await;
        let admin = admin.as_str();
        let user = world.create(admin, "users", "user", json!({"name": "u"})).await;
        let group = world.create(admin, "groups", "group", json!({"name": "g"})).await;
        let project = world.create(admin, "projects", "project", json!({"name": "p"})).await;
        let role = world.role(admin, "reader").await;
        for place in [
            format!("projects/{project}/users/{user}"),
            format!("projects/{project}/groups/{group}"),
            format!("domains/default/users/{user}"),
            format!("domains/default/groups/{group}"),
            format!("system/users/{user}"),
            format!("system/groups/{group}"),
        ] {
            let one = format!("/v3/{place}/roles/{role}");
            let status = async |method: Method| world.call(method, &one, admin, None).await.status.as_u16();
            assert_eq!(status(Method::HEAD).await, 404, "{place}");
            assert_eq!(status(Method::PUT).await, 204, "{place}");
            assert_eq!(status(Method::PUT).await, 204, "{place} again");
            assert_eq!(status(Method::HEAD).await, 204, "{place}");
            let list = world.get(&format!("/v3/{place}/roles"), admin).await.json();
            assert_eq!(list["roles"][0]["name"], "reader", "{place}");
            assert_eq!(status(Method::DELETE).await, 204, "{place}");
            assert_eq!(status(Method::DELETE).await, 404, "{place} again");
        }
        let nobody = format!("/v3/projects/{project}/users/nobody/roles/{role}");
        assert_eq!(world.call(Method::PUT, &nobody, admin, None).await.status, 404);
    }
}
