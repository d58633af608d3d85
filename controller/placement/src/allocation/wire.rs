//! Bodies of `/allocations/{consumer}` and `/resource_providers/{uuid}/allocations`.

use super::{Allocation, CONSUMER_TYPE};
use crate::{provider::Provider, resource_class::amounts};
use controller_web::Microversion;
use serde_json::{Map, Value, json};

/// A consumer's generation after its first and only change.
const GENERATION: u32 = 1;
/// Upstream's project and user of consumers of which it knows neither.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// What a consumer has, by host; none: it has nothing, or does not exist.
pub(crate) fn of_consumer(found: Option<(&Allocation, &Provider)>, version: Microversion) -> Value {
    let Some((allocation, provider)) = found else { return json!({"allocations": {}}) };
    let host = allocation.host.to_string();
    let one = json!({"generation": provider.generation.0, "resources": amounts(allocation.resources)});
    let mut body = json!({"allocations": {host: one}});
    if version.at_least(1, 12) {
        let owner = allocation.owner.as_ref();
        let (project, user) = owner.map_or((NOBODY, NOBODY), |(project, user)| (project.as_str(), user.as_str()));
        body["project_id"] = project.into();
        body["user_id"] = user.into();
    }
    if version.at_least(1, 28) {
        body["consumer_generation"] = GENERATION.into();
    }
    if version.at_least(1, 38) {
        body["consumer_type"] = CONSUMER_TYPE.into();
    }
    body
}

/// What consumers have of a host.
pub(crate) fn of_provider(allocations: &[Allocation], provider: &Provider, version: Microversion) -> Value {
    let render = |allocation: &Allocation| {
        let mut one = json!({"resources": amounts(allocation.resources)});
        if version.at_least(1, 28) {
            one["consumer_generation"] = GENERATION.into();
        }
        (allocation.server.to_string(), one)
    };
    let by_consumer: Map<String, Value> = allocations.iter().map(render).collect();
    json!({"allocations": by_consumer, "resource_provider_generation": provider.generation.0})
}

#[cfg(test)]
mod tests {
    use super::*;
    use controller_base::{
        Generation, Timestamp,
        id::{HostId, ServerId},
    };
    use controller_ports::placement::{HostUsage, Resources};

    #[test]
    fn a_claim_without_owner_is_nobodys() {
        let (host, resources) = (HostId::random(), Resources { vcpus: 1, memory_mib: 1, disk_gib: 1 });
        let (total, used) = (resources, resources);
        let usage = HostUsage { host_id: host, hostname: "a".to_owned(), total, used, servers: 1 };
        let (generation, modified_at) = (Generation::FIRST, Timestamp(0));
        let provider =
            Provider { usage, generation, away_since: None, closed: false, cpu: Default::default(), modified_at };
        let claim = Allocation { server: ServerId::random(), host, owner: None, resources, created_at: Timestamp(0) };
        let body = of_consumer(Some((&claim, &provider)), Microversion::new(1, 12));
        assert_eq!((&body["project_id"], &body["user_id"]), (&json!(NOBODY), &json!(NOBODY)));
    }
}
