//! `/resource_providers/{uuid}/aggregates`, since 1.1: none.

use crate::{
    PlacementService,
    api::{answer_now, since},
};
use axum::{
    extract::{Path, State},
    response::Response,
};
use controller_web::{ApiError, Context, Routes, Target};
use serde_json::json;

pub(crate) fn routes() -> Routes<PlacementService> {
    Routes::new().get("/resource_providers/{uuid}/aggregates", "placement:resource_providers:aggregates:list", list)
}

async fn list(
    State(placement): State<PlacementService>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    since(&context, 1)?;
    context.enforce("placement:resource_providers:aggregates:list", &Target::none())?;
    let found = placement.provider(&id).await?;
    let mut body = json!({"aggregates": []});
    if context.microversion().at_least(1, 19) {
        body["resource_provider_generation"] = found.place().provider.generation.0.into();
    }
    Ok(answer_now(&context, body))
}
