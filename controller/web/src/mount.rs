//! Several services behind one port, told apart by a path prefix.

use crate::{ApiError, ErrorStyle, Service, url::MountPrefix};
use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{StatusCode, Uri, uri::PathAndQuery};
use std::sync::Arc;
use tower::ServiceExt;

/// A router that sends `/compute/...` to the service mounted at `/compute`; a service mounted at `` gets everything else.
/// A slash at the end of a path makes no difference, but to services in which such a path names nothing.
pub fn mount(services: impl IntoIterator<Item = (&'static str, Service)>) -> Router {
    let mounts: Vec<Mount> = services
        .into_iter()
        .map(|(prefix, service)| Mount {
            prefix: Arc::from(prefix),
            strict: matches!(service.info.style, ErrorStyle::Compute | ErrorStyle::Image),
            router: service.router,
        })
        .collect();
    let mounts = Arc::new(mounts);
    Router::new().fallback(move |request: Request| dispatch(mounts.clone(), request))
}

struct Mount {
    prefix: Arc<str>,
    router: Router,
    /// Nova and Glance: `/servers/` would be a server without an id, which does not exist.
    strict: bool,
}

async fn dispatch(mounts: Arc<Vec<Mount>>, mut request: Request) -> Response {
    let path = request.uri().path();
    let found = mounts.iter().find_map(|mount| {
        let rest = path.strip_prefix(&*mount.prefix)?;
        (rest.is_empty() || rest.starts_with('/')).then_some((mount, rest))
    });
    let Some((mount, rest)) = found else {
        return (StatusCode::NOT_FOUND, "There is no service at this path.\n").into_response();
    };
    let Some(uri) = stripped(request.uri(), rest, mount.strict) else {
        return ApiError::bad_request("The path is malformed.").into_response();
    };
    let (prefix, router) = (mount.prefix.clone(), mount.router.clone());
    *request.uri_mut() = uri;
    request.extensions_mut().insert(MountPrefix(prefix));
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn stripped(uri: &Uri, rest: &str, strict: bool) -> Option<Uri> {
    let path = match rest.trim_end_matches('/') {
        "" => "/",
        path if strict && path.matches('/').count() > 1 => rest,
        path => path,
    };
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_and_last_slash_go_and_the_query_stays() {
        let strip = |uri: &str, rest: &str| stripped(&uri.parse().unwrap(), rest, true).unwrap().to_string();
        assert_eq!(strip("/compute/v2.1/?a=b", "/v2.1/"), "/v2.1?a=b");
        assert_eq!(strip("/compute", ""), "/");
        assert_eq!(strip("http://h:1/compute/", "/"), "http://h:1/");
        assert_eq!(strip("/compute/v2.1/servers/", "/v2.1/servers/"), "/v2.1/servers/");
        assert_eq!(stripped(&"/network/v2.0/ports/".parse().unwrap(), "/v2.0/ports/", false).unwrap(), "/v2.0/ports");
    }
}
