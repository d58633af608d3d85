//! The operators' socket, `admin.sock` in the state directory: what only the running controller knows. Whoever may open the file
//! may ask.

use crate::wiring::Cloud;
use anyhow::Context as _;
use axum::{Router, extract::State, http::StatusCode, routing::get};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

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
    let router = Router::new().route("/audit", get(audit)).route("/operations", get(operations)).with_state(cloud);
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

fn failed(error: &dyn std::error::Error) -> (StatusCode, String) {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    (StatusCode::SERVICE_UNAVAILABLE, format!("{error}{cause}"))
}
