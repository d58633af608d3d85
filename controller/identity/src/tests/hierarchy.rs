//! Projects below projects, protected things, domains' roles, implied roles, effective assignments.

use super::{World, on_project, worlds};
use http::Method;
use serde_json::{Value, json};

async fn call(world: &World, admin: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
    let body = (!body.is_null()).then_some(body);
    let answer = world.call(method, path, admin, body).await;
    (answer.status.as_u16(), answer.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_lie_in_a_tree_that_is_not_too_deep() {
    for world in worlds().await {
        let admin = world.admin().await;
        let mut ids = Vec::new();
        let mut parent = "default".to_owned();
        for depth in 1..=5 {
            let body = json!({"name": format!("p{depth}"), "parent_id": parent});
            parent = world.create(&admin, "projects", "project", body).await;
            ids.push(parent.clone());
        }
        let body = json!({"project": {"name": "p6", "parent_id": parent}});
        let (status, answer) = call(&world, &admin, Method::POST, "/v3/projects", body).await;
        assert_eq!((status, &answer["error"]["message"]), (403, &json!("Max hierarchy depth reached for p6 branch.")));
        let path = |index: usize, query: &str| format!("/v3/projects/{}{query}", ids[index]);
        let show =
            async |index: usize, query: &str| world.get(&path(index, query), &admin).await.json()["project"].clone();
        let above = show(1, "?parents_as_ids").await;
        assert_eq!(above["parents"], json!({ids[0].as_str(): {"default": null}}));
        assert_eq!(show(3, "?subtree_as_ids").await["subtree"], json!({ids[4].as_str(): null}));
        assert_eq!(show(4, "?subtree_as_ids").await["subtree"], Value::Null);
        assert_eq!(show(3, "?subtree_as_list").await["subtree"], json!([]), "nothing where one has no role");
        let (user, role) = (world.get("/v3/users?name=admin", &admin).await.json(), world.role(&admin, "reader").await);
        let grant = format!("/v3/projects/{}/users/{}/roles/{role}", ids[4], user["users"][0]["id"].as_str().unwrap());
        assert_eq!(call(&world, &admin, Method::PUT, &grant, Value::Null).await.0, 204);
        assert_eq!(show(3, "?subtree_as_list").await["subtree"][0]["project"]["id"], ids[4].as_str());
        assert_eq!(world.get(&path(3, "?subtree_as_list&subtree_as_ids"), &admin).await.status, 400);

        let enabled = |enabled: bool| json!({"project": {"enabled": enabled}});
        assert_eq!(call(&world, &admin, Method::PATCH, &path(3, ""), enabled(false)).await.0, 403);
        assert_eq!(call(&world, &admin, Method::PATCH, &path(3, "?cascade"), enabled(false)).await.0, 200);
        assert_eq!(call(&world, &admin, Method::PATCH, &path(4, ""), enabled(true)).await.0, 403);
        assert_eq!(call(&world, &admin, Method::DELETE, &path(3, ""), Value::Null).await.0, 403);
        assert_eq!(call(&world, &admin, Method::DELETE, &path(2, "?cascade"), Value::Null).await.0, 403);
        assert_eq!(call(&world, &admin, Method::DELETE, &path(3, "?cascade"), Value::Null).await.0, 204);
        assert_eq!(world.get(&path(4, ""), &admin).await.status, 404);
        let moved = json!({"project": {"parent_id": ids[0]}});
        assert_eq!(call(&world, &admin, Method::PATCH, &path(2, ""), moved).await.0, 403, "no circle can be made");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_may_act_as_a_domain() {
    for world in worlds().await {
        let admin = world.admin().await;
        let id = world.create(&admin, "projects", "project", json!({"name": "d", "is_domain": true})).await;
        assert_eq!(world.get(&format!("/v3/domains/{id}"), &admin).await.status, 200);
        let list = world.get("/v3/projects?is_domain=true", &admin).await.json();
        assert!(list["projects"].as_array().unwrap().iter().any(|one| one["id"] == id.as_str()));
        let path = format!("/v3/projects/{id}");
        assert_eq!(call(&world, &admin, Method::DELETE, &path, Value::Null).await.0, 403);
        let off = json!({"project": {"enabled": false}});
        assert_eq!(call(&world, &admin, Method::PATCH, &path, off).await.0, 200);
        assert_eq!(call(&world, &admin, Method::DELETE, &path, Value::Null).await.0, 204);
        let both = json!({"project": {"name": "e", "is_domain": true, "domain_id": "default"}});
        assert_eq!(call(&world, &admin, Method::POST, "/v3/projects", both).await.0, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_immutable_changes_only_once_it_is_not() {
    for world in worlds().await {
        let admin = world.admin().await;
        for (collection, kind) in [("projects", "project"), ("domains", "domain"), ("roles", "role")] {
            let body = json!({"name": "protected", "enabled": false, "options": {"immutable": true}});
            let id = world.create(&admin, collection, kind, body).await;
            let path = format!("/v3/{collection}/{id}");
            let rename = json!({kind: {"name": "n"}});
            let (status, answer) = call(&world, &admin, Method::PATCH, &path, rename.clone()).await;
            let message = format!(
                "Unable to update immutable {kind} resource: `{id}. Set resource option \"immutable\" to false first."
            );
            assert_eq!((status, &answer["error"]["message"]), (403, &json!(message)));
            let both = json!({kind: {"name": "n", "options": {"immutable": false}}});
            assert_eq!(call(&world, &admin, Method::PATCH, &path, both).await.0, 403);
            assert_eq!(call(&world, &admin, Method::DELETE, &path, Value::Null).await.0, 403);
            let unlock = json!({kind: {"options": {"immutable": false}}});
            assert_eq!(call(&world, &admin, Method::PATCH, &path, unlock).await.0, 200);
            assert_eq!(call(&world, &admin, Method::PATCH, &path, rename).await.0, 200);
            assert_eq!(call(&world, &admin, Method::DELETE, &path, Value::Null).await.0, 204);
            let odd = json!({kind: {"name": "x", "options": {"other": true}}});
            assert_eq!(call(&world, &admin, Method::POST, &format!("/v3/{collection}"), odd).await.0, 400);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domains_role_stays_in_the_domain_and_counts_by_what_it_implies() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (user, project, _) = world.member(&admin, "alice", "reader").await;
        let body = json!({"name": "own", "domain_id": "default"});
        let own = world.create(&admin, "roles", "role", body).await;
        let listed = async |query: &str| world.get(&format!("/v3/roles{query}"), &admin).await.json().to_string();
        assert!(!listed("").await.contains(&own) && listed("?domain_id=default").await.contains(&own));
        let other = world.create(&admin, "domains", "domain", json!({"name": "other"})).await;
        for (place, expected) in [
            (format!("projects/{project}/users/{user}"), 204),
            (format!("domains/{other}/users/{user}"), 403),
            (format!("system/users/{user}"), 400),
        ] {
            let path = format!("/v3/{place}/roles/{own}");
            assert_eq!(call(&world, &admin, Method::PUT, &path, Value::Null).await.0, expected, "{place}");
        }
        let roles =
            async || world.login("alice", "secret", on_project("alice")).await.json()["token"]["roles"].to_string();
        assert!(!roles().await.contains("own"));
        let member = world.role(&admin, "member").await;
        let imply = format!("/v3/roles/{own}/implies/{member}");
        assert_eq!(call(&world, &admin, Method::PUT, &imply, Value::Null).await.0, 201);
        assert!(roles().await.contains("member") && !roles().await.contains("own"));
        let admin_role = world.role(&admin, "admin").await;
        let path = format!("/v3/roles/{member}/implies/{admin_role}");
        assert_eq!(call(&world, &admin, Method::PUT, &path, Value::Null).await.0, 403);
        // What a whole cloud's role implies would be a domain's to change.
        let upwards = format!("/v3/roles/{member}/implies/{own}");
        assert_eq!(call(&world, &admin, Method::PUT, &upwards, Value::Null).await.0, 403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn effective_assignments_say_where_they_come_from() {
    for world in worlds().await {
        let admin = world.admin().await;
        let user = world.create(&admin, "users", "user", json!({"name": "u"})).await;
        let group = world.create(&admin, "groups", "group", json!({"name": "g"})).await;
        let top = world.create(&admin, "projects", "project", json!({"name": "top"})).await;
        let leaf = world.create(&admin, "projects", "project", json!({"name": "leaf", "parent_id": top})).await;
        let (member, reader) = (world.role(&admin, "member").await, world.role(&admin, "reader").await);
        let membership = format!("/v3/groups/{group}/users/{user}");
        let grant = format!("/v3/OS-INHERIT/projects/{top}/groups/{group}/roles/{member}/inherited_to_projects");
        for path in [&membership, &grant] {
            assert_eq!(call(&world, &admin, Method::PUT, path, Value::Null).await.0, 204);
        }
        let list = async |query: &str| {
            let answer = world.get(&format!("/v3/role_assignments?{query}"), &admin).await;
            (answer.status.as_u16(), answer.json()["role_assignments"].clone())
        };
        let (_, all) = list(&format!("effective&user.id={user}&role.id={reader}")).await;
        assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
        let one = &all[0];
        assert_eq!(one["scope"], json!({"project": {"id": leaf}, "OS-INHERIT:inherited_to": "projects"}));
        let url = |path: &str| json!(format!("http://cloud.test{path}"));
        assert_eq!(one["links"]["assignment"], url(&grant));
        assert_eq!(one["links"]["membership"], url(&membership));
        assert_eq!(one["links"]["prior_role"], url(&format!("/v3/prior_role/{member}/implies/{reader}")));
        let subtree = list(&format!("effective&scope.project.id={top}&include_subtree&user.id={user}")).await.1;
        assert_eq!(subtree.as_array().unwrap().len(), 2);
        assert_eq!(
            list(&format!("scope.project.id={top}&scope.OS-INHERIT:inherited_to=projects")).await.1[0]["group"]["id"],
            group.as_str()
        );
        for bad in [
            format!("effective&group.id={group}"),
            format!("user.id={user}&group.id={group}"),
            "effective&scope.domain.id=default&scope.OS-INHERIT:inherited_to=projects".to_owned(),
            format!("scope.project.id={top}&scope.domain.id=default"),
            "include_subtree".to_owned(),
        ] {
            assert_eq!(list(&bad).await.0, 400, "{bad}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_can_be_cut_and_paged() {
    for mut world in worlds().await {
        world.reopen(|identity| identity.list_limit = Some(3));
        let admin = world.admin().await;
        // Groups are cut here, users by the database.
        for (key, one) in [("groups", "group"), ("users", "user")] {
            for name in ["a", "b", "c", "d"] {
                world.create(&admin, key, one, json!({"name": format!("0{name}")})).await;
            }
            let list = world.get(&format!("/v3/{key}"), &admin).await.json();
            assert_eq!((list[key].as_array().unwrap().len(), &list["truncated"]), (3, &json!(true)));
            let list = world.get(&format!("/v3/{key}?limit=2&name__startswith=0"), &admin).await.json();
            assert_eq!((list[key].as_array().unwrap().len(), &list["truncated"]), (2, &Value::Null));
            let next = list["links"]["next"].as_str().unwrap().strip_prefix("http://cloud.test").unwrap().to_owned();
            let list = world.get(&next, &admin).await.json();
            assert_eq!((&list[key][0]["name"], &list["links"]["next"]), (&json!("0c"), &Value::Null));
            for bad in ["marker=nothing", "limit=x"] {
                assert_eq!(world.get(&format!("/v3/{key}?{bad}"), &admin).await.status, 400, "{bad}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_home_document_is_for_those_who_ask() {
    let world = worlds().await.remove(0);
    let get = async |path: &str, accept: &str| {
        controller_web::testing::call_with(&world.router, Method::GET, path, "", &[("accept", accept)], None).await
    };
    let home = get("/v3", "application/json-home").await;
    assert_eq!((home.status.as_u16(), home.header("content-type")), (200, Some("application/json-home")));
    let users = "https://docs.openstack.org/api/openstack-identity/3/rel/users";
    assert_eq!(home.json()["resources"][users]["href"], "/users");
    assert_eq!(get("/", "application/json-home").await.json()["resources"][users]["href"], "/v3/users");
    assert_eq!(get("/v3", "application/json").await.json()["version"]["id"], "v3.14");
    let both = get("/v3", "application/json-home;q=0.5, application/json").await;
    assert!(both.json()["version"].is_object());
    assert_eq!(get("/v3/OS-SIMPLE-CERT/ca", "").await.status, 410);
}
