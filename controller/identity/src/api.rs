//! All routes, and the version documents.

use crate::Identity;
use axum::response::{IntoResponse, Response};
use controller_web::{
    Access, ApiError, ErrorStyle, Json, MaybeContext, Routes, Service, ServiceInfo, WebState,
    discovery::{self, Version},
    service::BODY_LIMIT,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// What the service is.
pub static INFO: ServiceInfo =
    ServiceInfo { name: "identity", style: ErrorStyle::Identity, body_limit: BODY_LIMIT, microversions: None };

const V3: Version = Version {
    updated: Some("2020-04-07T00:00:00Z"),
    media_type: Some("application/vnd.openstack.identity-v3+json"),
    ..Version::new("v3.14", "stable", "/v3/")
};

/// Every route.
#[must_use]
pub fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/", Access::Public, versions)
        .get("/v3", Access::Public, version)
        .get("/v3/OS-SIMPLE-CERT/ca", Access::Public, gone)
        .get("/v3/OS-SIMPLE-CERT/certificates", Access::Public, gone)
        .merge(crate::token::api::routes())
        .merge(crate::user::api::routes())
        .merge(crate::project::api::routes())
        .merge(crate::project::api::tag::routes())
        .merge(crate::project::api::domain::routes())
        .merge(crate::domain_config::api::routes())
        .merge(crate::endpoint_filter::api::routes())
        .merge(crate::endpoint_policy::api::routes())
        .merge(crate::limit::api::routes())
        .merge(crate::limit::api::registered::routes())
        .merge(crate::consumer::api::routes())
        .merge(crate::group::api::routes())
        .merge(crate::group::api::member::routes())
        .merge(crate::role::api::routes())
        .merge(crate::role::api::implied::routes())
        .merge(crate::assignment::api::grant::routes())
        .merge(crate::assignment::api::list::routes())
        .merge(crate::catalog::api::region::routes())
        .merge(crate::catalog::api::service::routes())
        .merge(crate::catalog::api::endpoint::routes())
        .merge(crate::credential::api::routes())
        .merge(crate::credential::api::policy_blob::routes())
        .merge(crate::federation::api::routes())
        .merge(crate::app_credential::api::routes())
        .merge(crate::trust::api::routes())
        .merge(crate::ec2::api::routes())
}

/// The service, ready to be mounted.
#[must_use]
pub fn service(identity: Identity, web: &WebState) -> Service {
    let routes = routes().audited(std::sync::Arc::new(identity.events.clone()));
    Service::new(&INFO, routes, identity, web)
}

async fn versions(context: MaybeContext, headers: HeaderMap) -> Response {
    if wants_home(&headers) {
        return home("/v3");
    }
    (StatusCode::MULTIPLE_CHOICES, Json(discovery::nested_list(&[V3], context.url()))).into_response()
}

async fn version(context: MaybeContext, headers: HeaderMap) -> Response {
    if wants_home(&headers) {
        return home("");
    }
    Json(discovery::one(&V3, context.url())).into_response()
}

const HOME: &str = "application/json-home";

/// Whether the client likes the JSON home document best.
fn wants_home(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let quality = |wanted: &str| {
        let offers =
            accept.split(',').filter(|offer| offer.split(';').next().is_some_and(|kind| kind.trim() == wanted));
        let quality = |offer: &str| match offer.split_once("q=") {
            Some((_, text)) => text.trim().parse::<f32>().unwrap_or(0.0),
            None => 1.0,
        };
        offers.map(quality).fold(0.0, f32::max)
    };
    quality(HOME) > quality("application/json")
}

fn home(prefix: &str) -> Response {
    let mut response = Json(crate::json_home::document(prefix)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(HOME));
    response
}

/// PKI tokens and their certificates are no more, in Keystone neither.
async fn gone() -> ApiError {
    ApiError::gone("This API is no longer available due to the removal of support for PKI tokens.")
}
