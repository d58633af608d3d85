//! `/resource_providers/{uuid}/usages`, and `/usages` of a project since 1.9.

use crate::{
    PlacementError, PlacementService,
    allocation::CONSUMER_TYPE,
    api::{answer_now, since},
    query,
};
use axum::{
    extract::{Path, State},
    response::Response,
};
use controller_web::{ApiError, Context, Params, Routes, Target};
use serde_json::{Value, json};

/// The longest id of a project or user.
const LONGEST: usize = 255;

pub(crate) fn routes() -> Routes<PlacementService> {
    Routes::new().get("/resource_providers/{uuid}/usages", "placement:resource_providers:usages", show).get(
        "/usages",
        "placement:usages",
        of_project,
    )
}

async fn show(
    State(placement): State<PlacementService>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    context.enforce("placement:resource_providers:usages", &Target::none())?;
    let found = placement.provider(&id).await?;
    let place = found.place();
    let body = json!({"resource_provider_generation": place.provider.generation.0, "usages": super::of(&place)});
    Ok(answer_now(&context, body))
}

async fn of_project(
    State(placement): State<PlacementService>,
    context: Context,
    params: Params,
) -> Result<Response, ApiError> {
    since(&context, 9)?;
    let asked = params.get("project_id");
    context.enforce("placement:usages", &Target::none().with_maybe("project_id", asked))?;
    let by_type = context.microversion().at_least(1, 38);
    query::only(&params, |name| matches!(name, "project_id" | "user_id") || (by_type && name == "consumer_type"))?;
    let project = asked.ok_or_else(|| PlacementError::query("'project_id' is a required property"))?;
    for text in [asked, params.get("user_id"), params.get("consumer_type")].into_iter().flatten() {
        if text.is_empty() || text.len() > LONGEST {
            return Err(PlacementError::query(format!("'{text}' is too short or too long")).into());
        }
    }
    let allocations = placement.allocations_of_project(project, params.get("user_id")).await?;
    let mut usages = super::total(&allocations);
    if by_type {
        usages = match grouped(params.get("consumer_type"))? {
            Some(group) if !allocations.is_empty() => {
                usages.insert("consumer_count".to_owned(), allocations.len().into());
                [(group, Value::from(usages))].into_iter().collect()
            }
            _ => serde_json::Map::new(),
        };
    }
    Ok(answer_now(&context, json!({"usages": usages})))
}

/// Under which name a project's usage stands where it is told by type of consumer; `None`: no consumer is of the wanted type.
fn grouped(wanted: Option<&str>) -> Result<Option<String>, PlacementError> {
    let is_type = |text: &str| text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
    match wanted {
        None | Some(CONSUMER_TYPE) => Ok(Some(CONSUMER_TYPE.to_owned())),
        Some("all") => Ok(Some("all".to_owned())),
        Some("unknown") => Ok(None),
        Some(other) if is_type(other) => Ok(None),
        Some(other) => Err(PlacementError::query(format!("'{other}' is no type of consumers"))),
    }
}
