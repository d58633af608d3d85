//! Bodies of `/resource_providers`.

use super::Place;
use controller_web::{BaseUrl, Microversion};
use serde_json::{Value, json};

/// What a provider's links name, with the microversion that brought it.
const LINKS: &[(&str, u16)] =
    &[("inventories", 0), ("usages", 0), ("aggregates", 1), ("traits", 6), ("allocations", 11)];

pub(crate) fn render(place: &Place<'_>, version: Microversion, url: &BaseUrl) -> Value {
    let id = place.id();
    let own = url.path_of(&format!("/resource_providers/{id}"));
    let known = LINKS.iter().filter(|(_, minor)| version.at_least(1, *minor));
    let further = known.map(|(name, _)| json!({"rel": name, "href": format!("{own}/{name}")}));
    let links: Vec<_> = std::iter::once(json!({"rel": "self", "href": own})).chain(further).collect();
    let generation = place.provider.generation.0;
    let mut body = json!({"uuid": id, "name": place.name(), "generation": generation, "links": links});
    if version.at_least(1, 14) {
        body["parent_provider_uuid"] = json!(place.parent());
        body["root_provider_uuid"] = json!(place.provider.id());
    }
    body
}
