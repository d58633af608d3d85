//! What guests need of the network, so that they can be tested without one.

use async_trait::async_trait;
use hostd_net::{NetError, NetHandle, PreparedPort, metadata::GuestInterface, model::PortId};

/// What guests need of the network. The guests' actors call it.
#[async_trait]
pub trait GuestPorts: Send + Sync + 'static {
    /// See [`NetHandle::prepare_port`].
    async fn prepare(&self, port: &PortId) -> Result<PreparedPort, NetError>;
    /// See [`NetHandle::release_port`].
    async fn release(&self, port: &PortId) -> Result<(), NetError>;
    /// See [`NetHandle::interfaces`].
    async fn interfaces(&self, ports: &[PortId]) -> Result<Vec<GuestInterface>, NetError>;
}

#[async_trait]
impl GuestPorts for NetHandle {
    async fn prepare(&self, port: &PortId) -> Result<PreparedPort, NetError> {
        self.prepare_port(port).await
    }

    async fn release(&self, port: &PortId) -> Result<(), NetError> {
        self.release_port(port).await
    }

    async fn interfaces(&self, ports: &[PortId]) -> Result<Vec<GuestInterface>, NetError> {
        NetHandle::interfaces(self, ports).await
    }
}
