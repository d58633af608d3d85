//! The body of `/allocation_candidates`.

use super::{Candidate, query::Query};
use crate::{Ratios, inventory, provider::Place, resource_class::amounts};
use controller_web::Microversion;
use serde_json::{Map, Value, json};

pub(super) fn render(found: &[Candidate], query: &Query, ratios: &Ratios, version: Microversion) -> Value {
    // Before 1.29 only hosts were told of.
    let nested = version.at_least(1, 29);
    let found: Vec<_> = found.iter().filter(|candidate| nested || candidate.node.is_none()).collect();
    let requests: Vec<_> = found.iter().map(|candidate| request(candidate, query, version)).collect();
    let trees = found.iter().flat_map(|candidate| candidate.provider.places());
    let summaries: Map<String, Value> = trees
        .filter(|place| nested || place.node.is_none())
        .map(|place| (place.id().to_string(), summary(&place, query, ratios, version)))
        .collect();
    json!({"allocation_requests": requests, "provider_summaries": summaries})
}

/// What a claim there would say, and since 1.34 which groups it meets.
fn request(candidate: &Candidate, query: &Query, version: Microversion) -> Value {
    // Nothing was found where a class is wanted of which there is nothing.
    let (of_host, of_node) = query.sum().split().unwrap_or_default();
    let root = candidate.root();
    let of_host = amounts(root.classes(), of_host);
    if !version.at_least(1, 12) {
        return json!({"allocations": [{"resource_provider": {"uuid": root.id()}, "resources": of_host}]});
    }
    let all = [Some((root, of_host)), candidate.node().map(|node| (node, amounts(node.classes(), of_node)))];
    let all = all.into_iter().flatten().filter(|(_, amounts)| amounts != &json!({}));
    let allocations: Map<String, Value> =
        all.map(|(place, amounts)| (place.id().to_string(), json!({"resources": amounts}))).collect();
    let mut body = json!({"allocations": allocations});
    if version.at_least(1, 34) {
        let places = |group| candidate.places(group).iter().map(Place::id).collect::<Vec<_>>();
        let mappings: Map<String, Value> =
            query.groups.iter().map(|(suffix, group)| (suffix.clone(), json!(places(group)))).collect();
        body["mappings"] = mappings.into();
    }
    body
}

/// What is there: before 1.27 only of the classes that were asked for.
fn summary(place: &Place<'_>, query: &Query, ratios: &Ratios, version: Microversion) -> Value {
    let sum = query.sum();
    let shown = inventory::of(place, ratios).into_iter();
    let shown = shown.filter(|inventory| version.at_least(1, 27) || sum.names(inventory.class));
    let resources: Map<String, Value> =
        shown.map(|one| (one.class.name().to_owned(), json!({"capacity": one.capacity, "used": one.used}))).collect();
    let mut body = json!({"resources": resources});
    if version.at_least(1, 17) {
        body["traits"] = json!(place.traits());
    }
    if version.at_least(1, 29) {
        body["parent_provider_uuid"] = json!(place.parent());
        body["root_provider_uuid"] = json!(place.provider.id());
    }
    body
}
