//! Bodies of `/allocations/{consumer}` and `/resource_providers/{uuid}/allocations`.

use super::{Allocation, CONSUMER_TYPE};
use crate::{
    provider::{Place, Provider},
    resource_class::amounts,
};
use controller_web::Microversion;
use serde_json::{Map, Value, json};

/// A consumer's generation after its first and only change.
const GENERATION: u32 = 1;
/// Upstream's project and user of consumers of which it knows neither.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// What a consumer has, by host and NUMA node; none: it has nothing, or does not exist.
pub(crate) fn of_consumer(found: Option<(&Allocation, &Provider)>, version: Microversion) -> Value {
    let Some((allocation, provider)) = found else { return json!({"allocations": {}}) };
    let touched = |place: &Place<'_>| place.node.is_none_or(|node| Some(node.number) == allocation.node);
    let one = |place: Place<'_>| {
        let resources = amounts(place.classes(), allocation.resources);
        (place.id().to_string(), json!({"generation": provider.generation.0, "resources": resources}))
    };
    let by_place: Map<String, Value> = provider.places().filter(touched).map(one).collect();
    let mut body = json!({"allocations": by_place});
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

/// What consumers have of a host, or of a NUMA node.
pub(crate) fn of_place(allocations: &[Allocation], place: &Place<'_>, version: Microversion) -> Value {
    let render = |allocation: &Allocation| {
        let mut one = json!({"resources": amounts(place.classes(), allocation.resources)});
        if version.at_least(1, 28) {
            one["consumer_generation"] = GENERATION.into();
        }
        (allocation.server.to_string(), one)
    };
    let by_consumer: Map<String, Value> = allocations.iter().map(render).collect();
    json!({"allocations": by_consumer, "resource_provider_generation": place.provider.generation.0})
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
        let (nodes, cpu) = (Vec::new(), Default::default());
        let provider = Provider { usage, nodes, generation, away_since: None, closed: false, cpu, modified_at };
        let (server, created_at) = (ServerId::random(), Timestamp(0));
        let claim = Allocation { server, host, node: None, owner: None, resources, created_at };
        let body = of_consumer(Some((&claim, &provider)), Microversion::new(1, 12));
        assert_eq!((&body["project_id"], &body["user_id"]), (&json!(NOBODY), &json!(NOBODY)));
    }
}
