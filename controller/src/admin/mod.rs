//! The operators' gRPC API: what they do to hosts, tokens and the authority, and what they want to see of everything.
//!
//! It owns the conversions between `humilis.admin.v1` and what fleet, placement, compute, identity and the operations say, and nothing
//! else. It is served twice: on a port, where [`access`] wants a token whom the policy lets pass, and on the operators' socket, where
//! whoever may open the file may ask. `controller host`, `events`, `audit` and their like are its first clients.
//!
//! Invariant: on the port a call that [`access::METHODS`] does not list reaches nothing.

pub mod access;
mod authority;
pub mod client;
mod convert;
mod events;
mod hosts;
pub mod policy;
mod rooms;
mod serve;
mod tokens;
mod updates;
mod work;

pub use serve::{bind, serve, socket_path};

use crate::wiring::Cloud;
use axum::Router;
use humilis_proto::admin::{self as wire, DESCRIPTORS};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tonic::{Status, service::Routes};
use tonic_health::ServingStatus;

/// The names by which health is asked for.
const SERVICES: [&str; 9] = [
    wire::hosts_server::SERVICE_NAME,
    wire::join_tokens_server::SERVICE_NAME,
    wire::authority_server::SERVICE_NAME,
    wire::placement_server::SERVICE_NAME,
    wire::guests_server::SERVICE_NAME,
    wire::operations_server::SERVICE_NAME,
    wire::events_server::SERVICE_NAME,
    wire::updates_server::SERVICE_NAME,
    wire::audit_server::SERVICE_NAME,
];

/// What answers, with everything it asks.
#[derive(Clone)]
struct Admin {
    cloud: Arc<Cloud>,
    /// Ends the streams that would not end by themselves.
    stop: CancellationToken,
}

/// All services, without any check of who calls.
async fn router(cloud: Arc<Cloud>, stop: CancellationToken) -> anyhow::Result<Router> {
    let admin = Admin { cloud, stop };
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // Older tools know the older one only.
    let (reflection, older) = (builder().build_v1()?, builder().build_v1alpha()?);
    let (reporter, health) = tonic_health::server::health_reporter();
    for service in SERVICES {
        reporter.set_service_status(service, ServingStatus::Serving).await;
    }
    let routes = Routes::new(wire::hosts_server::HostsServer::new(admin.clone()))
        .add_service(wire::join_tokens_server::JoinTokensServer::new(admin.clone()))
        .add_service(wire::authority_server::AuthorityServer::new(admin.clone()))
        .add_service(wire::placement_server::PlacementServer::new(admin.clone()))
        .add_service(wire::guests_server::GuestsServer::new(admin.clone()))
        .add_service(wire::operations_server::OperationsServer::new(admin.clone()))
        .add_service(wire::events_server::EventsServer::new(admin.clone()))
        .add_service(wire::updates_server::UpdatesServer::new(admin.clone()))
        .add_service(wire::audit_server::AuditServer::new(admin))
        .add_service(reflection)
        .add_service(older)
        .add_service(health);
    Ok(routes.into_axum_router())
}

/// Something below failed; the operator is told what.
fn unavailable(error: impl std::error::Error) -> Status {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    let text = format!("{error}{cause}");
    tracing::error!(error = text, "an operator's call failed");
    Status::unavailable(text)
}

#[cfg(test)]
mod tests;
