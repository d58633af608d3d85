//! `controller serve`.

use crate::{
    config::Config,
    listener,
    wiring::{Cloud, Platform, bootstrap},
};
use std::{process::ExitCode, sync::Arc};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let traces = crate::logging::start(&config)?;
    let cloud = Arc::new(Cloud::open(Platform::open(config).await?).await?);
    bootstrap(&cloud, false).await?;
    cloud.start().await?;
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone())?);
    let result = listener::serve(cloud.clone(), stop).await;
    cloud.stop().await;
    tracing::info!("the controller has stopped");
    if let Some(traces) = traces {
        traces.finish();
    }
    result.map(|()| ExitCode::SUCCESS)
}

fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("the controller stops");
        stop.cancel();
    })
}
