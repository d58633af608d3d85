//! The body of `/allocation_candidates`.

use super::{Candidate, query::Query};
use crate::{Ratios, inventory, provider::Place, resource_class::amounts};
use controller_web::Microversion;
use serde_json::{Map, Value, json};

pub(super) fn render(found: &[Candidate], query: &Query, ratios: &Ratios, version: Microversion) -> Value {
    // Before 1.29 no two providers of one tree were told of together.
    let nested = version.at_least(1, 29);
    let found: Vec<_> = found.iter().filter(|candidate| nested || shares(candidate, query).len() == 1).collect();
    let requests: Vec<_> = found.iter().map(|candidate| request(candidate, query, version)).collect();
    let mut hosts = found.clone();
    // Those of one host follow each other.
    hosts.dedup_by_key(|candidate| candidate.provider.id());
    let trees = hosts.into_iter().flat_map(|candidate| candidate.provider.places()).filter(|_| nested);
    let alone = found.iter().flat_map(|candidate| shares(candidate, query)).map(|(place, _)| place);
    let summaries: Map<String, Value> = trees
        .chain(alone.filter(|_| !nested))
        .map(|place| (place.id().to_string(), summary(&place, query, ratios, version)))
        .collect();
    json!({"allocation_requests": requests, "provider_summaries": summaries})
}

/// What a claim there would take, of the host and of its node.
fn shares<'a>(candidate: &'a Candidate, query: &Query) -> Vec<(Place<'a>, Value)> {
    // Nothing was found where a class is wanted of which there is nothing.
    let (of_host, of_node) = query.sum().split().unwrap_or_default();
    let places = [Some((candidate.root(), of_host)), candidate.node().map(|node| (node, of_node))];
    let shares = places.into_iter().flatten().map(|(place, wanted)| (place, amounts(place.classes(), wanted)));
    shares.filter(|(_, amounts)| amounts != &json!({})).collect()
}

/// What a claim there would say, and since 1.34 which groups it meets.
fn request(candidate: &Candidate, query: &Query, version: Microversion) -> Value {
    let shares = shares(candidate, query).into_iter();
    if !version.at_least(1, 12) {
        let one = |(place, amounts): (Place<'_>, Value)| json!({"resource_provider": {"uuid": place.id()}, "resources": amounts});
        return json!({"allocations": shares.map(one).collect::<Vec<_>>()});
    }
    let one = |(place, amounts): (Place<'_>, Value)| (place.id().to_string(), json!({"resources": amounts}));
    let mut body = json!({"allocations": shares.map(one).collect::<Map<_, _>>()});
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
