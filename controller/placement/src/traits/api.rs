//! `/traits` and `/resource_providers/{uuid}/traits`, since 1.6: to be read.

use crate::{
    PlacementError, PlacementService,
    api::{answer, answer_now, since, with_age},
    provider::Provider,
    query,
};
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use controller_web::{ApiError, Context, Params, Routes, Target};
use http::StatusCode;
use serde_json::json;

pub(crate) fn routes() -> Routes<PlacementService> {
    Routes::new()
        .get("/traits", "placement:traits:list", list)
        .get("/traits/{name}", "placement:traits:show", show)
        .get("/resource_providers/{uuid}/traits", "placement:resource_providers:traits:list", of_provider)
}

async fn list(
    State(placement): State<PlacementService>,
    context: Context,
    params: Params,
) -> Result<Response, ApiError> {
    since(&context, 6)?;
    context.enforce("placement:traits:list", &Target::none())?;
    query::only(&params, |name| matches!(name, "name" | "associated"))?;
    let named = params.get("name").map(named).transpose()?;
    let associated = params.get("associated").map(associated).transpose()?;
    let providers = placement.providers().await?;
    let held: Vec<_> = providers.iter().flat_map(Provider::places).flat_map(|place| place.traits()).collect();
    let wanted = |name: &&str| {
        named.as_ref().is_none_or(|named| named.fits(name))
            && associated.is_none_or(|associated| held.contains(name) == associated)
    };
    let found: Vec<_> = super::all().filter(wanted).collect();
    Ok(answer_now(&context, json!({"traits": found})))
}

/// `in:A,B` or `startswith:A`.
#[derive(Debug)]
enum Named<'a> {
    In(Vec<&'a str>),
    StartsWith(&'a str),
    /// Another word before the colon asks for nothing in particular.
    Any,
}

impl Named<'_> {
    fn fits(&self, name: &str) -> bool {
        match self {
            Self::In(names) => names.contains(&name),
            Self::StartsWith(prefix) => name.starts_with(prefix),
            Self::Any => true,
        }
    }
}

fn named(text: &str) -> Result<Named<'_>, PlacementError> {
    match text.split_once(':') {
        Some(("in", names)) => Ok(Named::In(names.split(',').collect())),
        Some(("startswith", prefix)) => Ok(Named::StartsWith(prefix)),
        Some(_) => Ok(Named::Any),
        None => Err(PlacementError::Invalid(format!(
            "Badly formatted name parameter. Expected name query string parameter in form: \
             ?name=[in|startswith]:[name1,name2|prefix]. Got: \"{text}\""
        ))),
    }
}

fn associated(text: &str) -> Result<bool, PlacementError> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(PlacementError::Invalid(
            "The query parameter \"associated\" only accepts \"true\" or \"false\"".to_owned(),
        )),
    }
}

async fn show(context: Context, Path(name): Path<String>) -> Result<Response, ApiError> {
    since(&context, 6)?;
    context.enforce("placement:traits:show", &Target::none())?;
    if super::known(&name).is_none() {
        return Err(PlacementError::NoTrait(name).into());
    }
    Ok(with_age(StatusCode::NO_CONTENT.into_response(), context.microversion(), context.now()))
}

async fn of_provider(
    State(placement): State<PlacementService>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    since(&context, 6)?;
    context.enforce("placement:resource_providers:traits:list", &Target::none())?;
    let found = placement.provider(&id).await?;
    let place = found.place();
    let body = json!({"traits": place.traits(), "resource_provider_generation": place.provider.generation.0});
    Ok(answer(&context, body, place.provider.modified_at))
}
