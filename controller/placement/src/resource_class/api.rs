//! `/resource_classes`, since 1.2: to be read.

use super::STANDARD;
use crate::{
    PlacementError, PlacementService,
    api::{answer_now, since},
};
use axum::{extract::Path, response::Response};
use controller_web::{ApiError, BaseUrl, Context, Routes, Target};
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<PlacementService> {
    Routes::new().get("/resource_classes", "placement:resource_classes:list", list).get(
        "/resource_classes/{name}",
        "placement:resource_classes:show",
        show,
    )
}

fn render(name: &str, url: &BaseUrl) -> Value {
    json!({"name": name, "links": [{"rel": "self", "href": url.path_of(&format!("/resource_classes/{name}"))}]})
}

async fn list(context: Context) -> Result<Response, ApiError> {
    since(&context, 2)?;
    context.enforce("placement:resource_classes:list", &Target::none())?;
    let all: Vec<_> = STANDARD.iter().map(|name| render(name, context.url())).collect();
    Ok(answer_now(&context, json!({"resource_classes": all})))
}

async fn show(context: Context, Path(name): Path<String>) -> Result<Response, ApiError> {
    since(&context, 2)?;
    context.enforce("placement:resource_classes:show", &Target::none())?;
    if !STANDARD.contains(&name.as_str()) {
        return Err(PlacementError::NoClass(name).into());
    }
    Ok(answer_now(&context, render(&name, context.url())))
}
