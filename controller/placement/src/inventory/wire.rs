//! Bodies of `/resource_providers/{uuid}/inventories`.

use super::Inventory;
use controller_base::Generation;
use serde_json::{Map, Value, json};

fn fields(inventory: &Inventory) -> Value {
    let hundredths = u32::try_from(inventory.ratio_percent).unwrap_or(u32::MAX);
    json!({
        "total": inventory.total, "reserved": inventory.reserved, "min_unit": 1, "max_unit": inventory.total, "step_size": 1,
        "allocation_ratio": f64::from(hundredths) / 100.0,
    })
}

pub(crate) fn render(inventory: &Inventory, generation: Generation) -> Value {
    let mut body = fields(inventory);
    body["resource_provider_generation"] = generation.0.into();
    body
}

pub(crate) fn render_all(inventories: &[Inventory], generation: Generation) -> Value {
    let by_class: Map<String, Value> =
        inventories.iter().map(|inventory| (inventory.class.name().to_owned(), fields(inventory))).collect();
    json!({"resource_provider_generation": generation.0, "inventories": by_class})
}
