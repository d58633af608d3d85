//! What a request failed with. Services map their own errors to this at their edge, exhaustively; the service's layer renders it
//! in the service's style and logs it once.

mod render;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use std::sync::Arc;

pub(crate) use render::{Asked, render};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The shapes of error bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorStyle {
    /// Keystone: `{"error": {"code", "message", "title"}}`.
    Identity,
    /// Nova: `{"itemNotFound": {"code", "message"}}`.
    Compute,
    /// Neutron: `{"NeutronError": {"type", "message", "detail"}}`.
    Network,
    /// Glance: a page, a text or `{"code", "message", "title"}`, as the client accepts.
    Image,
    /// Placement: `{"errors": [{"status", "title", "detail", "request_id"}]}`, with `code` since 1.23.
    Placement,
}

/// A failed request: a status and what the client is told, and apart from that what the log is told.
#[derive(Debug)]
pub struct ApiError(Box<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub status: StatusCode,
    pub message: String,
    pub kind: Option<&'static str>,
    pub detail: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub source: Option<Source>,
}

/// Carries an error from the handler to the layer that renders it.
#[derive(Clone, Debug)]
pub(crate) struct Slot(pub Arc<Inner>);

impl ApiError {
    /// Any status with a message for the client.
    #[must_use]
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            status,
            message: message.into(),
            kind: None,
            detail: String::new(),
            headers: Vec::new(),
            source: None,
        }))
    }

    /// 400
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401, with Keystone's words: the same for every service.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "The request you have made requires authentication.")
    }

    /// 403
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 406
    #[must_use]
    pub fn not_acceptable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, message)
    }

    /// 409
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 410
    #[must_use]
    pub fn gone(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, message)
    }

    /// 413
    #[must_use]
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// 415
    #[must_use]
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// 422
    #[must_use]
    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// 501
    #[must_use]
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, message)
    }

    /// 500: the client learns nothing but that; the log gets the source with its causes.
    #[must_use]
    pub fn internal(source: impl Into<Source>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "An unexpected error prevented the server from fulfilling your request.",
        )
        .with_source(source)
    }

    /// 503: something that this service needs is away; trying again later may help.
    #[must_use]
    pub fn unavailable(source: impl Into<Source>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "The service is currently unable to handle the request.")
            .with_source(source)
    }

    /// Neutron's `type`, such as `NetworkNotFound`; Nova's key, where it does not follow from the status; Placement's `code`.
    #[must_use]
    pub fn kind(mut self, kind: &'static str) -> Self {
        self.0.kind = Some(kind);
        self
    }

    /// Neutron's `detail`.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// A further response header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Why, for the log alone.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What the log is told of why, and what that came of, and so on.
    pub fn causes(&self) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
        let first = self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static));
        std::iter::successors(first, |error| error.source())
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What the client is told.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(Slot(Arc::from(self.0)));
        response
    }
}
