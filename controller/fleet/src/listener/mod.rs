//! The federation's port: TLS with the authority's certificate, client certificates asked for but required only by
//! [`grpc::Membership`], so that enrolment and membership share one port.

mod bundle;
mod grpc;
mod tls;

use crate::{Authority, Hub};
use controller_base::Clock;
use humilis_proto::federation::{enrolment_server::EnrolmentServer, federation_server::FederationServer};
use std::{io, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

/// How often the controller's own certificate is made anew.
const REFRESH: Duration = Duration::from_secs(86_400);
/// A host that vanished without a word is noticed after about two of these.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// How long hosts' calls may take to end when the controller stops.
const GRACE: Duration = Duration::from_secs(2);

/// Why the listener could not run.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The certificate could not be made.
    #[error(transparent)]
    Authority(#[from] crate::authority::AuthorityError),
    /// rustls refused the certificate.
    #[error("TLS cannot be set up")]
    Tls(#[source] io::Error),
    /// gRPC ended.
    #[error("federation listener failed")]
    Grpc(#[from] tonic::transport::Error),
}

/// Serves the federation on `listener`, under `names`, until `stop`.
///
/// # Errors
/// When TLS cannot be set up or the listener fails.
pub async fn serve(
    hub: Arc<Hub>,
    authority: Arc<Authority>,
    listener: TcpListener,
    names: &[String],
    stop: CancellationToken,
) -> Result<(), ListenError> {
    let (config, current) = watch::channel(tls::config(&authority, names, hub.clock.now())?);
    let incoming = tls::accept(listener, current, stop.clone());
    tokio::spawn(refresh(Arc::clone(&authority), names.to_vec(), hub.clock.clone(), config, stop.clone()));
    let service = grpc::Grpc { hub, authority };
    let serving = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_service(EnrolmentServer::new(grpc::Enrolment(service.clone())))
        .add_service(FederationServer::new(grpc::Membership(service)))
        .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
    // Hosts' streams never end by themselves; what else runs, they take up again.
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = serving => ended?,
        () = late => {}
    }
    Ok(())
}

/// Keeps the certificate young, and follows the authority when it is replaced.
async fn refresh(
    authority: Arc<Authority>,
    names: Vec<String>,
    clock: Clock,
    config: watch::Sender<Arc<rustls::ServerConfig>>,
    stop: CancellationToken,
) {
    let mut changes = authority.changes();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Ok(()) = changes.changed() => {}
            () = tokio::time::sleep(REFRESH) => {}
        }
        match tls::config(&authority, &names, clock.now()) {
            Ok(fresh) => drop(config.send_replace(fresh)),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the federation's certificate stays as it was"
                );
            }
        }
    }
}
