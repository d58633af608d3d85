//! `/allocation_candidates`, since 1.10.

use super::{query::Query, select, wire};
use crate::{
    PlacementError, PlacementService,
    api::{answer_now, since},
};
use axum::{extract::State, response::Response};
use controller_web::{ApiError, Context, Params, Routes, Target};

pub(crate) fn routes() -> Routes<PlacementService> {
    Routes::new().get("/allocation_candidates", "placement:allocation_candidates:list", list)
}

async fn list(
    State(placement): State<PlacementService>,
    context: Context,
    params: Params,
) -> Result<Response, ApiError> {
    since(&context, 10)?;
    context.enforce("placement:allocation_candidates:list", &Target::none())?;
    let query = Query::read(&params, context.microversion()).map_err(|error| match error {
        PlacementError::NoTrait(name) => PlacementError::Invalid(format!("No such trait(s): {name}.")),
        other => other,
    })?;
    let found =
        select(placement.providers().await?, &query, (&placement.ratios, placement.order), placement.clock.now());
    Ok(answer_now(&context, wire::render(&found, &query, &placement.ratios, context.microversion())))
}
