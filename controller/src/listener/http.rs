//! HTTP/1.1 and HTTP/2 on a TCP socket, with or without TLS.

use axum::{Extension, Router};
use controller_web::url::Scheme;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long a client may take for the TLS handshake, and for a request's headers.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long running requests may take to end.
const GRACE: Duration = Duration::from_secs(15);

/// Accepts connections until `stop`, each by what secures the port at that moment.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: watch::Receiver<Option<TlsAcceptor>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let scheme = Scheme(if tls.borrow().is_some() { "https" } else { "http" });
    let router = router.layer(Extension(scheme));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, mostly: others will end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (router, tls, watcher) = (router.clone(), tls.borrow().clone(), graceful.watcher());
        tokio::spawn(async move {
            if let Err(error) = connection(stream, router, tls, watcher).await {
                tracing::debug!(%error, "a connection ended badly");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were cut off");
    }
    Ok(())
}

type Watcher = hyper_util::server::graceful::Watcher;

async fn connection(
    stream: TcpStream,
    router: Router,
    tls: Option<TlsAcceptor>,
    watcher: Watcher,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => talk(stream, router, watcher).await,
        Some(tls) => talk(tokio::time::timeout(PATIENCE, tls.accept(stream)).await??, router, watcher).await,
    }
}

async fn talk<S>(stream: S, router: Router, watcher: Watcher) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder.http2().timer(TokioTimer::new());
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    watcher.watch(connection).await.map_err(|error| anyhow::anyhow!(error))
}
