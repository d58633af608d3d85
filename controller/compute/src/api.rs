//! The routes of `/compute`: version documents, then each resource's own.

use crate::Compute;
use axum::extract::{Request, State};
use axum::{Router, response::Response};
use controller_web::discovery::{self, Version};
use controller_web::{
    Access, Context, ErrorStyle, Json, MaybeContext, Microversion, Routes, Service, ServiceInfo, WebState,
};
use http::{Uri, uri::PathAndQuery};
use serde_json::{Value, json};
use tower::ServiceExt;

/// The greatest microversion that is spoken.
pub const MAX_MICROVERSION: Microversion = Microversion::new(2, 96);
const MIN_MICROVERSION: Microversion = Microversion::new(2, 1);

static INFO: ServiceInfo = ServiceInfo {
    name: "compute",
    style: ErrorStyle::Compute,
    body_limit: controller_web::service::BODY_LIMIT,
    microversions: Some(controller_web::microversion::Range {
        service_type: "compute",
        legacy_header: Some("x-openstack-nova-api-version"),
        least: MIN_MICROVERSION,
        greatest: MAX_MICROVERSION,
    }),
};

const VERSION: Version = Version {
    id: "v2.1",
    status: "CURRENT",
    path: "/v2.1/",
    updated: Some("2013-07-23T11:33:21Z"),
    media_type: None,
    microversions: Some((MIN_MICROVERSION, MAX_MICROVERSION)),
    empty_microversions: false,
};

/// The version before microversions: clients expect it first in the list. Only its document is there.
const OLDER: Version = Version {
    id: "v2.0",
    status: "SUPPORTED",
    path: "/v2/",
    updated: Some("2011-01-21T11:33:21Z"),
    media_type: None,
    microversions: None,
    empty_microversions: true,
};

/// Compute's REST API, to be mounted at `/compute`.
#[must_use]
pub fn service(compute: Compute, web: &WebState) -> Service {
    let routes = match compute.legacy() {
        Ok(_) => routes().merge(crate::legacy::api::routes()),
        Err(_) => routes(),
    };
    let mut service = Service::new(&INFO, routes, compute, web);
    service.router = without_project(service.router);
    service
}

/// All routes: what the compatibility tables are made from.
#[must_use]
pub fn routes() -> Routes<Compute> {
    Routes::new()
        .get("/", Access::Public, versions)
        .get("/v2", Access::Public, older_version)
        .get("/v2.1", Access::Public, version)
        .get("/v2.1/extensions", Access::Token, extensions)
        .get("/v2.1/extensions/{alias}", Access::Token, extension)
        .merge(crate::server::api::routes())
        .merge(crate::flavor::api::routes())
        .merge(crate::keypair::api::routes())
        .merge(crate::quota::api::routes())
        .merge(crate::action_log::api::routes())
        .merge(crate::aggregate::api::routes())
        .merge(crate::group::api::routes())
        .merge(crate::host::api::routes())
        .merge(crate::usage::api::routes())
}

async fn versions(State(_): State<Compute>, context: MaybeContext) -> Json<Value> {
    Json(discovery::list(&[OLDER, VERSION], context.url()))
}

async fn older_version(State(_): State<Compute>, context: MaybeContext) -> Json<Value> {
    let document = Version { media_type: Some("application/vnd.openstack.compute+json;version=2"), ..OLDER };
    Json(discovery::one(&document, context.url()))
}

async fn version(State(_): State<Compute>, context: MaybeContext) -> Json<Value> {
    let document = Version { media_type: Some("application/vnd.openstack.compute+json;version=2.1"), ..VERSION };
    let mut out = discovery::one(&document, context.url());
    if let Some(links) = out["version"]["links"].as_array_mut() {
        links.push(json!({"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}));
    }
    Json(out)
}

/// Names of what is built, as older clients ask for them.
const EXTENSIONS: [(&str, &str); 10] = [
    ("os-availability-zone", "AvailabilityZone"),
    ("os-console-output", "ConsoleOutput"),
    ("os-flavor-access", "FlavorAccess"),
    ("os-flavor-extra-specs", "FlavorExtraSpecs"),
    ("os-hypervisors", "Hypervisors"),
    ("os-instance-actions", "InstanceActions"),
    ("os-keypairs", "Keypairs"),
    ("os-quota-sets", "Quotas"),
    ("os-server-groups", "ServerGroups"),
    ("os-simple-tenant-usage", "SimpleTenantUsage"),
];

fn describe((alias, name): &(&str, &str)) -> Value {
    json!({"alias": alias, "name": name, "description": "", "links": [], "namespace":
        "http://docs.openstack.org/compute/ext/fake_xml", "updated": "2014-12-03T00:00:00Z"})
}

async fn extensions(_: Context) -> Json<Value> {
    Json(json!({"extensions": EXTENSIONS.iter().map(describe).collect::<Vec<_>>()}))
}

async fn extension(
    _: Context,
    axum::extract::Path(alias): axum::extract::Path<String>,
) -> Result<Json<Value>, crate::Failure> {
    let found = EXTENSIONS.iter().find(|(known, _)| *known == alias);
    let found = found.ok_or_else(|| crate::failure::not_found("The resource could not be found."))?;
    Ok(Json(json!({"extension": describe(found)})))
}

/// Older clients write `/v2.1/{project id}/servers`. The project says nothing that the token does not, so it is taken out.
fn without_project(inner: Router) -> Router {
    Router::new().fallback(move |request: Request| strip(inner.clone(), request))
}

async fn strip(inner: Router, mut request: Request) -> Response {
    if let Some(uri) = stripped(request.uri()) {
        *request.uri_mut() = uri;
    }
    match inner.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn stripped(uri: &Uri) -> Option<Uri> {
    let (project, rest) = uri.path().strip_prefix("/v2.1/")?.split_once('/')?;
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if project.len() < 32 || !hex(project) {
        return None;
    }
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("/v2.1/{rest}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_project_is_taken_out_of_the_path() {
        let strip = |path: &str| stripped(&path.parse().unwrap()).map(|uri| uri.to_string());
        let project = "0123456789abcdef0123456789abcdef";
        assert_eq!(strip(&format!("/v2.1/{project}/servers?limit=1")).as_deref(), Some("/v2.1/servers?limit=1"));
        assert_eq!(strip("/v2.1/servers/detail"), None);
        assert_eq!(strip(&format!("/v2.1/servers/{project}")), None);
    }
}
