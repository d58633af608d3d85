//! The request on whose behalf something is done: a handler's, and afterwards that of the operation which it enqueued.

use crate::id::RequestId;
use std::future::Future;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// Does something on behalf of a request.
pub async fn on_behalf<F: Future>(request: Option<RequestId>, work: F) -> F::Output {
    match request {
        Some(request) => CURRENT.scope(request, work).await,
        None => work.await,
    }
}

/// The request on whose behalf this task works; `None`: nobody asked for it.
#[must_use]
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(Clone::clone).ok()
}
