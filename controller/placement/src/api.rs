//! All routes, the version document, and what all answers have in common.

use crate::PlacementService;
use axum::response::{IntoResponse, Response};
use controller_base::Timestamp;
use controller_web::{
    Access, ApiError, Context, ErrorStyle, Json, MaybeContext, Microversion, Routes, Service, ServiceInfo, WebState,
    microversion::Range, service::BODY_LIMIT,
};
use http::{HeaderValue, header};
use serde_json::{Value, json};

const LEAST: Microversion = Microversion::new(1, 0);
const GREATEST: Microversion = Microversion::new(1, 39);

/// What the service is.
pub static INFO: ServiceInfo = ServiceInfo {
    name: "placement",
    style: ErrorStyle::Placement,
    body_limit: BODY_LIMIT,
    microversions: Some(Range { service_type: "placement", legacy_header: None, least: LEAST, greatest: GREATEST }),
};

/// Every route.
#[must_use]
pub fn routes() -> Routes<PlacementService> {
    Routes::new()
        .get("/", Access::Public, versions)
        .merge(crate::provider::api::routes())
        .merge(crate::inventory::api::routes())
        .merge(crate::usage::api::routes())
        .merge(crate::allocation::api::routes())
        .merge(crate::aggregate::api::routes())
        .merge(crate::traits::api::routes())
        .merge(crate::resource_class::api::routes())
        .merge(crate::candidate::api::routes())
}

/// The service, ready to be mounted.
#[must_use]
pub fn service(placement: PlacementService, web: &WebState) -> Service {
    Service::new(&INFO, routes(), placement, web)
}

async fn versions(context: MaybeContext) -> Response {
    // The link is relative, as upstream has it.
    let links = json!([{"rel": "self", "href": ""}]);
    let version = json!({"id": format!("v{LEAST}"), "status": "CURRENT", "min_version": LEAST.to_string(),
        "max_version": GREATEST.to_string(), "links": links});
    stamped(json!({"versions": [version]}), context.microversion(), context.now())
}

/// An answer; since 1.15 it says when what it tells of last changed.
pub(crate) fn answer(context: &Context, body: Value, modified: Timestamp) -> Response {
    stamped(body, context.microversion(), modified)
}

/// The same for what changes whenever it is asked for.
pub(crate) fn answer_now(context: &Context, body: Value) -> Response {
    answer(context, body, context.now())
}

fn stamped(body: Value, version: Microversion, modified: Timestamp) -> Response {
    with_age(Json(body).into_response(), version, modified)
}

/// Adds the age of what was asked for.
pub(crate) fn with_age(mut response: Response, version: Microversion, modified: Timestamp) -> Response {
    if version.at_least(1, 15) {
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(date) = HeaderValue::from_str(&modified.http_date()) {
            headers.insert(header::LAST_MODIFIED, date);
        }
    }
    response
}

/// What came with microversion `1.minor` is not there before.
pub(crate) fn since(context: &Context, minor: u16) -> Result<(), ApiError> {
    if context.microversion().at_least(1, minor) {
        return Ok(());
    }
    Err(ApiError::not_found("The resource could not be found."))
}
