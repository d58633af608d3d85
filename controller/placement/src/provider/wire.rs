//! Bodies of `/resource_providers`.

use super::Provider;
use controller_web::{BaseUrl, Microversion};
use serde_json::{Value, json};

/// What a provider's links name, with the microversion that brought it.
const LINKS: &[(&str, u16)] =
    &[("inventories", 0), ("usages", 0), ("aggregates", 1), ("traits", 6), ("allocations", 11)];

pub(crate) fn render(provider: &Provider, version: Microversion, url: &BaseUrl) -> Value {
    let id = provider.usage.host_id;
    let own = url.path_of(&format!("/resource_providers/{id}"));
    let known = LINKS.iter().filter(|(_, minor)| version.at_least(1, *minor));
    let further = known.map(|(name, _)| json!({"rel": name, "href": format!("{own}/{name}")}));
    let links: Vec<_> = std::iter::once(json!({"rel": "self", "href": own})).chain(further).collect();
    let mut body =
        json!({"uuid": id, "name": provider.usage.hostname, "generation": provider.generation.0, "links": links});
    if version.at_least(1, 14) {
        body["parent_provider_uuid"] = Value::Null;
        body["root_provider_uuid"] = json!(id);
    }
    body
}
