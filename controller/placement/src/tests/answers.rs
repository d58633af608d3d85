//! The answers' shapes by microversion, as upstream's API reference has them.

use super::{World, worlds};
use controller_base::id::{HostId, ServerId};
use controller_ports::{
    fleet::{HostObserver as _, NumaNode},
    placement::{Constraints, Resources},
};
use serde_json::{Value, json};

const SMALL: Resources = Resources { vcpus: 1, memory_mib: 512, disk_gib: 0 };

async fn with_a_server(world: &World) -> (HostId, ServerId) {
    let (host, server) = (world.host("a", 4096).await.id, ServerId::random());
    world.clock.advance_seconds(10);
    world.claim(server, SMALL).await.unwrap();
    world.clock.advance_seconds(10);
    (host, server)
}

#[tokio::test]
async fn the_version_document() {
    let world = worlds().await.remove(0);
    let answer = world.get_as("", "/", "1.0").await;
    let version = json!({"id": "v1.0", "status": "CURRENT", "min_version": "1.0", "max_version": "1.39",
        "links": [{"rel": "self", "href": ""}]});
    assert_eq!(answer.json(), json!({"versions": [version]}));
    assert_eq!(answer.header("last-modified"), None);
    let answer = world.get_as("", "/", "latest").await;
    assert_eq!(answer.header("openstack-api-version"), Some("placement 1.39"));
    assert_eq!(answer.header("vary"), Some("OpenStack-API-Version"));
    assert_eq!(answer.header("last-modified"), Some("Mon, 21 Sep 2026 14:13:20 GMT"));
}

#[tokio::test]
async fn a_provider_grows_with_the_microversions() {
    for world in worlds().await {
        let (id, _) = with_a_server(&world).await;
        let rels = async |version: &str| {
            let provider = world.get(&format!("/resource_providers/{id}"), version).await.json();
            let links = provider["links"].as_array().unwrap().clone();
            links.iter().map(|link| link["rel"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(rels("1.0").await, "self inventories usages");
        assert_eq!(rels("1.1").await, "self inventories usages aggregates");
        assert_eq!(rels("1.6").await, "self inventories usages aggregates traits");
        assert_eq!(rels("1.11").await, "self inventories usages aggregates traits allocations");
        let answer = world.get(&format!("/resource_providers/{id}"), "1.15").await;
        let provider = answer.json();
        assert_eq!(provider["links"][1]["href"], format!("/resource_providers/{id}/inventories"));
        assert_eq!((&provider["uuid"], &provider["name"]), (&json!(id), &json!("a")));
        assert_eq!((&provider["root_provider_uuid"], &provider["parent_provider_uuid"]), (&json!(id), &Value::Null));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        assert_eq!(answer.header("last-modified"), Some("Mon, 21 Sep 2026 14:13:30 GMT"), "the claim changed it");
        let old = world.get(&format!("/resource_providers/{id}"), "1.13").await;
        assert_eq!((old.json().get("root_provider_uuid"), old.header("cache-control")), (None, None));
        let list = world.get("/resource_providers?name=a", "1.39").await.json();
        assert_eq!(list["resource_providers"][0], world.get(&format!("/resource_providers/{id}"), "1.39").await.json());
        for (query, count) in
            [("name=b", 0), ("resources=VCPU:2", 1), ("resources=VCPU:3", 0), ("required=COMPUTE_NODE", 1)]
        {
            let list = world.get(&format!("/resource_providers?{query}"), "1.39").await.json();
            assert_eq!(list["resource_providers"].as_array().unwrap().len(), count, "{query}");
        }
    }
}

#[tokio::test]
async fn inventories_and_usages_are_the_hosts_own() {
    for world in worlds().await {
        let (id, _) = with_a_server(&world).await;
        let of = |total: u64, reserved: u64, ratio: f64| json!({"total": total, "reserved": reserved, "min_unit": 1, "max_unit": total, "step_size": 1, "allocation_ratio": ratio});
        let inventories = world.get(&format!("/resource_providers/{id}/inventories"), "1.0").await.json();
        let all = json!({"VCPU": of(2, 0, 16.0), "MEMORY_MB": of(4096, 512, 1.0), "DISK_GB": of(100, 0, 1.0)});
        assert_eq!(inventories, json!({"resource_provider_generation": 2, "inventories": all}));
        let mut one = of(2, 0, 16.0);
        one["resource_provider_generation"] = json!(2);
        assert_eq!(world.get(&format!("/resource_providers/{id}/inventories/VCPU"), "1.0").await.json(), one);
        let usages = world.get(&format!("/resource_providers/{id}/usages"), "1.0").await.json();
        let used = json!({"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 0});
        assert_eq!(usages, json!({"resource_provider_generation": 2, "usages": used}));
    }
}

#[tokio::test]
async fn allocations_name_host_server_and_owner() {
    for world in worlds().await {
        let (id, server) = with_a_server(&world).await;
        let resources = json!({"VCPU": 1, "MEMORY_MB": 512});
        let by_host = json!({id.to_string(): {"generation": 2, "resources": resources}});
        let path = format!("/allocations/{server}");
        assert_eq!(world.get(&path, "1.11").await.json(), json!({"allocations": by_host}));
        assert_eq!(
            world.get(&path, "1.12").await.json(),
            json!({"allocations": by_host, "project_id": "p1", "user_id": "u1"})
        );
        let last = world.get(&path, "1.38").await;
        assert_eq!(
            last.json(),
            json!({"allocations": by_host, "project_id": "p1", "user_id": "u1", "consumer_generation": 1,
                "consumer_type": "INSTANCE"})
        );
        assert_eq!(last.header("last-modified"), Some("Mon, 21 Sep 2026 14:13:30 GMT"));
        assert_eq!(world.get("/allocations/anything", "1.39").await.json(), json!({"allocations": {}}));
        let on_host = world.get(&format!("/resource_providers/{id}/allocations"), "1.28").await.json();
        let one = json!({"resources": resources, "consumer_generation": 1});
        assert_eq!(on_host, json!({"allocations": {server.to_string(): one}, "resource_provider_generation": 2}));
        let usages = async |query: &str, version: &str| {
            world.get(&format!("/usages?project_id={query}"), version).await.json()["usages"].clone()
        };
        assert_eq!(usages("p1", "1.9").await, resources);
        assert_eq!(usages("p1&user_id=u2", "1.9").await, json!({}));
        let grouped = json!({"VCPU": 1, "MEMORY_MB": 512, "consumer_count": 1});
        assert_eq!(usages("p1", "1.38").await, json!({"INSTANCE": grouped}));
        assert_eq!(usages("p1&consumer_type=all", "1.38").await, json!({"all": grouped}));
        assert_eq!(usages("p1&consumer_type=MIGRATION", "1.38").await, json!({}));
        assert_eq!(usages("p2", "1.38").await, json!({}));
        world.release(server).await;
        assert_eq!(world.get(&path, "1.39").await.json(), json!({"allocations": {}}));
    }
}

#[tokio::test]
async fn traits_aggregates_and_classes_are_what_holds() {
    for world in worlds().await {
        let mut host = world.host("a", 4096).await;
        let traits = format!("/resource_providers/{}/traits", host.id);
        assert_eq!(
            world.get(&traits, "1.6").await.json(),
            json!({"traits": ["COMPUTE_NODE"], "resource_provider_generation": 1})
        );
        let all = async |query: &str| world.get(&format!("/traits{query}"), "1.6").await.json()["traits"].clone();
        assert_eq!(all("").await.as_array().unwrap().len(), 43);
        assert_eq!(all("?associated=true").await, json!(["COMPUTE_NODE"]));
        assert_eq!(all("?associated=false").await.as_array().unwrap().len(), 42);
        assert_eq!(all("?name=startswith:COMPUTE_STATUS").await, json!(["COMPUTE_STATUS_DISABLED"]));
        assert_eq!(all("?name=in:COMPUTE_NODE,OTHER").await, json!(["COMPUTE_NODE"]));
        host.membership.cpu.features = vec!["avx2".to_owned(), "vmx".to_owned()];
        world.placement.host_changed(&host).await.unwrap();
        assert_eq!(world.get(&traits, "1.6").await.json()["traits"], json!(["COMPUTE_NODE", "HW_CPU_X86_AVX2"]));
        host.membership.cpu.features.clear();
        host.membership.drained = true;
        world.placement.host_changed(&host).await.unwrap();
        assert_eq!(
            world.get(&traits, "1.6").await.json()["traits"],
            json!(["COMPUTE_NODE", "COMPUTE_STATUS_DISABLED"])
        );
        let aggregates = format!("/resource_providers/{}/aggregates", host.id);
        assert_eq!(world.get(&aggregates, "1.18").await.json(), json!({"aggregates": []}));
        assert_eq!(
            world.get(&aggregates, "1.19").await.json(),
            json!({"aggregates": [], "resource_provider_generation": 3})
        );
        let trait_ = world.get("/traits/COMPUTE_NODE", "1.6").await;
        assert_eq!((trait_.status.as_u16(), trait_.bytes.len()), (204, 0));
        let classes = world.get("/resource_classes", "1.2").await.json();
        let first = json!({"name": "VCPU", "links": [{"rel": "self", "href": "/resource_classes/VCPU"}]});
        assert_eq!(classes["resource_classes"][0], first);
        assert_eq!(world.get("/resource_classes/VCPU", "1.2").await.json(), first);
    }
}

#[tokio::test]
async fn numa_nodes_are_providers_below_their_host() {
    for world in worlds().await {
        let mut host = world.host("a", 4608).await;
        let node = |number, memory_mib| NumaNode { number, cpus: number.to_string(), memory_mib };
        host.membership.numa = vec![node(0, 1024), node(1, 2048)];
        world.placement.host_changed(&host).await.unwrap();
        let one_node = Constraints { one_node: true, ..Constraints::default() };
        let large = Resources { vcpus: 1, memory_mib: 1536, disk_gib: 1 };
        let (bound, free) = (ServerId::random(), ServerId::random());
        assert_eq!(world.claim_by(bound, large, &one_node).await.unwrap().node, Some(1));
        assert_eq!(world.claim_by(bound, SMALL, &one_node).await.unwrap().node, Some(1), "it keeps its node");
        assert!(world.claim_by(free, large, &one_node).await.is_err(), "no node has the room");
        assert_eq!(world.claim_by(free, large, &Constraints::default()).await.unwrap().node, None, "the host has");
        let other = ServerId::random();
        assert_eq!(world.claim_by(other, SMALL, &one_node).await.unwrap().node, Some(0));
        world.release(other).await;

        let list = world.get("/resource_providers", "1.39").await.json()["resource_providers"].clone();
        let names: Vec<_> = list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["a", "a_NUMA0", "a_NUMA1"]);
        let second = &list[2];
        assert_eq!(
            (&second["parent_provider_uuid"], &second["root_provider_uuid"]),
            (&json!(host.id), &json!(host.id))
        );
        let path = format!("/resource_providers/{}", second["uuid"].as_str().unwrap());
        assert_eq!(world.get(&path, "1.39").await.json(), *second);
        let get = async |what: &str| world.get(&format!("{path}/{what}"), "1.39").await.json();
        let inventories = get("inventories").await["inventories"].clone();
        assert_eq!(inventories["NUMA_MEMORY_MB"]["total"], 2048);
        assert_eq!(
            (&inventories["NUMA_THREAD"]["total"], &inventories["NUMA_THREAD"]["reserved"]),
            (&json!(1), &json!(0))
        );
        assert_eq!(get("usages").await["usages"], json!({"NUMA_THREAD": 1, "NUMA_MEMORY_MB": 1536}));
        assert_eq!(get("traits").await["traits"], json!(["HW_NUMA_ROOT"]));
        let held = json!({"NUMA_THREAD": 1, "NUMA_MEMORY_MB": 1536});
        let allocations = get("allocations").await["allocations"].clone();
        assert_eq!(allocations, json!({bound.to_string(): {"resources": held, "consumer_generation": 1}}));
        let of_server = world.get(&format!("/allocations/{bound}"), "1.39").await.json()["allocations"].clone();
        assert_eq!(of_server.as_object().unwrap().len(), 2);
        assert_eq!(of_server[second["uuid"].as_str().unwrap()]["resources"], held);
        assert_eq!(of_server[host.id.to_string()]["resources"], json!({"VCPU": 1, "MEMORY_MB": 1536, "DISK_GB": 1}));
        let usages = world.get("/usages?project_id=p1", "1.9").await.json()["usages"].clone();
        let expected = json!({"VCPU": 2, "MEMORY_MB": 3072, "DISK_GB": 2, "NUMA_THREAD": 1, "NUMA_MEMORY_MB": 1536});
        assert_eq!(usages, expected);
        for (query, found) in [
            ("name=a_NUMA1", 1),
            ("resources=NUMA_MEMORY_MB:512", 2),
            ("resources=NUMA_MEMORY_MB:1024", 1),
            ("resources=NUMA_THREAD:1,VCPU:1", 0),
            ("required=HW_NUMA_ROOT", 2),
            (&format!("in_tree={}", second["uuid"].as_str().unwrap()), 3),
        ] {
            let list = world.get(&format!("/resource_providers?{query}"), "1.39").await.json();
            assert_eq!(list["resource_providers"].as_array().unwrap().len(), found, "{query}");
        }
        let candidates = "/allocation_candidates?resources=VCPU:1&resources1=NUMA_MEMORY_MB:512";
        let answer = world.get(candidates, "1.39").await.json();
        assert_eq!(answer["allocation_requests"].as_array().unwrap().len(), 2);
        assert_eq!(answer["provider_summaries"].as_object().unwrap().len(), 3);
        let mapped = &answer["allocation_requests"][1]["mappings"];
        assert_eq!((&mapped[""], &mapped["1"]), (&json!([host.id]), &json!([second["uuid"]])));
        assert_eq!(world.get(candidates, "1.28").await.json()["allocation_requests"], json!([]));
        let alone = world.get("/allocation_candidates?resources=NUMA_MEMORY_MB:512", "1.10").await.json();
        let first = json!({"allocations": [{"resource_provider": {"uuid": second["uuid"]}, "resources": {"NUMA_MEMORY_MB": 512}}]});
        assert_eq!(alone["allocation_requests"][1], first, "one provider of a tree was known before");
        assert_eq!(alone["provider_summaries"].as_object().unwrap().len(), 2);
        world.release(bound).await;
        assert_eq!(get("usages").await["usages"], json!({"NUMA_THREAD": 0, "NUMA_MEMORY_MB": 0}));
    }
}

#[tokio::test]
async fn candidates_are_claims_that_could_be_made() {
    for world in worlds().await {
        let (id, _) = with_a_server(&world).await;
        let get = async |version: &str| {
            world.get("/allocation_candidates?resources=VCPU:1,MEMORY_MB:512", version).await.json()
        };
        let resources = json!({"VCPU": 1, "MEMORY_MB": 512});
        let key = id.to_string();
        let shown = json!({"VCPU": {"capacity": 32, "used": 1}, "MEMORY_MB": {"capacity": 3584, "used": 512}});
        assert_eq!(
            get("1.10").await,
            json!({"allocation_requests": [{"allocations": [{"resource_provider": {"uuid": key}, "resources": resources}]}],
                "provider_summaries": {key.clone(): {"resources": shown}}})
        );
        let allocations = json!({key.clone(): {"resources": resources}});
        assert_eq!(get("1.12").await["allocation_requests"], json!([{"allocations": allocations}]));
        let summary = get("1.29").await["provider_summaries"][&key].clone();
        assert_eq!(summary["traits"], json!(["COMPUTE_NODE"]));
        assert_eq!(summary["resources"]["DISK_GB"], json!({"capacity": 100, "used": 0}));
        assert_eq!((&summary["root_provider_uuid"], &summary["parent_provider_uuid"]), (&json!(id), &Value::Null));
        assert_eq!(
            get("1.34").await["allocation_requests"],
            json!([{"allocations": allocations, "mappings": {"": [key]}}])
        );
        let none = world.get("/allocation_candidates?resources=VCPU:3", "1.39").await.json();
        assert_eq!(none, json!({"allocation_requests": [], "provider_summaries": {}}));
    }
}
