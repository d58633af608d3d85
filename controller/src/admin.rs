//! The socket by which the command line asks the running controller: readable by its own user alone.

use crate::wiring::Cloud;
use anyhow::{Context as _, Result, ensure};
use axum::{Router, extract::State, routing::get};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::{os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};

/// Something that is not as it should be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// Who found it.
    pub by: String,
    /// What kind of thing.
    pub kind: String,
    /// Which one.
    pub subject: String,
    /// What is wrong, for people.
    pub what: String,
}

/// Listens on the socket until the process ends.
pub fn listen(path: &Path, cloud: Arc<Cloud>) -> Result<()> {
    // One that a killed controller left.
    drop(std::fs::remove_file(path));
    let listener = UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    let router = Router::new().route("/audit", get(audit)).with_state(cloud);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(())
}

async fn audit(State(cloud): State<Arc<Cloud>>) -> Result<axum::Json<Vec<Finding>>, (StatusCode, String)> {
    let failed = |error: controller_ports::Unavailable| (StatusCode::SERVICE_UNAVAILABLE, format!("{error}"));
    let compute = cloud.compute.audit().await.map_err(failed)?.into_iter().map(|f| Finding {
        by: "compute".to_owned(),
        kind: f.kind.to_owned(),
        subject: f.subject,
        what: f.what,
    });
    let network = cloud.network.audit().await.map_err(failed)?.into_iter().map(|f| Finding {
        by: "network".to_owned(),
        kind: f.kind.to_owned(),
        subject: f.id,
        what: f.reason.to_owned(),
    });
    Ok(axum::Json(compute.chain(network).collect()))
}

/// Asks the running controller for its findings.
pub async fn ask_audit(path: &Path) -> Result<Vec<Finding>> {
    let stream = UnixStream::connect(path).await;
    let mut stream = stream.with_context(|| format!("no controller listens on {}", path.display()))?;
    stream.write_all(b"GET /audit HTTP/1.0\r\nhost: admin\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the controller's answer is cut off")?;
    ensure!(head.contains(" 200 "), "the controller could not audit: {body}");
    serde_json::from_str(body).context("the controller's answer is malformed")
}
