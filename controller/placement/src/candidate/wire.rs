//! The body of `/allocation_candidates`.

use super::query::Query;
use crate::{Ratios, inventory, provider::Provider, resource_class::amounts, traits};
use controller_web::Microversion;
use serde_json::{Map, Value, json};

pub(super) fn render(found: &[Provider], query: &Query, ratios: &Ratios, version: Microversion) -> Value {
    // Nothing was found where a class is wanted of which hosts have nothing.
    let wanted = amounts(query.sum().resources().unwrap_or_default());
    let requests: Vec<_> = found.iter().map(|provider| request(provider, &wanted, query, version)).collect();
    let summaries: Map<String, Value> = found
        .iter()
        .map(|provider| (provider.usage.host_id.to_string(), summary(provider, query, ratios, version)))
        .collect();
    json!({"allocation_requests": requests, "provider_summaries": summaries})
}

/// What a claim there would say, and since 1.34 which groups it meets.
fn request(provider: &Provider, wanted: &Value, query: &Query, version: Microversion) -> Value {
    let id = provider.usage.host_id.to_string();
    if !version.at_least(1, 12) {
        return json!({"allocations": [{"resource_provider": {"uuid": id}, "resources": wanted}]});
    }
    let mut body = json!({"allocations": {id.clone(): {"resources": wanted}}});
    if version.at_least(1, 34) {
        let mappings: Map<String, Value> = query.groups.keys().map(|suffix| (suffix.clone(), json!([id]))).collect();
        body["mappings"] = mappings.into();
    }
    body
}

/// What is there: before 1.27 only of the classes that were asked for.
fn summary(provider: &Provider, query: &Query, ratios: &Ratios, version: Microversion) -> Value {
    let sum = query.sum();
    let shown = inventory::of(provider, ratios).into_iter();
    let shown = shown.filter(|inventory| version.at_least(1, 27) || sum.names(inventory.class));
    let resources: Map<String, Value> =
        shown.map(|one| (one.class.name().to_owned(), json!({"capacity": one.capacity, "used": one.used}))).collect();
    let mut body = json!({"resources": resources});
    if version.at_least(1, 17) {
        body["traits"] = json!(traits::of(provider));
    }
    if version.at_least(1, 29) {
        body["parent_provider_uuid"] = Value::Null;
        body["root_provider_uuid"] = json!(provider.usage.host_id);
    }
    body
}
