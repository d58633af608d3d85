//! `/allocations/{consumer}` and `/resource_providers/{uuid}/allocations`: to be read. Compute claims and releases by the port.

use super::wire;
use crate::{PlacementService, api::answer};
use axum::{
    extract::{Path, State},
    response::Response,
};
use controller_web::{ApiError, Context, Routes, Target};

pub(crate) fn routes() -> Routes<PlacementService> {
    Routes::new().get("/allocations/{consumer_uuid}", "placement:allocations:list", show).get(
        "/resource_providers/{uuid}/allocations",
        "placement:resource_providers:allocations:list",
        list,
    )
}

async fn show(
    State(placement): State<PlacementService>,
    context: Context,
    Path(consumer): Path<String>,
) -> Result<Response, ApiError> {
    context.enforce("placement:allocations:list", &Target::none())?;
    let allocation = placement.allocation(&consumer).await?;
    let providers = placement.providers().await?;
    let found = allocation.as_ref().and_then(|allocation| {
        let host = providers.iter().find(|provider| provider.usage.host_id == allocation.host)?;
        Some((allocation, host))
    });
    let modified = found.map_or_else(|| context.now(), |(allocation, _)| allocation.created_at);
    Ok(answer(&context, wire::of_consumer(found, context.microversion()), modified))
}

async fn list(
    State(placement): State<PlacementService>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    context.enforce("placement:resource_providers:allocations:list", &Target::none())?;
    let found = placement.provider(&id).await?;
    let place = found.place();
    let allocations = placement.allocations_on(&place).await?;
    let modified = allocations.iter().map(|one| one.created_at).max().unwrap_or_else(|| context.now());
    Ok(answer(&context, wire::of_place(&allocations, &place, context.microversion()), modified))
}
