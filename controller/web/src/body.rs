//! JSON bodies in and out.

use crate::{ApiError, context::Core};
use axum::{
    body::{Body, Bytes},
    extract::FromRequest,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use std::sync::Arc;

const DEFAULT_LIMIT: usize = 114_688;

/// A JSON body: extracted from a request or rendered into a response.
///
/// A request's body is bounded by the service's limit and by 128 levels; an error names the path of the offending value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, ApiError> {
        let limit = request.extensions().get::<Arc<Core>>().map_or(DEFAULT_LIMIT, |core| core.body_limit());
        let bytes = collect(request.into_body(), limit).await?;
        parse(&bytes).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => {
                let mut response = Response::new(Body::from(bytes));
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            Err(source) => ApiError::internal(source).into_response(),
        }
    }
}

/// The whole body, if it is not longer than `limit` bytes.
///
/// # Errors
/// 413 when it is longer, 400 when the client broke off.
pub async fn collect(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large("Request is too large.")),
        Err(error) => Err(ApiError::bad_request("The request body could not be read.").with_source(error)),
    }
}

/// Reads a body that was collected before.
///
/// # Errors
/// 400 with the path of what is wrong.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if holds_nul(bytes) {
        return Err(ApiError::bad_request("Malformed request body: a text holds the character NUL"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.inner();
        if inner.is_syntax() || inner.is_eof() {
            return ApiError::bad_request(format!("Malformed request body: {inner}"));
        }
        let reason = inner.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        ApiError::bad_request(format!("Invalid input for field/attribute {path}. {reason}"))
    })?;
    deserializer.end().map_err(|error| ApiError::bad_request(format!("Malformed request body: {error}")))?;
    Ok(value)
}

/// Whether a JSON text holds `\u0000`, which no database's text can: an odd number of backslashes before `u0000`.
fn holds_nul(bytes: &[u8]) -> bool {
    let is_escape = |end: usize| {
        let before = bytes.get(..=end).unwrap_or_default();
        before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
    };
    bytes.windows(6).enumerate().any(|(start, window)| window == b"\\u0000" && is_escape(start))
}

/// For a field of an update where absent, `null` and a value are three things:
/// `#[serde(default, deserialize_with = "controller_web::body::maybe_null")] name: Option<Option<String>>`.
///
/// # Errors
/// The value's own.
pub fn maybe_null<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        server: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(default, deserialize_with = "maybe_null")]
        name: Option<Option<String>>,
    }

    fn message(text: &str) -> String {
        parse::<Outer>(text.as_bytes()).unwrap_err().message().to_owned()
    }

    #[test]
    fn an_error_names_the_path() {
        assert!(
            message(r#"{"server": {"name": 5}}"#)
                .starts_with("Invalid input for field/attribute server.name. invalid type")
        );
        assert!(message(r#"{"server": {"nam": ""}}"#).contains("unknown field `nam`"));
        assert!(message("{").starts_with("Malformed request body"));
        assert!(message(r#"{"server": {}} x"#).starts_with("Malformed request body"));
    }

    #[test]
    fn absent_null_and_set_differ() {
        let name = |text: &str| parse::<Outer>(text.as_bytes()).unwrap().server.name;
        assert_eq!(name(r#"{"server": {}}"#), None);
        assert_eq!(name(r#"{"server": {"name": null}}"#), Some(None));
        assert_eq!(name(r#"{"server": {"name": "a"}}"#), Some(Some("a".to_owned())));
    }

    #[test]
    fn a_nul_is_refused_and_a_backslash_before_its_digits_not() {
        assert!(parse::<String>(br#""a\u0000b""#).is_err());
        assert!(parse::<String>(br#""a\\\u0000b""#).is_err());
        assert_eq!(parse::<String>(br#""a\\u0000b""#).unwrap(), "a\\u0000b");
    }

    #[tokio::test]
    async fn a_long_body_is_refused() {
        let error = collect(Body::from(vec![b' '; 11]), 10).await.unwrap_err();
        assert_eq!(error.status(), http::StatusCode::PAYLOAD_TOO_LARGE);
    }
}
