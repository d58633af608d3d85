//! `/resource_providers`: to be read. Hosts come and go by joining the federation and leaving it.

use super::{query::Query, wire};
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
    let found = placement.matching(&query).await?;
    let modified = found.iter().map(|provider| provider.modified_at).max().unwrap_or_else(|| context.now());
    let shown: Vec<_> =
        found.iter().map(|provider| wire::render(provider, context.microversion(), context.url())).collect();
    Ok(answer(&context, json!({"resource_providers": shown}), modified))
}

async fn show(
    State(placement): State<PlacementService>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    context.enforce("placement:resource_providers:show", &Target::none())?;
    let provider = placement.provider(&id).await?;
    let body = wire::render(&provider, context.microversion(), context.url());
    Ok(answer(&context, body, provider.modified_at))
}
