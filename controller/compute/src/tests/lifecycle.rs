//! Stories of servers.

use super::fakes::{FLAT_NETWORK, FULL_NETWORK, KERNEL_IMAGE, host};
use super::world::worlds;
use controller_base::id::{HostId, ServerId};
use controller_ports::fleet::{GuestObserver, GuestState, ObjectKey, PasswordError};
use http::{Method, StatusCode};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_built_and_deleted_and_nothing_is_left() {
    for world in worlds().await {
        let id = world.create(json!({})).await;
        assert_eq!(world.show(id).await["status"], "BUILD");
        world.published(id).await;
        world.observe(id, GuestState::Preparing).await;
        world.observe(id, GuestState::Running).await;
        world.observe(id, GuestState::Running).await;
        world.until(id, "status", "ACTIVE").await;
        world.idle(id).await;
        assert_eq!(*world.networks.active.lock().unwrap(), [id]);
        assert_eq!(world.show(id).await["addresses"]["private"][0]["addr"], "10.0.0.5");
        assert_eq!(world.compute.audit().await.unwrap(), []);
        let path = format!("/v2.1/servers/{id}");
        for _ in 0..2 {
            let deleted = world.send(Method::DELETE, &path, "member", 1, None).await;
            assert_eq!(deleted.status, StatusCode::NO_CONTENT);
        }
        assert_eq!(world.show(id).await["OS-EXT-STS:task_state"], "deleting");
        assert!(world.desired(id).await.is_none());
        world.observe(id, GuestState::Gone).await;
        world.idle(id).await;
        assert_eq!(world.get(&path, "member", 1).await.status, StatusCode::NOT_FOUND);
        assert!(world.placement.claims.lock().unwrap().is_empty());
        assert!(world.networks.ports.lock().unwrap().is_empty());
        assert_eq!(world.compute.audit().await.unwrap(), []);
        let since = "/v2.1/servers/detail?changes-since=2020-01-01T00:00:00Z";
        let changed = world.get(since, "member", 1).await.json();
        assert_eq!(changed["servers"][0]["status"], "DELETED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_host_a_server_is_accepted_and_fails() {
    for world in worlds().await {
        for _ in 0..5 {
            world.create(json!({})).await;
        }
        let id = world.create(json!({})).await;
        let server = world.show(id).await;
        assert_eq!(server["status"], "ERROR");
        assert_eq!(server["fault"]["code"], 500);
        assert!(server["fault"]["message"].as_str().unwrap().starts_with("No valid host was found."));
        let path = format!("/v2.1/servers/{id}");
        world.send(Method::DELETE, &path, "member", 1, None).await;
        world.idle(id).await;
        assert_eq!(world.get(&path, "member", 1).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_no_host_has_is_not_passed_over() {
    for world in worlds().await {
        let path = "/v2.1/flavors/1/os-extra_specs";
        let vgpu = json!({"extra_specs": {"resources:VGPU": "1"}});
        assert_eq!(world.send(Method::POST, path, "admin", 1, Some(vgpu)).await.status, StatusCode::OK);
        let server = world.show(world.create(json!({})).await).await;
        assert!(server["fault"]["message"].as_str().unwrap().starts_with("No valid host was found."));
        let alias = json!({"extra_specs": {"pci_passthrough:alias": "gpu:1"}});
        assert_eq!(world.send(Method::POST, path, "admin", 1, Some(alias)).await.status, StatusCode::OK);
        let refused = world.ask(1, json!({})).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.json()["badRequest"]["message"], "PCI alias gpu is not defined");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_one_numa_node_tells_its_host_which() {
    for world in worlds().await {
        let path = "/v2.1/flavors/1/os-extra_specs";
        let ask = async |nodes: &str| {
            let specs = json!({"extra_specs": {"hw:numa_nodes": nodes}});
            world.send(Method::POST, path, "admin", 1, Some(specs)).await.status
        };
        assert_eq!(ask("none").await, StatusCode::BAD_REQUEST);
        assert_eq!(ask("2").await, StatusCode::OK);
        assert_eq!(world.ask(1, json!({})).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(ask("1").await, StatusCode::OK);
        let id = world.create(json!({})).await;
        world.published(id).await;
        let (_, guest) = world.desired(id).await.unwrap();
        assert_eq!(guest.numa_node, Some(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fails_on_its_host_leaves_an_error_with_its_reason_and_nothing_else() {
    for world in worlds().await {
        let id = world.create(json!({})).await;
        world.published(id).await;
        world.observe(id, GuestState::Failed).await;
        world.until(id, "status", "ERROR").await;
        world.withdrawn(id).await;
        world.observe(id, GuestState::Gone).await;
        world.idle(id).await;
        let server = world.show(id).await;
        assert_eq!(server["fault"]["message"], "The host could not start the server. no disk");
        assert!(world.networks.ports.lock().unwrap().is_empty());
        assert!(world.placement.claims.lock().unwrap().is_empty());
        assert_eq!(world.compute.audit().await.unwrap(), []);
        assert_eq!(world.action(id, json!({"os-start": null})).await.status, StatusCode::CONFLICT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_without_addresses_fails() {
    for world in worlds().await {
        let id = world.create(json!({"networks": [{"uuid": FULL_NETWORK}]})).await;
        world.until(id, "status", "ERROR").await;
        world.idle(id).await;
        let message = world.show(id).await["fault"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("No fixed IP addresses available"), "{message}");
        assert!(world.placement.claims.lock().unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_a_flat_network_goes_to_a_host_that_is_wired_to_it() {
    for world in worlds().await {
        let flat = json!({"networks": [{"uuid": FLAT_NETWORK}]});
        let id = world.create(flat.clone()).await;
        world.until(id, "status", "ERROR").await;
        let message = world.show(id).await["fault"]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("No valid host was found."), "{message}");
        world.fleet.physical_networks.lock().unwrap().push("public".to_owned());
        let id = world.create(flat).await;
        world.published(id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_ends_a_build() {
    for world in worlds().await {
        let id = world.create(json!({})).await;
        world.published(id).await;
        world.send(Method::DELETE, &format!("/v2.1/servers/{id}"), "member", 1, None).await;
        world.observe(id, GuestState::Gone).await;
        world.idle(id).await;
        assert_eq!(world.get(&format!("/v2.1/servers/{id}"), "member", 1).await.status, StatusCode::NOT_FOUND);
        assert_eq!(world.compute.audit().await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_down_makes_no_tenant_wait_and_keeps_its_room() {
    for world in worlds().await {
        let id = world.running(json!({})).await;
        *world.fleet.down.lock().unwrap() = true;
        let path = format!("/v2.1/servers/{id}");
        world.send(Method::DELETE, &path, "member", 1, None).await;
        for _ in 0..200 {
            if world.get(&path, "member", 1).await.status == StatusCode::NOT_FOUND {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(world.get(&path, "member", 1).await.status, StatusCode::NOT_FOUND);
        assert_eq!(world.placement.claims.lock().unwrap().len(), 1);
        *world.fleet.down.lock().unwrap() = false;
        world.compute.observed(host(), true, Vec::new()).await.unwrap();
        world.idle(id).await;
        assert!(world.placement.claims.lock().unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn power_follows_what_is_asked_and_seen() {
    for world in worlds().await {
        let id = world.running(json!({})).await;
        let accepted = StatusCode::ACCEPTED;
        assert_eq!(world.action(id, json!({"os-stop": null})).await.status, accepted);
        assert_eq!(world.show(id).await["OS-EXT-STS:task_state"], "powering-off");
        assert!(!world.desired(id).await.unwrap().1.power.running);
        assert_eq!(world.action(id, json!({"os-stop": null})).await.status, StatusCode::CONFLICT);
        world.observe(id, GuestState::Stopped).await;
        world.until(id, "status", "SHUTOFF").await;
        assert_eq!(world.action(id, json!({"os-start": null})).await.status, accepted);
        world.observe(id, GuestState::Running).await;
        world.until(id, "status", "ACTIVE").await;
        assert_eq!(world.action(id, json!({"reboot": {"type": "SOFT"}})).await.status, accepted);
        assert_eq!(world.show(id).await["status"], "REBOOT");
        assert_eq!(world.action(id, json!({"reboot": {"type": "HARD"}})).await.status, accepted);
        assert_eq!(world.show(id).await["status"], "HARD_REBOOT");
        let power = world.desired(id).await.unwrap().1.power;
        assert!(power.hard && power.running && power.boot_count == 4);
        world.observe(id, GuestState::Running).await;
        world.until(id, "status", "ACTIVE").await;
        let actions = world.get(&format!("/v2.1/servers/{id}/os-instance-actions"), "member", 1).await.json();
        let names: Vec<_> =
            actions["instanceActions"].as_array().unwrap().iter().map(|a| a["action"].clone()).collect();
        assert_eq!(names, ["reboot", "reboot", "start", "stop", "create"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_crashes_is_off_and_can_be_started() {
    for world in worlds().await {
        let id = world.running(json!({})).await;
        world.observe(id, GuestState::Crashed).await;
        let server = world.show(id).await;
        assert_eq!((&server["status"], &server["OS-EXT-STS:power_state"]), (&json!("SHUTOFF"), &json!(6)));
        assert_eq!(server["fault"]["message"], "The guest ended by itself.");
        assert!(!world.desired(id).await.unwrap().1.power.running);
        assert_eq!(world.action(id, json!({"os-start": null})).await.status, StatusCode::ACCEPTED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_no_row_explains_is_made_to_go() {
    for world in worlds().await {
        let stranger = ServerId::random();
        world.observe(stranger, GuestState::Running).await;
        assert!(world.fleet.touched.lock().unwrap().contains(&ObjectKey::Guest(stranger)));
        assert!(world.desired(stranger).await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_a_kernel_is_started_directly() {
    for world in worlds().await {
        let id = world.create(json!({"imageRef": KERNEL_IMAGE, "user_data": "aGVsbG8="})).await;
        world.published(id).await;
        let guest = world.desired(id).await.unwrap().1;
        let kernel = guest.kernel.unwrap();
        assert_eq!((kernel.args.as_str(), kernel.kernel.disk_format.as_str()), ("console=ttyS0", "aki"));
        assert!(guest.root_disk.image.is_none());
        assert_eq!(guest.metadata.user_data, b"hello");
        assert_eq!(guest.ports.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_servers_are_made_at_once() {
    for world in worlds().await {
        let many = json!({"min_count": 2, "max_count": 3, "return_reservation_id": true});
        let answer = world.ask(1, many).await;
        let reservation = answer.json()["reservation_id"].as_str().unwrap().to_owned();
        let list = world.get(&format!("/v2.1/servers?reservation_id={reservation}"), "member", 1).await.json();
        let mut names: Vec<_> =
            list["servers"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        assert_eq!(names, ["web-1", "web-2", "web-3"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_its_guest_made_is_kept_once_and_shown_to_its_owner() {
    for world in worlds().await {
        let id = world.running(json!({})).await;
        let path = format!("/v2.1/servers/{id}/os-server-password");
        let made = async |host, password: &str| world.compute.password_made(host, id, password.to_owned()).await;
        let shown = async || world.get(&path, "reader", 1).await.json();

        assert_eq!(shown().await, json!({"password": ""}));
        assert!(matches!(made(HostId::random(), "c2VjcmV0").await, Err(PasswordError::NotFound)), "another host's");
        assert!(matches!(made(host(), &"x".repeat(1021)).await, Err(PasswordError::TooLong)));
        made(host(), "c2VjcmV0").await.unwrap();
        made(host(), "c2VjcmV0").await.expect("a repetition changes nothing");
        assert!(matches!(made(host(), "other").await, Err(PasswordError::AlreadySet)));
        assert_eq!(shown().await, json!({"password": "c2VjcmV0"}));
        assert_eq!(world.desired(id).await.unwrap().1.metadata.guest_password, "c2VjcmV0");

        let clear = async |token: &str| world.send(Method::DELETE, &path, token, 1, None).await.status;
        assert_eq!(clear("reader").await, StatusCode::FORBIDDEN);
        assert_eq!(clear("other").await, StatusCode::NOT_FOUND);
        assert_eq!(clear("member").await, StatusCode::NO_CONTENT);
        assert_eq!(shown().await, json!({"password": ""}));
        made(host(), "new").await.unwrap();
    }
}
