//! Random sequences of hosts, claims and releases against a small reference model: what the API tells is what was done.

use super::{World, worlds};
use controller_base::id::ServerId;
use controller_ports::{fleet::HostObserver as _, placement::Resources};
use proptest::{
    prelude::{Strategy, any, prop_oneof},
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const STEPS: usize = 40;

#[derive(Clone, Debug)]
enum Step {
    /// A server of so many vCPUs and parts of 256 MiB.
    Claim(u64, u64),
    Release(u8),
    /// A host is drained, or no more.
    Drain(u8, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..4u64, 1..9u64).prop_map(|(vcpus, parts)| Step::Claim(vcpus, parts)),
        2 => any::<u8>().prop_map(Step::Release),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(host, drained)| Step::Drain(host, drained)),
    ]
}

/// A host as it should be.
#[derive(Debug, Default)]
struct Known {
    memory_mib: u64,
    drained: bool,
    servers: BTreeMap<String, (u64, u64)>,
}

impl Known {
    fn used(&self) -> (u64, u64) {
        self.servers.values().fold((0, 0), |(vcpus, memory), one| (vcpus + one.0, memory + one.1))
    }

    fn takes(&self, vcpus: u64, memory: u64) -> bool {
        let used = self.used();
        !self.drained && vcpus <= 2 && used.0 + vcpus <= 32 && used.1 + memory <= self.memory_mib - 512
    }
}

async fn compare(world: &World, model: &BTreeMap<String, Known>) {
    for (host, known) in model {
        let path = format!("/resource_providers/{host}");
        let usages = world.get(&format!("{path}/usages"), "1.39").await.json()["usages"].clone();
        let (vcpus, memory) = known.used();
        assert_eq!(usages, json!({"VCPU": vcpus, "MEMORY_MB": memory, "DISK_GB": 0}), "{known:?}");
        let allocations = world.get(&format!("{path}/allocations"), "1.0").await.json()["allocations"].clone();
        let expected: serde_json::Map<String, Value> = known
            .servers
            .iter()
            .map(|(id, one)| (id.clone(), json!({"resources": {"VCPU": one.0, "MEMORY_MB": one.1}})))
            .collect();
        assert_eq!(allocations, Value::from(expected));
    }
    for (vcpus, memory) in [(1, 256), (2, 1024), (3, 256)] {
        let query = format!("/allocation_candidates?resources=VCPU:{vcpus},MEMORY_MB:{memory}");
        let answer = world.get(&query, "1.39").await.json();
        let mut found: Vec<_> = answer["provider_summaries"].as_object().unwrap().keys().cloned().collect();
        found.sort();
        let expected: Vec<_> =
            model.iter().filter(|(_, known)| known.takes(vcpus, memory)).map(|(host, _)| host.clone()).collect();
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_is_what_was_done() {
    for world in worlds().await {
        let mut hosts = Vec::new();
        for (name, memory_mib) in [("a", 2048), ("b", 4096), ("c", 1024)] {
            hosts.push(world.host(name, memory_mib).await);
        }
        let known = |host: &controller_ports::fleet::Host| {
            let memory_mib = host.resources.memory_mib;
            (host.id.to_string(), Known { memory_mib, ..Known::default() })
        };
        let mut model: BTreeMap<_, _> = hosts.iter().map(known).collect();
        let mut runner = TestRunner::new(Config::default());
        for _ in 0..STEPS {
            match step().new_tree(&mut runner).unwrap().current() {
                Step::Claim(vcpus, parts) => {
                    let (server, memory) = (ServerId::random(), parts * 256);
                    let wanted = Resources { vcpus, memory_mib: memory, disk_gib: 0 };
                    let possible = model.values().any(|known| known.takes(vcpus, memory));
                    let claimed = world.claim(server, wanted).await;
                    assert_eq!(claimed.is_ok(), possible);
                    if let Ok(host) = claimed {
                        let known = model.get_mut(&host.to_string()).unwrap();
                        assert!(known.takes(vcpus, memory));
                        known.servers.insert(server.to_string(), (vcpus, memory));
                    }
                }
                Step::Release(choice) => {
                    let all: Vec<_> = model.values().flat_map(|known| known.servers.keys().cloned()).collect();
                    let Some(server) = all.get(usize::from(choice) % all.len().max(1)) else { continue };
                    world.release(server.parse().unwrap()).await;
                    for known in model.values_mut() {
                        known.servers.remove(server);
                    }
                }
                Step::Drain(choice, drained) => {
                    let host = hosts.get_mut(usize::from(choice) % 3).unwrap();
                    host.membership.drained = drained;
                    world.placement.host_changed(host).await.unwrap();
                    model.get_mut(&host.id.to_string()).unwrap().drained = drained;
                }
            }
            compare(&world, &model).await;
        }
    }
}
