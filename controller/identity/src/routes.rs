//! All routes, and the version documents.

use crate::Identity;
use controller_web::{
    Access, ErrorStyle, Json, MaybeContext, Routes, Service, ServiceInfo, WebState,
    discovery::{self, Version},
    service::BODY_LIMIT,
};
use http::StatusCode;
use serde_json::Value;

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
        .merge(crate::token::api::routes())
        .merge(crate::user::api::routes())
        .merge(crate::project::api::routes())
        .merge(crate::project::api::tag::routes())
        .merge(crate::project::api::domain::routes())
        .merge(crate::domain_config::api::routes())
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
    Service::new(&INFO, routes(), identity, web)
}

async fn versions(context: MaybeContext) -> (StatusCode, Json<Value>) {
    (StatusCode::MULTIPLE_CHOICES, Json(discovery::nested_list(&[V3], context.url())))
}

async fn version(context: MaybeContext) -> Json<Value> {
    Json(discovery::one(&V3, context.url()))
}
