//! Tells somebody about every request that wants to change something: who asked, what for, and what came of it.
//!
//! A service asks for it with [`Routes::audited`](crate::Routes::audited). The auditor hears of a request before its answer goes out, so that no change is
//! acknowledged of which the auditor does not know.

use crate::{ApiError, TokenInfo, body, context::Core};
use async_trait::async_trait;
use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use controller_base::{Timestamp, id::RequestId};
use http::{Method, StatusCode};
use serde_json::Value;
use std::sync::Arc;

/// A finished request that wanted to change something.
#[derive(Clone, Debug)]
pub struct Act {
    /// When.
    pub moment: Timestamp,
    /// The request's id.
    pub request_id: RequestId,
    /// Its method: POST, PUT, PATCH or DELETE.
    pub method: Method,
    /// The route that it matched, with `{names}`.
    pub route: String,
    /// Its path.
    pub path: String,
    /// How it ended.
    pub status: StatusCode,
    /// Who asked; none without a valid token.
    pub caller: Option<Arc<TokenInfo>>,
    /// The request's body, where the auditor wants it.
    pub request: Option<Value>,
    /// The answer's body, if it succeeded with one.
    pub answer: Option<Value>,
}

/// Who is told.
#[async_trait]
pub trait Auditor: Send + Sync {
    /// Whether the request's body is wanted. It may hold secrets: nothing of it may be kept that the caller would not show.
    fn wants_body(&self, method: &Method, route: &str) -> bool;
    /// A request has ended; its answer waits until this returns.
    async fn acted(&self, act: Act);
}

/// Around the routes of an audited service.
pub(crate) async fn layer(State(auditor): State<Arc<dyn Auditor>>, request: Request, next: Next) -> Response {
    let core = request.extensions().get::<Arc<Core>>().cloned();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = request.method().clone();
    let (Some(core), Some(route)) = (core, route) else { return next.run(request).await };
    if method.is_safe() {
        return next.run(request).await;
    }
    let path = request.uri().path().to_owned();
    let (request, sent) = match sent(&*auditor, &core, &method, &route, request).await {
        Ok(read) => read,
        Err(error) => return error.into_response(),
    };
    let (response, answer) = answer(next.run(request).await).await;
    let act = Act {
        moment: core.web.clock.now(),
        request_id: core.request_id.clone(),
        method,
        route,
        path,
        status: response.status(),
        caller: core.token.get().cloned(),
        request: sent,
        answer,
    };
    auditor.acted(act).await;
    response
}

async fn sent(
    auditor: &dyn Auditor,
    core: &Core,
    method: &Method,
    route: &str,
    request: Request,
) -> Result<(Request, Option<Value>), ApiError> {
    if !auditor.wants_body(method, route) {
        return Ok((request, None));
    }
    let (parts, body) = request.into_parts();
    let bytes = body::collect(body, core.body_limit()).await?;
    let value = serde_json::from_slice(&bytes).ok();
    Ok((Request::from_parts(parts, Body::from(bytes)), value))
}

/// The answer, unchanged, and what it says.
async fn answer(response: Response) -> (Response, Option<Value>) {
    if !response.status().is_success() || response.status() == StatusCode::NO_CONTENT {
        return (response, None);
    }
    let (parts, body) = response.into_parts();
    match axum::body::to_bytes(body, usize::MAX).await {
        Ok(bytes) => {
            let value = serde_json::from_slice(&bytes).ok();
            (Response::from_parts(parts, Body::from(bytes)), value)
        }
        // An answer of the program's own does not fail.
        Err(error) => (ApiError::internal(error).into_response(), None),
    }
}
