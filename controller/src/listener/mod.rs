//! The sockets: REST over TLS or plain, the federation, metrics on loopback, and the operators' port and socket.

pub(crate) mod http;
mod tls;

use crate::{admin, wiring::Cloud};
use ::http::{HeaderName, header::CONTENT_TYPE};
use anyhow::Context as _;
use axum::{Router, extract::State, routing::get};
use controller_web::mount;
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Serves everything until `stop`, then lets running requests end.
///
/// # Errors
/// A socket cannot be opened, or a listener failed.
pub async fn serve(cloud: Arc<Cloud>, stop: CancellationToken) -> anyhow::Result<()> {
    let config = &cloud.platform.config;
    let api = bind(config.api.listen).await?;
    let metrics = bind(config.metrics.listen).await?;
    let federation = bind(config.federation.listen).await?;
    let operators = (bind(config.admin.listen).await?, admin::bind(&admin::socket_path(&config.state_directory))?);
    let mut tasks = JoinSet::new();
    let acceptor = tls::acceptor(&config.api, &cloud.platform.authority, cloud.platform.clock.now())?;
    let (fresh, acceptor) = watch::channel(acceptor);
    let (_, none) = watch::channel(None);
    let router = mount::mount(cloud.services.clone());
    tasks.spawn(http::serve(api, router, acceptor.clone(), stop.clone()));
    tasks.spawn(tls::refresh(cloud.clone(), fresh, stop.clone()));
    tasks.spawn(http::serve(metrics, metrics_router(&cloud), none, stop.clone()));
    tasks.spawn(federate(cloud.clone(), federation, stop.clone()));
    tasks.spawn(admin::serve(cloud.clone(), operators, acceptor, stop.clone()));
    tracing::info!(url = config.api.base_url(), federation = %config.federation.listen, "the controller serves");
    crate::notify::ready();
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        // One that failed takes the others along.
        stop.cancel();
        let ended = ended.map_err(anyhow::Error::from).and_then(|ended| ended);
        result = result.and(ended);
    }
    result
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

async fn federate(cloud: Arc<Cloud>, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
    let config = &cloud.platform.config;
    let mut names = config.api.certificate_names();
    names.extend(config.federation.names.iter().cloned());
    let authority = cloud.platform.authority.clone();
    Ok(controller_fleet::serve(cloud.hub.clone(), authority, listener, &names, stop).await?)
}

fn metrics_router(cloud: &Arc<Cloud>) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(cloud.clone())
}

async fn metrics(State(cloud): State<Arc<Cloud>>) -> ([(HeaderName, &'static str); 1], String) {
    let mut page = cloud.platform.metrics.page();
    crate::metrics::cloud::add(&cloud, &mut page).await;
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], page.text())
}
