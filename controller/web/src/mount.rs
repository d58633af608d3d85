//! Several services behind one port, told apart by a path prefix.

use crate::{ApiError, Service, url::MountPrefix};
use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{StatusCode, Uri, uri::PathAndQuery};
use std::sync::Arc;
use tower::ServiceExt;

/// A router that sends `/compute/...` to the service mounted at `/compute`; a service mounted at `` gets everything else.
/// A slash at the end of a path makes no difference.
pub fn mount(services: impl IntoIterator<Item = (&'static str, Service)>) -> Router {
    let mounts: Vec<(Arc<str>, Router)> =
        services.into_iter().map(|(prefix, service)| (Arc::from(prefix), service.router)).collect();
    let mounts = Arc::new(mounts);
    Router::new().fallback(move |request: Request| dispatch(mounts.clone(), request))
}

async fn dispatch(mounts: Arc<Vec<(Arc<str>, Router)>>, mut request: Request) -> Response {
    let path = request.uri().path();
    let found = mounts.iter().find_map(|(prefix, router)| {
        let rest = path.strip_prefix(&**prefix)?;
        (rest.is_empty() || rest.starts_with('/')).then_some((prefix, router, rest))
    });
    let Some((prefix, router, rest)) = found else {
        return (StatusCode::NOT_FOUND, "There is no service at this path.\n").into_response();
    };
    let Some(uri) = stripped(request.uri(), rest) else {
        return ApiError::bad_request("The path is malformed.").into_response();
    };
    let (prefix, router) = (prefix.clone(), router.clone());
    *request.uri_mut() = uri;
    request.extensions_mut().insert(MountPrefix(prefix));
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn stripped(uri: &Uri, rest: &str) -> Option<Uri> {
    let path = match rest.trim_end_matches('/') {
        "" => "/",
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
        let strip = |uri: &str, rest: &str| stripped(&uri.parse().unwrap(), rest).unwrap().to_string();
        assert_eq!(strip("/compute/v2.1/?a=b", "/v2.1/"), "/v2.1?a=b");
        assert_eq!(strip("/compute", ""), "/");
        assert_eq!(strip("http://h:1/compute/", "/"), "http://h:1/");
    }
}
