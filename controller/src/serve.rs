//! `controller serve` and `controller bootstrap`.

use crate::{
    admin,
    config::Config,
    listen::{self, Tls},
    metrics::Metrics,
    wiring::{self, Cloud},
};
use anyhow::{Context as _, Result};
use axum::{Extension, Router};
use controller_base::{Clock, Secret, id::RequestId};
use controller_identity::Bootstrap;
use controller_web::url::Scheme;
use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, sync::Arc};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// Runs until SIGTERM or SIGINT.
pub async fn run(config: Config) -> Result<()> {
    log(&config)?;
    // Only the first provider counts, and there is only one.
    drop(rustls::crypto::ring::default_provider().install_default());
    let clock = Clock::system();
    let cloud = Arc::new(Cloud::open(&config, clock.clone()).await?);
    first_administrator(&config, &cloud).await?;
    let authority = Arc::new(wiring::authority(&config, &clock)?);
    let metrics = Metrics::new()?;
    let stop = CancellationToken::new();
    let federation = bind(&config.federation.listen.to_string()).await?;
    let names = config.federation.names.clone();
    let hub = cloud.hub.clone();
    let federation = {
        let (authority, stop) = (authority.clone(), stop.clone());
        tokio::spawn(async move { controller_fleet::serve(hub, authority, federation, &names, stop).await })
    };
    if !config.local.metrics.is_empty() {
        let listener = bind(&config.local.metrics).await?;
        let page = metrics.router();
        tokio::spawn(async move { axum::serve(listener, page).await });
    }
    admin::listen(&config.admin_socket(), cloud.clone())?;
    let router = cloud.router(&config, metrics)?;
    cloud.start().await?;
    let listener = bind(&config.api.listen.to_string()).await?;
    tracing::info!(url = config.api.public_url, federation = %config.federation.listen, "controller serves");
    tokio::spawn(end_on_signal(stop.clone())?);
    serve(&config, &authority, &clock, listener, router, stop.clone()).await?;
    stop.cancel();
    cloud.stop().await;
    federation.await.context("the federation's task failed")??;
    tracing::info!("controller ends");
    Ok(())
}

async fn serve(
    config: &Config,
    authority: &controller_fleet::Authority,
    clock: &Clock,
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> Result<()> {
    let scheme = if config.tls() { "https" } else { "http" };
    let router = router.layer(Extension(Scheme(scheme)));
    if config.tls() {
        let tls = Tls::new(listener, listen::tls_config(config, authority, clock.now())?)?;
        let served = axum::serve(tls, router).with_graceful_shutdown(stop.cancelled_owned());
        return served.await.context("the APIs' listener failed");
    }
    use axum::serve::ListenerExt as _;
    let listener = listener.tap_io(|stream| {
        // Without the option answers are only slower.
        drop(stream.set_nodelay(true));
    });
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
        .context("the APIs' listener failed")
}

/// Makes the tables, the first administrator and the catalog.
pub async fn bootstrap(config: &Config) -> Result<()> {
    let cloud = Cloud::open(config, Clock::system()).await?;
    wiring::authority(config, &cloud.clock)?;
    first_administrator(config, &cloud).await
}

async fn first_administrator(config: &Config, cloud: &Cloud) -> Result<()> {
    let new = cloud.identity.is_empty().await.context("cannot read identity")?;
    let password = match config.bootstrap.password.as_str() {
        "" if new => random_password(config)?,
        password => Secret::new(password),
    };
    let wanted = Bootstrap {
        user: config.bootstrap.user.clone(),
        password,
        reset_password: false,
        project: config.bootstrap.project.clone(),
        region: config.api.region.clone(),
        catalog: wiring::catalog(config),
    };
    cloud.identity.bootstrap(&wanted).await.context("cannot make the first administrator").map(drop)
}

/// A password that is written to a file which its owner alone can read.
fn random_password(config: &Config) -> Result<Secret> {
    let password = RequestId::random().to_string();
    let path = config.state_dir.join("admin-password");
    let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    let mut file = open.with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(file, "{password}")?;
    file.sync_all()?;
    Ok(Secret::new(password))
}

async fn bind(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

fn log(config: &Config) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log).context("`log` is no filter")?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    Ok(())
}

fn end_on_signal(stop: CancellationToken) -> Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    })
}
