//! The operators' socket, `admin.sock` in the state directory: what only the running controller knows. Whoever may open the file
//! may ask.

use crate::wiring::Cloud;
use anyhow::Context as _;
use axum::{
    Router,
    body::Body,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use controller_identity::{Cursor, EventQuery};
use controller_web::Params;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

/// How often new events are looked for.
const FOLLOW: std::time::Duration = std::time::Duration::from_millis(500);

/// Where it lies.
#[must_use]
pub fn path(state_directory: &Path) -> PathBuf {
    state_directory.join("admin.sock")
}

/// Serves it until `stop`.
pub async fn serve(cloud: Arc<Cloud>, stop: CancellationToken) -> anyhow::Result<()> {
    let path = path(&cloud.platform.config.state_directory);
    // A socket of a process that died.
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).with_context(|| format!("cannot listen on {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    let router = Router::new()
        .route("/audit", get(audit))
        .route("/operations", get(operations))
        .route("/events", get(events))
        .merge(super::hosts::routes())
        .with_state(cloud);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?;
    let _ = fs::remove_file(&path);
    Ok(())
}

/// Findings, a JSON object a line.
async fn audit(State(cloud): State<Arc<Cloud>>) -> Result<String, (StatusCode, String)> {
    let compute = cloud.compute.audit().await.map_err(|error| failed(&error))?;
    let networks = cloud.networks.audit().await.map_err(|error| failed(&error))?;
    let compute = compute.iter().map(|finding| line("compute", finding.kind, &finding.subject, &finding.what));
    let networks = networks.iter().map(|finding| line("network", finding.kind, &finding.id, finding.reason));
    Ok(compute.chain(networks).collect())
}

fn line(by: &str, kind: &str, subject: &str, what: &str) -> String {
    serde_json::json!({"by": by, "kind": kind, "subject": subject, "what": what}).to_string() + "\n"
}

/// Unfinished operations, a JSON object a line.
async fn operations(State(cloud): State<Arc<Cloud>>) -> Result<String, (StatusCode, String)> {
    let pending = cloud.platform.runner.pending().await.map_err(|error| failed(&error))?;
    let line = |one: &controller_work::Pending| {
        serde_json::json!({"id": one.id, "kind": one.kind, "subject": one.subject, "step": one.step,
            "undoing": one.undoing, "attempts": one.attempts, "error": one.error,
            "created_at": one.created_at.seconds_z()})
        .to_string()
            + "\n"
    };
    Ok(pending.iter().map(line).collect())
}

/// Events, a JSON object a line: the newest, or with `follow` from now on.
async fn events(State(cloud): State<Arc<Cloud>>, params: Params) -> Result<Response, (StatusCode, String)> {
    let bad = |what: &str| (StatusCode::BAD_REQUEST, format!("{what} is malformed"));
    let text = |name: &str| params.get(name).map(str::to_owned);
    let success = match params.get("outcome") {
        None => None,
        Some("success") => Some(true),
        Some("failure") => Some(false),
        Some(_) => return Err(bad("outcome")),
    };
    let number = |name: &str| params.get(name).map(str::parse::<u32>).transpose().map_err(|_| bad(name));
    let now = cloud.platform.clock.now();
    let query = EventQuery {
        event_type: text("type"),
        initiator_id: text("user"),
        target_id: text("target"),
        success,
        since: number("last")?.map(|seconds| now.plus_seconds(-i64::from(seconds))),
        after: None,
        limit: number("limit")?.unwrap_or(100),
    };
    if params.has("follow") {
        let query = EventQuery { after: Some(Cursor::at(now)), since: None, ..query };
        return Ok(Body::from_stream(follow(cloud, query)).into_response());
    }
    let events = cloud.identity.list_events(&query).await.map_err(|error| failed(&error))?;
    Ok(events.iter().map(|event| format!("{}\n", event.body)).collect::<String>().into_response())
}

/// Events as they come, also those of other controllers.
fn follow(cloud: Arc<Cloud>, query: EventQuery) -> impl futures::Stream<Item = Result<String, std::io::Error>> {
    futures::stream::unfold((cloud, query), |(cloud, mut query)| async move {
        loop {
            let events = cloud.identity.list_events(&query).await;
            match events {
                Err(error) => return Some((Err(std::io::Error::other(error)), (cloud, query))),
                Ok(events) => {
                    if let Some(last) = events.last() {
                        query.after = Some(last.into());
                        let lines = events.iter().map(|event| format!("{}\n", event.body)).collect();
                        return Some((Ok(lines), (cloud, query)));
                    }
                }
            }
            tokio::time::sleep(FOLLOW).await;
        }
    })
}

/// What an operator is told who could not be served.
pub(super) fn failed(error: &dyn std::error::Error) -> (StatusCode, String) {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    (StatusCode::SERVICE_UNAVAILABLE, format!("{error}{cause}"))
}
