//! What clients see: versions, bodies, refusals, and that projects do not see each other.

use super::fakes::{NETWORK, QUEUED_IMAGE, UPTIME};
use super::world::{World, worlds};
use controller_base::id::PortId;
use http::{Method, StatusCode};
use serde_json::{Value, json};

async fn only() -> World {
    worlds().await.remove(0)
}

fn message(body: &Value) -> String {
    let inner = body.as_object().and_then(|map| map.values().next());
    inner.map_or_else(String::new, |inner| inner["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_told_to_everybody() {
    let world = only().await;
    let list = world.get("/", "", 1).await.json();
    assert_eq!((&list["versions"][0]["id"], &list["versions"][0]["version"]), (&json!("v2.0"), &json!("")));
    assert_eq!((&list["versions"][1]["id"], &list["versions"][1]["version"]), (&json!("v2.1"), &json!("2.96")));
    let one = world.get("/v2.1", "", 1).await.json();
    assert_eq!((&one["version"]["status"], &one["version"]["min_version"]), (&json!("CURRENT"), &json!("2.1")));
    assert_eq!(world.get("/v2.1/servers", "", 1).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.get("/v2.1/servers", "member", 97).await.status, StatusCode::NOT_ACCEPTABLE);
    let project = "0123456789abcdef0123456789abcdef";
    assert_eq!(world.get(&format!("/v2.1/{project}/servers/detail"), "member", 1).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_follow_the_version() {
    let world = only().await;
    let id = world.running(json!({"metadata": {"a": "b"}})).await;
    let show = async |token: &str, minor: u16| {
        world.get(&format!("/v2.1/servers/{id}"), token, minor).await.json()["server"].clone()
    };
    let first = show("member", 1).await;
    assert_eq!(first["flavor"]["id"], "1");
    assert_eq!(first["metadata"], json!({"a": "b"}));
    assert_eq!(first["security_groups"], json!([{"name": "default"}]));
    for absent in ["locked", "description", "tags", "host_status", "server_groups", "OS-EXT-SRV-ATTR:host"] {
        assert!(first.get(absent).is_none(), "{absent}");
    }
    let newest = show("member", 96).await;
    assert_eq!(newest["flavor"]["original_name"], "m1.tiny");
    assert_eq!(newest["OS-EXT-SRV-ATTR:hostname"], "web");
    for (name, value) in [
        ("locked", json!(false)),
        ("tags", json!([])),
        ("trusted_image_certificates", Value::Null),
        ("server_groups", json!([])),
        ("locked_reason", Value::Null),
        ("pinned_availability_zone", Value::Null),
    ] {
        assert_eq!(newest.get(name), Some(&value), "{name}");
    }
    let admin = show("admin", 96).await;
    assert_eq!((&admin["host_status"], &admin["OS-EXT-SRV-ATTR:host"]), (&json!("UP"), &json!("host-1")));
    assert_eq!(first["hostId"].as_str().unwrap().len(), 56);
}

#[tokio::test(flavor = "multi_thread")]
async fn creation_refuses_what_cannot_be() {
    let world = only().await;
    let cases = [
        (1, json!({"foo": 1}), 400, "Additional properties are not allowed ('foo' was unexpected)"),
        (1, json!({"name": ""}), 400, "Invalid input for field/attribute name. Value: ."),
        (1, json!({"flavorRef": "nope"}), 400, "Flavor nope could not be found."),
        (1, json!({"imageRef": PortId::random()}), 400, "Can not find requested image"),
        (1, json!({"imageRef": QUEUED_IMAGE}), 400, "is not active"),
        (1, json!({"key_name": "nope"}), 400, "Invalid key_name provided."),
        (1, json!({"networks": [{"uuid": PortId::random()}]}), 400, "could not be found"),
        (1, json!({"networks": [{"port": PortId::random()}]}), 409, "is still in use"),
        (1, json!({"security_groups": [{"name": "nope"}]}), 400, "Security group nope not found"),
        (1, json!({"availability_zone": "mars"}), 400, "The requested availability zone is not available"),
        (1, json!({"min_count": 11}), 403, "Quota exceeded for instances: Requested 11, but already used 0 of 10"),
        (74, json!({"host": "host-1"}), 403, "Policy doesn't allow compute:servers:create:requested_destination"),
        (57, json!({"personality": []}), 400, "'personality' was unexpected"),
    ];
    for (minor, more, status, words) in cases {
        let answer = world.ask(minor, more.clone()).await;
        assert_eq!(answer.status, status, "{more}: {}", answer.json());
        // The name's message quotes the value as Python does.
        let text = message(&answer.json()).replace("''", "");
        assert!(text.contains(words), "{more}: {text}");
    }
    assert_eq!(world.get("/v2.1/servers", "member", 1).await.json()["servers"], json!([]));
    let reader = json!({"server": {"name": "a", "flavorRef": "1", "imageRef": super::fakes::IMAGE}});
    let refused = world.send(Method::POST, "/v2.1/servers", "reader", 1, Some(reader)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_project_never_sees_anothers_servers() {
    let world = only().await;
    let id = world.running(json!({})).await;
    let path = format!("/v2.1/servers/{id}");
    for below in ["", "/metadata", "/ips", "/os-interface", "/os-instance-actions"] {
        let answer = world.get(&format!("{path}{below}"), "other", 1).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{below}");
    }
    assert_eq!(world.send(Method::DELETE, &path, "other", 1, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.get("/v2.1/servers", "other", 1).await.json()["servers"], json!([]));
    let all = "/v2.1/servers/detail?all_tenants=1";
    assert_eq!(world.get(all, "other", 1).await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.get(all, "admin", 1).await.json()["servers"].as_array().unwrap().len(), 1);
    assert_eq!(world.send(Method::DELETE, &path, "reader", 1, None).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_sorted_and_paged() {
    for world in worlds().await {
        for name in ["alpha", "beta", "gamma"] {
            world.create(json!({"name": name})).await;
        }
        let names = async |query: &str| -> Vec<String> {
            let body = world.get(&format!("/v2.1/servers?{query}"), "member", 26).await.json();
            let list = body["servers"].as_array().unwrap_or_else(|| panic!("{query}: {body}")).clone();
            list.iter().map(|server| server["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names("").await, ["gamma", "beta", "alpha"]);
        assert_eq!(names("sort_key=display_name&sort_dir=asc").await, ["alpha", "beta", "gamma"]);
        assert_eq!(names("name=^.e").await, ["beta"]);
        assert_eq!(names("status=BUILD&limit=2").await, ["gamma", "beta"]);
        assert_eq!(names("status=ACTIVE").await, Vec::<String>::new());
        assert_eq!(names("status=NONSENSE").await, Vec::<String>::new());
        assert_eq!(names("flavor=1&image=nope").await, Vec::<String>::new());
        assert_eq!(names("tags=x").await, Vec::<String>::new());
        assert_eq!(names("not-tags=x&name=a$&sort_key=name&sort_dir=asc").await, ["alpha", "beta", "gamma"]);
        let first = world.get("/v2.1/servers?limit=2", "member", 1).await.json();
        let link = first["servers_links"][0]["href"].as_str().unwrap().to_owned();
        let next = world.get(link.strip_prefix("http://cloud.test").unwrap(), "member", 1).await.json();
        assert_eq!(next["servers"][0]["name"], "alpha");
        for bad in ["limit=-1", "marker=x", "sort_key=password", "changes-since=yesterday", "name=("] {
            let answer = world.get(&format!("/v2.1/servers?{bad}"), "member", 1).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_tags_and_names_change() {
    for world in worlds().await {
        let id = world.running(json!({"metadata": {"a": "1"}})).await;
        let path = format!("/v2.1/servers/{id}");
        let send = async |method: Method, below: &str, minor: u16, body: Value| {
            let body = (!body.is_null()).then_some(body);
            world.send(method, &format!("{path}{below}"), "member", minor, body).await
        };
        let more = send(Method::POST, "/metadata", 1, json!({"metadata": {"b": "2"}})).await.json();
        assert_eq!(more, json!({"metadata": {"a": "1", "b": "2"}}));
        let item = send(Method::PUT, "/metadata/a", 1, json!({"meta": {"a": "3"}})).await;
        assert_eq!(item.json(), json!({"meta": {"a": "3"}}));
        assert_eq!(send(Method::PUT, "/metadata/a", 1, json!({"meta": {"x": "3"}})).await.status, 400);
        assert_eq!(send(Method::DELETE, "/metadata/b", 1, Value::Null).await.status, 204);
        assert_eq!(send(Method::DELETE, "/metadata/b", 1, Value::Null).await.status, 404);
        assert_eq!(world.desired(id).await.unwrap().1.metadata.properties.len(), 1);
        assert_eq!(send(Method::PUT, "/tags/web", 26, Value::Null).await.status, 201);
        assert_eq!(send(Method::PUT, "/tags/web", 26, Value::Null).await.status, 204);
        let tags = send(Method::PUT, "/tags", 26, json!({"tags": ["b", "a"]})).await.json();
        assert_eq!(tags, json!({"tags": ["a", "b"]}));
        assert_eq!(send(Method::GET, "/tags/a", 26, Value::Null).await.status, 204);
        assert_eq!(send(Method::GET, "/tags", 25, Value::Null).await.status, 404);
        assert_eq!(world.get("/v2.1/servers?tags=a,b", "member", 26).await.json()["servers"][0]["id"], json!(id));
        let renamed =
            send(Method::PUT, "", 1, json!({"server": {"name": "new", "accessIPv4": "192.0.2.1"}})).await.json();
        assert_eq!(
            (&renamed["server"]["name"], &renamed["server"]["accessIPv4"]),
            (&json!("new"), &json!("192.0.2.1"))
        );
        assert!(renamed["server"].get("OS-EXT-STS:vm_state").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_keeps_tenants_out() {
    let world = only().await;
    let id = world.running(json!({})).await;
    assert_eq!(world.action(id, json!({"lock": null})).await.status, 202);
    assert_eq!(world.action(id, json!({"os-stop": null})).await.status, StatusCode::CONFLICT);
    let path = format!("/v2.1/servers/{id}");
    assert_eq!(world.send(Method::DELETE, &path, "member", 1, None).await.status, StatusCode::CONFLICT);
    assert_eq!(world.action(id, json!({"unlock": null})).await.status, 202);
    assert_eq!(world.action(id, json!({"os-stop": null})).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_are_told_apart() {
    let world = only().await;
    let id = world.running(json!({})).await;
    let console = world.action(id, json!({"os-getConsoleOutput": {"length": 2}})).await;
    assert_eq!(console.json(), json!({"output": "two\nthree"}));
    for (body, status) in [
        (json!({"createImage": {"name": "x"}}), 501),
        (json!({"fly": null}), 400),
        (json!({"reboot": {"type": "WARM"}}), 400),
        (json!({"reboot": {}}), 400),
        (json!({}), 400),
        (json!({"os-start": null}), 409),
        (json!({"addSecurityGroup": {"name": "web"}}), 202),
        (json!({"removeSecurityGroup": {"name": "nope"}}), 404),
        (json!({"os-resetState": {"state": "error"}}), 403),
    ] {
        assert_eq!(world.action(id, body.clone()).await.status, status, "{body}");
    }
    let interfaces = world.get(&format!("/v2.1/servers/{id}/os-interface"), "member", 1).await.json();
    assert_eq!(interfaces["interfaceAttachments"][0]["net_id"], NETWORK);
    let ips = world.get(&format!("/v2.1/servers/{id}/ips/private"), "member", 1).await.json();
    assert_eq!(ips, json!({"private": [{"addr": "10.0.0.5", "version": 4}, {"addr": "192.0.2.9", "version": 4}]}));
}

#[tokio::test(flavor = "multi_thread")]
async fn flavors_are_managed_by_administrators() {
    for world in worlds().await {
        let secret = json!({"flavor": {"name": "secret", "ram": 64, "vcpus": 1, "disk": 1, "id": "s",
            "os-flavor-access:is_public": false}});
        assert_eq!(world.send(Method::POST, "/v2.1/flavors", "member", 1, Some(secret.clone())).await.status, 403);
        let made = world.send(Method::POST, "/v2.1/flavors", "admin", 55, Some(secret.clone())).await.json();
        assert_eq!((&made["flavor"]["swap"], &made["flavor"]["description"]), (&json!(""), &Value::Null));
        let again = world.send(Method::POST, "/v2.1/flavors", "admin", 1, Some(secret)).await;
        assert_eq!(again.status, StatusCode::CONFLICT);
        assert_eq!(world.get("/v2.1/flavors/s", "member", 1).await.status, 404);
        let add = json!({"addTenantAccess": {"tenant": "p1"}});
        let access = world.send(Method::POST, "/v2.1/flavors/s/action", "admin", 1, Some(add.clone())).await;
        assert_eq!(access.json(), json!({"flavor_access": [{"flavor_id": "s", "tenant_id": "p1"}]}));
        assert_eq!(world.send(Method::POST, "/v2.1/flavors/s/action", "admin", 1, Some(add)).await.status, 409);
        let listed = world.get("/v2.1/flavors", "member", 1).await.json();
        assert_eq!(listed["flavors"].as_array().unwrap().len(), 2);
        assert_eq!(world.get("/v2.1/flavors?minRam=100", "member", 1).await.json()["flavors"][0]["id"], "1");
        let specs = json!({"extra_specs": {"hw:cpu_policy": "shared"}});
        let path = "/v2.1/flavors/s/os-extra_specs";
        assert_eq!(world.send(Method::POST, path, "admin", 1, Some(specs.clone())).await.json(), specs);
        assert_eq!(world.get(path, "member", 1).await.json(), specs);
        let policy = |word: &str| Some(json!({"humilis:restart": word}));
        let one = "/v2.1/flavors/s/os-extra_specs/humilis:restart";
        assert_eq!(world.send(Method::PUT, one, "admin", 1, policy("never")).await.status, 200);
        assert_eq!(world.send(Method::PUT, one, "admin", 1, policy("sometimes")).await.status, 400);
        let all = json!({"extra_specs": {"humilis:restart": "sometimes"}});
        assert_eq!(world.send(Method::POST, path, "admin", 1, Some(all)).await.status, 400);
        assert_eq!(world.send(Method::DELETE, "/v2.1/flavors/s", "admin", 1, None).await.status, 202);
        assert_eq!(world.get("/v2.1/flavors/s", "admin", 1).await.status, 404);
        let bad = json!({"flavor": {"name": "x", "ram": 0, "vcpus": 1, "disk": 1}});
        assert_eq!(world.send(Method::POST, "/v2.1/flavors", "admin", 1, Some(bad)).await.status, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_pairs_belong_to_users() {
    for world in worlds().await {
        let path = "/v2.1/os-keypairs";
        let named = |name: &str| Some(json!({"keypair": {"name": name}}));
        let made = world.send(Method::POST, path, "member", 2, named("k1")).await;
        assert_eq!(made.status, StatusCode::CREATED);
        let pair = made.json()["keypair"].clone();
        assert!(pair["private_key"].as_str().unwrap().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));
        let import = json!({"keypair": {"name": "k2", "public_key": pair["public_key"]}});
        let imported = world.send(Method::POST, path, "member", 1, Some(import.clone())).await;
        assert_eq!(
            (imported.status, &imported.json()["keypair"]["fingerprint"]),
            (StatusCode::OK, &pair["fingerprint"])
        );
        assert_eq!(world.send(Method::POST, path, "member", 1, Some(import)).await.status, 409);
        assert_eq!(world.send(Method::POST, path, "member", 92, named("k3")).await.status, 400);
        assert_eq!(world.send(Method::POST, path, "member", 1, named("a;b")).await.status, 400);
        let nonsense = json!({"keypair": {"name": "k4", "public_key": "nonsense"}});
        assert_eq!(world.send(Method::POST, path, "member", 1, Some(nonsense)).await.status, 400);
        assert_eq!(world.get(path, "member", 1).await.json()["keypairs"].as_array().unwrap().len(), 2);
        assert_eq!(
            world.get("/v2.1/os-keypairs?limit=1", "member", 35).await.json()["keypairs"].as_array().unwrap().len(),
            1
        );
        assert_eq!(world.get("/v2.1/os-keypairs/k1", "other", 1).await.status, 404);
        assert_eq!(world.get("/v2.1/os-keypairs?user_id=u1", "other", 10).await.status, 403);
        assert_eq!(world.get("/v2.1/os-keypairs/k1", "member", 1).await.json()["keypair"]["user_id"], "u1");
        assert_eq!(world.send(Method::DELETE, "/v2.1/os-keypairs/k1", "member", 1, None).await.status, 202);
        assert_eq!(world.send(Method::DELETE, "/v2.1/os-keypairs/k1", "member", 2, None).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_and_limits_are_counted() {
    for world in worlds().await {
        world.create(json!({})).await;
        let set = json!({"quota_set": {"instances": 1, "cores": -1}});
        assert_eq!(world.send(Method::PUT, "/v2.1/os-quota-sets/p1", "member", 1, Some(set.clone())).await.status, 403);
        let put = world.send(Method::PUT, "/v2.1/os-quota-sets/p1", "admin", 57, Some(set)).await;
        assert_eq!((&put.json()["quota_set"]["instances"], put.status), (&json!(1), StatusCode::OK));
        assert_eq!(world.ask(1, json!({})).await.status, StatusCode::FORBIDDEN);
        let detail = world.get("/v2.1/os-quota-sets/p1/detail", "member", 57).await.json();
        assert_eq!(detail["quota_set"]["instances"], json!({"limit": 1, "in_use": 1, "reserved": 0}));
        let limits = world.get("/v2.1/limits", "member", 1).await.json();
        assert_eq!(limits["limits"]["absolute"]["totalInstancesUsed"], 1);
        let low = json!({"quota_set": {"ram": 1}});
        assert_eq!(world.send(Method::PUT, "/v2.1/os-quota-sets/p1", "admin", 1, Some(low)).await.status, 400);
        let unknown = json!({"quota_set": {"fixed_ips": 1}});
        assert_eq!(world.send(Method::PUT, "/v2.1/os-quota-sets/p1", "admin", 36, Some(unknown)).await.status, 400);
        assert_eq!(world.send(Method::DELETE, "/v2.1/os-quota-sets/p1", "admin", 1, None).await.status, 202);
        assert_eq!(world.get("/v2.1/os-quota-sets/p1", "member", 1).await.json()["quota_set"]["instances"], 10);
        assert_eq!(world.get("/v2.1/os-quota-sets/p1", "other", 1).await.status, 403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_keep_servers_apart() {
    for world in worlds().await {
        let group = json!({"server_group": {"name": "g", "policy": "anti-affinity"}});
        let made = world.send(Method::POST, "/v2.1/os-server-groups", "member", 64, Some(group)).await.json();
        let id = made["server_group"]["id"].as_str().unwrap().to_owned();
        let old = json!({"server_group": {"name": "h", "policies": ["affinity"]}});
        let listed = world.send(Method::POST, "/v2.1/os-server-groups", "member", 1, Some(old)).await.json();
        assert_eq!(listed["server_group"]["policies"], json!(["affinity"]));
        let body = json!({"server": {"name": "a", "flavorRef": "1", "imageRef": super::fakes::IMAGE},
            "os:scheduler_hints": {"group": id}});
        for expected in ["BUILD", "ERROR"] {
            let answer = world.send(Method::POST, "/v2.1/servers", "member", 1, Some(body.clone())).await.json();
            let server = answer["server"]["id"].as_str().unwrap().parse().unwrap();
            assert_eq!(world.show(server).await["status"], expected);
        }
        let shown = world.get(&format!("/v2.1/os-server-groups/{id}"), "member", 64).await.json();
        assert_eq!(shown["server_group"]["members"].as_array().unwrap().len(), 2);
        assert_eq!(world.get(&format!("/v2.1/os-server-groups/{id}"), "other", 64).await.status, 404);
        let path = format!("/v2.1/os-server-groups/{id}");
        assert_eq!(world.send(Method::DELETE, &path, "member", 1, None).await.status, 204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_hosts_and_tenants_do_not() {
    let world = only().await;
    world.create(json!({})).await;
    let services = world.get("/v2.1/os-services?binary=nova-compute", "admin", 53).await.json();
    assert_eq!((&services["services"][0]["state"], &services["services"][0]["host"]), (&json!("up"), &json!("host-1")));
    assert_eq!(world.get("/v2.1/os-services", "member", 1).await.status, 403);
    let id = services["services"][0]["id"].as_str().unwrap();
    let put = async |path: &str, token: &str, version: u16, body: Value| {
        world.send(Method::PUT, &format!("/v2.1/os-services/{path}"), token, version, Some(body)).await
    };
    let disable = json!({"status": "disabled", "disabled_reason": "disk"});
    assert_eq!(put(id, "member", 53, disable.clone()).await.status, 403);
    let service = put(id, "admin", 53, disable).await.json();
    assert_eq!(
        (&service["service"]["status"], &service["service"]["disabled_reason"]),
        (&json!("disabled"), &json!("disk"))
    );
    let hypervisor = world.get(&format!("/v2.1/os-hypervisors/{id}"), "admin", 53).await.json();
    assert_eq!(hypervisor["hypervisor"]["status"], "disabled");
    let enabled = put("enable", "admin", 1, json!({"host": "host-1", "binary": "nova-compute"})).await.json();
    assert_eq!(enabled["service"], json!({"host": "host-1", "binary": "nova-compute", "status": "enabled"}));
    let services = world.get("/v2.1/os-services", "admin", 1).await.json();
    assert_eq!(
        (&services["services"][0]["status"], &services["services"][0]["disabled_reason"]),
        (&json!("enabled"), &Value::Null)
    );
    let down = put("force-down", "admin", 11, json!({"host": "host-1", "binary": "nova-compute", "forced_down": true}));
    assert_eq!(down.await.json()["service"]["forced_down"], true);
    let service = put(id, "admin", 53, json!({"forced_down": false})).await.json();
    assert_eq!(service["service"]["forced_down"], false);
    assert_eq!(put("enable", "admin", 1, json!({"host": "other", "binary": "nova-compute"})).await.status, 404);
    assert_eq!(put("nonsense", "admin", 1, json!({})).await.status, 404);
    let path = format!("/v2.1/os-services/{id}");
    assert_eq!(world.send(Method::DELETE, &path, "admin", 53, None).await.status, 409);
    let old = world.get("/v2.1/os-hypervisors/detail", "admin", 1).await.json();
    assert_eq!(old["hypervisors"][0]["vcpus_used"], 1);
    let new = world.get("/v2.1/os-hypervisors/detail", "admin", 88).await.json();
    assert!(new["hypervisors"][0].get("vcpus").is_none());
    assert_eq!(new["hypervisors"][0]["uptime"], UPTIME);
    let shown = world.get(&format!("/v2.1/os-hypervisors/{id}"), "admin", 88).await.json();
    assert_eq!(shown["hypervisor"]["uptime"], UPTIME);
    let uptime = format!("/v2.1/os-hypervisors/{id}/uptime");
    let shown = world.get(&uptime, "admin", 53).await.json();
    let brief =
        json!({"id": id, "hypervisor_hostname": "host-1", "state": "up", "status": "enabled", "uptime": UPTIME});
    assert_eq!(shown["hypervisor"], brief);
    assert_eq!(world.get(&uptime, "admin", 88).await.status, 404);
    assert_eq!(world.get(&uptime, "member", 53).await.status, 403);
    assert_eq!(world.get("/v2.1/os-hypervisors/77/uptime", "admin", 1).await.status, 404);
    *world.fleet.down.lock().unwrap() = true;
    assert_eq!(world.get(&uptime, "admin", 53).await.status, 400);
    let shown = world.get(&format!("/v2.1/os-hypervisors/{id}"), "admin", 88).await.json();
    assert_eq!(shown["hypervisor"]["uptime"], Value::Null);
    *world.fleet.down.lock().unwrap() = false;
    let sum = world.get("/v2.1/os-hypervisors/statistics", "admin", 1).await.json();
    assert_eq!(
        (&sum["hypervisor_statistics"]["count"], &sum["hypervisor_statistics"]["running_vms"]),
        (&json!(1), &json!(1))
    );
    let zones = world.get("/v2.1/os-availability-zone", "member", 1).await.json();
    assert_eq!(zones["availabilityZoneInfo"][0]["zoneName"], "nova");
    let usage = world.get("/v2.1/os-simple-tenant-usage/p1", "member", 1).await.json();
    assert_eq!(usage["tenant_usage"]["server_usages"][0]["vcpus"], 1);
    assert_eq!(world.get("/v2.1/os-aggregates", "member", 1).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregates_make_zones_and_servers_go_where_their_zone_is() {
    for world in worlds().await {
        let send = async |method: Method, path: &str, body: Value| {
            world.send(method, &format!("/v2.1/os-aggregates{path}"), "admin", 93, Some(body)).await
        };
        let east = json!({"aggregate": {"name": "rack-1", "availability_zone": "east"}});
        let made = send(Method::POST, "", east.clone()).await.json();
        assert_eq!((&made["aggregate"]["id"], &made["aggregate"]["availability_zone"]), (&json!(1), &json!("east")));
        assert!(made["aggregate"].get("hosts").is_none() && made["aggregate"]["uuid"].is_string());
        assert_eq!(send(Method::POST, "", east).await.status, 409);
        let west = json!({"aggregate": {"name": "rack-2", "availability_zone": "west"}});
        assert_eq!(send(Method::POST, "", west).await.json()["aggregate"]["id"], 2);
        let colon = json!({"aggregate": {"name": "rack-3", "availability_zone": "a:b"}});
        assert_eq!(send(Method::POST, "", colon).await.status, 400);
        let in_zone = |zone: &str| json!({"availability_zone": zone});
        assert_eq!(world.ask(1, in_zone("east")).await.status, 202, "no host is there");
        let add = json!({"add_host": {"host": "host-1"}});
        let added = send(Method::POST, "/1/action", add.clone()).await.json();
        assert_eq!(added["aggregate"]["hosts"], json!(["host-1"]));
        assert_eq!(send(Method::POST, "/1/action", add.clone()).await.status, 409);
        let other = send(Method::POST, "/2/action", add).await;
        assert!(message(&other.json()).contains("already in different availability zone"), "{:?}", other.json());
        let missing = json!({"add_host": {"host": "host-9"}});
        assert_eq!(send(Method::POST, "/1/action", missing).await.status, 404);
        let metadata = json!({"set_metadata": {"metadata": {"ssd": "true"}}});
        let changed = send(Method::POST, "/1/action", metadata).await.json();
        assert_eq!(changed["aggregate"]["metadata"], json!({"availability_zone": "east", "ssd": "true"}));
        let services = world.get("/v2.1/os-services", "admin", 1).await.json();
        assert_eq!(services["services"][0]["zone"], "east");
        let zones = world.get("/v2.1/os-availability-zone/detail", "admin", 1).await.json();
        assert_eq!(zones["availabilityZoneInfo"][0]["zoneName"], "east");
        assert_eq!(zones["availabilityZoneInfo"][0]["hosts"]["host-1"]["nova-compute"]["active"], true);
        assert_eq!(world.ask(1, in_zone("north")).await.status, 400);
        let server = world.ask(1, in_zone("east")).await.json()["server"]["id"].as_str().unwrap().to_owned();
        let shown = world.get(&format!("/v2.1/servers/{server}"), "member", 1).await.json();
        assert_eq!(shown["server"]["OS-EXT-AZ:availability_zone"], "east");
        let remove = json!({"remove_host": {"host": "host-1"}});
        let refused = send(Method::POST, "/1/action", remove).await;
        assert_eq!(refused.status, 409, "a server runs there");
        assert_eq!(send(Method::DELETE, "/1", Value::Null).await.status, 400);
        assert_eq!(send(Method::DELETE, "/2", Value::Null).await.status, 200);
        assert_eq!(send(Method::DELETE, "/2", Value::Null).await.status, 404);
        let listed = world.get("/v2.1/os-aggregates", "admin", 1).await.json();
        assert_eq!(listed["aggregates"].as_array().unwrap().len(), 1);
    }
}
