//! What clients ask before they do anything: versions, schemas, ways to import, stores.

use crate::schema;
use axum::extract::Path;
use axum::response::IntoResponse;
use controller_web::{ApiError, Json, MaybeContext};
use http::StatusCode;
use serde_json::{Value, json};

/// Glance's versions; all that clients need of them is there since 2.0.
const VERSIONS: &[(&str, &str)] = &[
    ("v2.9", "CURRENT"),
    ("v2.7", "SUPPORTED"),
    ("v2.6", "SUPPORTED"),
    ("v2.5", "SUPPORTED"),
    ("v2.4", "SUPPORTED"),
    ("v2.3", "SUPPORTED"),
    ("v2.2", "SUPPORTED"),
    ("v2.1", "SUPPORTED"),
    ("v2.0", "SUPPORTED"),
];

/// The root answers 300, as Glance does.
pub async fn versions(context: MaybeContext) -> impl IntoResponse {
    (StatusCode::MULTIPLE_CHOICES, Json(document(&context)))
}

pub async fn versions_ok(context: MaybeContext) -> Json<Value> {
    Json(document(&context))
}

fn document(context: &MaybeContext) -> Value {
    let links = json!([{"rel": "self", "href": context.url().join("/v2/")}]);
    let versions = VERSIONS.iter().map(|(id, status)| json!({"id": id, "status": status, "links": links}));
    json!({"versions": versions.collect::<Vec<_>>()})
}

pub async fn schema(Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(match name.as_str() {
        "image" => schema::image(),
        "images" => schema::list("images", schema::image()),
        "member" => schema::member(),
        "members" => schema::list("members", schema::member()),
        _ => return Err(ApiError::not_found("The resource could not be found.")),
    }))
}

/// No way to import but the direct upload.
pub async fn import() -> Json<Value> {
    Json(json!({"import-methods": {"description": "Import methods available.", "type": "array", "value": []}}))
}

pub async fn stores() -> Result<Json<Value>, ApiError> {
    Err(ApiError::not_found("Multi backend is not supported at this site."))
}
