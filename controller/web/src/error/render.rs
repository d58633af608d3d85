//! Error bodies, byte for byte as OpenStack's clients look at them.

use super::{ErrorStyle, Inner};
use crate::{Microversion, microversion::Range};
use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

const JSON: &str = "application/json";

/// What an error's body may say of the request that failed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked<'a> {
    /// Its header `Accept`.
    pub accept: &'a str,
    /// Its id.
    pub request_id: &'a str,
    /// The microversion that it asked for, if that can be had.
    pub version: Option<Microversion>,
    /// The microversions that can be had.
    pub range: Option<&'a Range>,
}

/// The response for an error.
pub(crate) fn render(style: ErrorStyle, error: &Inner, asked: Asked<'_>) -> Response {
    let (content_type, body) = match style {
        // Every service's token check answers with Keystone's body.
        _ if error.status == StatusCode::UNAUTHORIZED => (JSON, identity(error).to_string()),
        ErrorStyle::Identity => (JSON, identity(error).to_string()),
        ErrorStyle::Compute => ("application/json; charset=UTF-8", compute(error).to_string()),
        ErrorStyle::Network => (JSON, network(error).to_string()),
        ErrorStyle::Image => image(error, asked.accept),
        ErrorStyle::Placement => (JSON, placement(error, asked).to_string()),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = error.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in &error.headers {
        headers.append(name.clone(), value.clone());
    }
    response
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
        _ => status.canonical_reason().unwrap_or("Error"),
    }
}

fn identity(error: &Inner) -> Value {
    json!({"error": {"code": error.status.as_u16(), "message": error.message, "title": title(error.status)}})
}

fn compute(error: &Inner) -> Value {
    let key = error.kind.unwrap_or(match error.status.as_u16() {
        400 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        406 => "notAcceptable",
        409 => "conflictingRequest",
        413 | 429 => "overLimit",
        415 => "badMediaType",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "computeFault",
    });
    json!({key: {"code": error.status.as_u16(), "message": error.message}})
}

fn network(error: &Inner) -> Value {
    let kind = error.kind.unwrap_or(match error.status.as_u16() {
        400 => "HTTPBadRequest",
        403 => "PolicyNotAuthorized",
        404 => "HTTPNotFound",
        405 => "HTTPMethodNotAllowed",
        409 => "HTTPConflict",
        413 => "HTTPRequestEntityTooLarge",
        501 => "HTTPNotImplemented",
        503 => "HTTPServiceUnavailable",
        _ => "HTTPInternalServerError",
    });
    json!({"NeutronError": {"type": kind, "message": error.message, "detail": error.detail}})
}

/// As WebOb does it: a page for those who accept one, JSON for those who ask for it, else text.
fn image(error: &Inner, accept: &str) -> (&'static str, String) {
    let code = format!("{} {}", error.status.as_u16(), title(error.status));
    if accept.is_empty() || accept.contains("text/html") || accept.contains("*/*") {
        let message = escape(&error.message);
        let page = format!(
            "<html>\n <head>\n  <title>{code}</title>\n </head>\n <body>\n  <h1>{code}</h1>\n  {message}<br /><br />\n\n\n </body>\n</html>"
        );
        ("text/html; charset=UTF-8", page)
    } else if accept.contains("json") {
        let body = json!({"code": code, "message": error.message, "title": title(error.status)});
        (JSON, body.to_string())
    } else {
        ("text/plain; charset=UTF-8", format!("{code}\n\n{}\n\n", error.message))
    }
}

/// Codes came with 1.23. Who asked for a version that there is not is told which ones there are: clients choose by that.
fn placement(error: &Inner, asked: Asked<'_>) -> Value {
    let mut body = json!({"status": error.status.as_u16(), "title": title(error.status), "detail": error.message,
        "request_id": asked.request_id});
    if asked.version.is_some_and(|version| version.at_least(1, 23)) {
        body["code"] = error.kind.unwrap_or("placement.undefined_code").into();
    }
    if let (None, StatusCode::NOT_ACCEPTABLE, Some(range)) = (asked.version, error.status, asked.range) {
        body["min_version"] = range.least.to_string().into();
        body["max_version"] = range.greatest.to_string().into();
    }
    json!({"errors": [body]})
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ApiError;

    async fn body(style: ErrorStyle, error: ApiError, accept: &str) -> String {
        body_of(style, error, Asked { accept, request_id: "req-1", ..Asked::default() }).await
    }

    async fn body_of(style: ErrorStyle, error: ApiError, asked: Asked<'_>) -> String {
        let response = render(style, &error.0, asked);
        let bytes = axum::body::to_bytes(response.into_body(), 9999).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn each_service_has_its_shape() {
        let error = || ApiError::not_found("Could not find x.");
        assert_eq!(
            body(ErrorStyle::Identity, error(), "").await,
            r#"{"error":{"code":404,"message":"Could not find x.","title":"Not Found"}}"#
        );
        assert_eq!(
            body(ErrorStyle::Compute, error(), "").await,
            r#"{"itemNotFound":{"code":404,"message":"Could not find x."}}"#
        );
        assert_eq!(
            body(ErrorStyle::Network, error().kind("PortNotFound"), "").await,
            r#"{"NeutronError":{"detail":"","message":"Could not find x.","type":"PortNotFound"}}"#
        );
        assert_eq!(
            body(ErrorStyle::Image, error(), "application/json").await,
            r#"{"code":"404 Not Found","message":"Could not find x.","title":"Not Found"}"#
        );
    }

    #[tokio::test]
    async fn placement_tells_codes_and_versions_where_clients_look_for_them() {
        let range = Range {
            service_type: "placement",
            legacy_header: None,
            least: Microversion::new(1, 0),
            greatest: Microversion::new(1, 39),
        };
        let asked = |version| Asked { accept: "", request_id: "req-1", version, range: Some(&range) };
        let of = |error, version| body_of(ErrorStyle::Placement, error, asked(version));
        assert_eq!(
            of(ApiError::not_found("x"), Some(Microversion::new(1, 22))).await,
            r#"{"errors":[{"detail":"x","request_id":"req-1","status":404,"title":"Not Found"}]}"#
        );
        assert_eq!(
            of(ApiError::not_found("x"), Some(Microversion::new(1, 23))).await,
            r#"{"errors":[{"code":"placement.undefined_code","detail":"x","request_id":"req-1","status":404,"title":"Not Found"}]}"#
        );
        let refused = of(ApiError::not_acceptable("x"), None).await;
        assert!(refused.contains(r#""max_version":"1.39""#) && refused.contains(r#""min_version":"1.0""#), "{refused}");
    }

    #[tokio::test]
    async fn a_page_shows_no_markup_of_the_client() {
        let page = body(ErrorStyle::Image, ApiError::not_found("<script>"), "*/*").await;
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
    }

    #[tokio::test]
    async fn a_missing_token_looks_the_same_everywhere() {
        let expected = body(ErrorStyle::Identity, ApiError::unauthorized(), "").await;
        for style in [ErrorStyle::Compute, ErrorStyle::Network, ErrorStyle::Image, ErrorStyle::Placement] {
            assert_eq!(body(style, ApiError::unauthorized(), "").await, expected);
        }
    }
}
