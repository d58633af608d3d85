//! Where the client thinks a service is: links are built from the request itself.

use http::{header, request::Parts};

/// The scheme of the listener that took the request; a request extension.
#[derive(Clone, Copy, Debug)]
pub struct Scheme(pub &'static str);

/// The prefix under which the service is mounted, such as `/compute`; a request extension.
#[derive(Clone, Debug)]
pub struct MountPrefix(pub std::sync::Arc<str>);

/// Scheme, host and prefix, without a slash at the end: `https://cloud.example:8443/compute`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// As the client asked for it; a proxy may say `X-Forwarded-Proto` and `X-Forwarded-Host`.
    #[must_use]
    pub fn of(parts: &Parts) -> Self {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let own = parts.extensions.get::<Scheme>().map_or("http", |scheme| scheme.0);
        let scheme = match header("x-forwarded-proto") {
            Some("https") => "https",
            Some("http") => "http",
            _ => own,
        };
        let host = header("x-forwarded-host")
            .or_else(|| header(header::HOST.as_str()))
            .filter(|host| host.parse::<http::uri::Authority>().is_ok())
            .or_else(|| parts.uri.authority().map(http::uri::Authority::as_str))
            .unwrap_or("localhost");
        let prefix = parts.extensions.get::<MountPrefix>().map_or("", |prefix| &prefix.0);
        Self(format!("{scheme}://{host}{prefix}"))
    }

    /// An absolute link to a path below the service's root; the path starts with a slash.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// A path below the service's root with the root's own before it: `/placement/traits`, the links of placement.
    #[must_use]
    pub fn path_of(&self, path: &str) -> String {
        let root = self.0.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
        root.map_or_else(|| path.to_owned(), |(_, root)| format!("/{root}{path}"))
    }

    /// The root itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for BaseUrl {
    fn from(text: &str) -> Self {
        Self(text.trim_end_matches('/').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(headers: &[(&str, &str)]) -> BaseUrl {
        let mut request = http::Request::builder().uri("/v3");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(MountPrefix("/identity".into()));
        BaseUrl::of(&parts)
    }

    #[test]
    fn links_follow_the_host_that_was_asked() {
        assert_eq!(base(&[("host", "cloud:8443")]).join("/v3/"), "http://cloud:8443/identity/v3/");
        assert_eq!(base(&[("host", "a"), ("x-forwarded-proto", "https")]).as_str(), "https://a/identity");
        assert_eq!(base(&[("host", "a"), ("x-forwarded-proto", "javascript")]).as_str(), "http://a/identity");
        assert_eq!(base(&[("host", "a b<")]).as_str(), "http://localhost/identity");
    }
}
