//! `/resource_providers`: to be read. Hosts come and go by joining the federation and leaving it.

use super::{Provider, query::Query, wire};
use crate::{PlacementService, api::answer};
use axum::{
    extract::{Path, State},
    response::Response,
};
use controller_web::{ApiError, Context, Params, Routes, Target};
use serde_json::json;

pub(crate) fn routes() -> Routes<PlacementService> {
    Routes::new().get("/resource_providers", "placement:resource_providers:list", list).get(
        "/resource_providers/{uuid}",
        "placement:resource_providers:show",
        show,
    )
}

async fn list(
    State(placement): State<PlacementService>,
    context: Context,
    params: Params,
) -> Result<Response, ApiError> {
    context.enforce("placement:resource_providers:list", &Target::none())?;
    let query = Query::read(&params, context.microversion())?;
    // A cloud has few hosts, and what is asked of them is computed, not stored.
    let all = placement.providers().await?;
    let found: Vec<_> =
        all.iter().flat_map(Provider::places).filter(|place| query.wants(place, &placement.ratios)).collect();
    let modified = found.iter().map(|place| place.provider.modified_at).max().unwrap_or_else(|| context.now());
    let shown: Vec<_> = found.iter().map(|place| wire::render(place, context.microversion(), context.url())).collect();
    Ok(answer(&context, json!({"resource_providers": shown}), modified))
}

async fn show(
    State(placement): State<PlacementService>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    context.enforce("placement:resource_providers:show", &Target::none())?;
    let found = placement.provider(&id).await?;
    let place = found.place();
    Ok(answer(&context, wire::render(&place, context.microversion(), context.url()), place.provider.modified_at))
}
