//! `/resource_providers/{uuid}/inventories`: to be read. What a host has is told by the host.

use super::wire;
use crate::{PlacementError, PlacementService, api::answer};
use axum::{
    extract::{Path, State},
    response::Response,
};
use controller_web::{ApiError, Context, Routes, Target};

pub(crate) fn routes() -> Routes<PlacementService> {
    Routes::new()
        .get("/resource_providers/{uuid}/inventories", "placement:resource_providers:inventories:list", list)
        .get(
            "/resource_providers/{uuid}/inventories/{resource_class}",
            "placement:resource_providers:inventories:show",
            show,
        )
}

async fn list(
    State(placement): State<PlacementService>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    context.enforce("placement:resource_providers:inventories:list", &Target::none())?;
    let found = placement.provider(&id).await?;
    let place = found.place();
    let body = wire::render_all(&super::of(&place, &placement.ratios), place.provider.generation);
    Ok(answer(&context, body, place.provider.modified_at))
}

async fn show(
    State(placement): State<PlacementService>,
    context: Context,
    Path((id, class)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    context.enforce("placement:resource_providers:inventories:show", &Target::none())?;
    let found = placement.provider(&id).await?;
    let place = found.place();
    let all = super::of(&place, &placement.ratios);
    let inventory = all.iter().find(|inventory| inventory.class.name() == class);
    let inventory = inventory.ok_or(PlacementError::NoInventory { class, provider: id })?;
    Ok(answer(&context, wire::render(inventory, place.provider.generation), place.provider.modified_at))
}
