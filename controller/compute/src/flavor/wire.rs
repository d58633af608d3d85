//! Flavors' bodies.

use super::model::Flavor;
use crate::links::Links;
use crate::schema::{Format, Minor, Schema, as_bool, as_integer, formatted, integer, nullable, object, text};
use controller_base::Timestamp;
use controller_base::id::{FlavorId, ServerId};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Nova's largest integer.
const MAX: i64 = 0x7FFF_FFFF;

/// POST /flavors.
pub(crate) static CREATE: LazyLock<Schema> = LazyLock::new(|| {
    let flavor = object()
        .required("name", formatted(1, 255, Format::Name))
        .field("id", nullable(Schema::OneOf(vec![formatted(1, 255, Format::FlavorId), integer(0, MAX)])))
        .required("ram", integer(1, MAX))
        .required("vcpus", integer(1, MAX))
        .required("disk", integer(0, MAX))
        .field("OS-FLV-EXT-DATA:ephemeral", integer(0, MAX))
        .field("swap", integer(0, MAX))
        .field("rxtx_factor", Schema::Number)
        .field("os-flavor-access:is_public", Schema::Boolean)
        .since(55, "description", nullable(text(0, 65_535)))
        .done();
    object().required("flavor", flavor).done()
});

/// PUT /flavors/{id}, since 2.55.
pub(crate) static UPDATE: LazyLock<Schema> = LazyLock::new(|| {
    let flavor = object().required("description", nullable(text(0, 65_535))).done();
    object().required("flavor", flavor).done()
});

/// POST /flavors/{id}/os-extra_specs.
pub(crate) static EXTRA_SPECS: LazyLock<Schema> =
    LazyLock::new(|| object().required("extra_specs", spec_map(usize::MAX)).done());

/// PUT /flavors/{id}/os-extra_specs/{key}.
pub(crate) static EXTRA_SPEC: LazyLock<Schema> = LazyLock::new(|| spec_map(1));

/// POST /flavors/{id}/action.
pub(crate) static ACCESS: LazyLock<Schema> = LazyLock::new(|| {
    let tenant = || object().required("tenant", formatted(1, 255, Format::MetadataKey)).done();
    object().field("addTenantAccess", tenant()).field("removeTenantAccess", tenant()).done()
});

fn spec_map(max: usize) -> Schema {
    let value = Schema::OneOf(vec![text(0, 255), Schema::Number]);
    Schema::Map { key: Format::SpecKey, value: Box::new(value), max }
}

/// A flavor from a body that fits [`CREATE`].
pub(crate) fn read_create(body: &Value, now: Timestamp) -> Flavor {
    let flavor = &body["flavor"];
    let number = |name: &str| flavor.get(name).and_then(as_integer).and_then(|n| u64::try_from(n).ok());
    let id = match &flavor["id"] {
        Value::String(text) if text == "auto" => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let id = id.and_then(|id| id.parse().ok()).unwrap_or_else(random_id);
    let factor = match &flavor["rxtx_factor"] {
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    };
    Flavor {
        id,
        name: flavor["name"].as_str().unwrap_or_default().to_owned(),
        vcpus: number("vcpus").and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
        memory_mib: number("ram").unwrap_or_default(),
        root_gib: number("disk").unwrap_or_default(),
        ephemeral_gib: number("OS-FLV-EXT-DATA:ephemeral").unwrap_or_default(),
        swap_mib: number("swap").unwrap_or_default(),
        rxtx_factor: factor.unwrap_or(1.0),
        is_public: flavor.get("os-flavor-access:is_public").and_then(as_bool).unwrap_or(true),
        description: flavor["description"].as_str().map(str::to_owned),
        extra_specs: BTreeMap::new(),
        created_at: now,
    }
}

fn random_id() -> FlavorId {
    // A dashed UUID, as Nova gives to flavors without an id of their own.
    let uuid = ServerId::random().to_string();
    uuid.parse().unwrap_or_else(|_| FlavorId::random())
}

/// Extra specs of a body; numbers become text.
pub(crate) fn read_specs(specs: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let map = specs.as_object();
    map.into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect()
}

/// One flavor of GET /flavors.
pub(crate) fn brief(flavor: &Flavor, links: &Links<'_>, version: Minor) -> Value {
    let mut out = json!({"id": flavor.id, "name": flavor.name, "links": links.of("flavors", flavor.id.as_str())});
    if version >= 55 {
        out["description"] = json!(flavor.description);
    }
    out
}

/// One flavor in full.
pub(crate) fn full(flavor: &Flavor, links: &Links<'_>, version: Minor, with_specs: bool) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("id", json!(flavor.id));
    put("name", json!(flavor.name));
    put("ram", json!(flavor.memory_mib));
    put("disk", json!(flavor.root_gib));
    put("swap", if flavor.swap_mib == 0 && version < 75 { json!("") } else { json!(flavor.swap_mib) });
    put("OS-FLV-EXT-DATA:ephemeral", json!(flavor.ephemeral_gib));
    put("OS-FLV-DISABLED:disabled", json!(false));
    put("vcpus", json!(flavor.vcpus));
    put("os-flavor-access:is_public", json!(flavor.is_public));
    put("rxtx_factor", json!(flavor.rxtx_factor));
    put("links", links.of("flavors", flavor.id.as_str()));
    if version >= 55 {
        put("description", json!(flavor.description));
    }
    if version >= 61 && with_specs {
        put("extra_specs", json!(flavor.extra_specs));
    }
    Value::Object(out)
}
