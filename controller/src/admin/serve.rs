//! The two places where the API is served.

use super::{access, router};
use crate::{listener::http, wiring::Cloud};
use anyhow::Context as _;
use axum::{Router, middleware::from_fn_with_state};
use controller_web::WebState;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long calls may take to end when the controller stops.
const GRACE: std::time::Duration = std::time::Duration::from_secs(15);

/// Where the operators' socket lies.
#[must_use]
pub fn socket_path(state_directory: &Path) -> PathBuf {
    state_directory.join("admin.sock")
}

/// Opens the operators' socket.
///
/// # Errors
/// It cannot be made.
pub fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    // One of a process that died.
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves in both places, until `stop`.
///
/// # Errors
/// A listener failed.
pub async fn serve(
    cloud: Arc<Cloud>,
    (listener, operators): (TcpListener, UnixListener),
    tls: watch::Receiver<Option<TlsAcceptor>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // Made once: reflection reads a description of everything.
    let router = router(cloud.clone(), stop.clone()).await?;
    let port = port(router.clone(), cloud.web.clone(), listener, tls, stop.clone());
    let ended = tokio::try_join!(port, socket(router, operators, stop)).map(|_| ());
    let _ = fs::remove_file(socket_path(&cloud.platform.config.state_directory));
    ended
}

/// Serves whoever shows a token, until `stop`.
pub(super) async fn port(
    router: Router,
    web: WebState,
    listener: TcpListener,
    tls: watch::Receiver<Option<TlsAcceptor>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let guarded = router.layer(from_fn_with_state(web, access::guard));
    http::serve(listener, guarded, tls, stop).await
}

/// Serves whoever may open the operators' socket, until `stop`.
pub(super) async fn socket(router: Router, listener: UnixListener, stop: CancellationToken) -> anyhow::Result<()> {
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = serving => ended?,
        () = late => tracing::warn!("operators' calls were cut off"),
    }
    Ok(())
}
