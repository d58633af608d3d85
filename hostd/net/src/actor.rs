//! The one task that owns this host's network.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::config::NetConfig;
use crate::error::NetError;
use crate::handle::{Convergence, PreparedPort};
use crate::ids::PortId;
use crate::inventory::Item;
use crate::metadata::{GuestInterface, MetadataSource};
use crate::model::Changes;

/// What the actor is asked.
#[derive(Debug)]
pub(crate) enum Command {
    Apply(Changes, oneshot::Sender<Convergence>),
    Converge(oneshot::Sender<Convergence>),
    PreparePort(PortId, oneshot::Sender<Result<PreparedPort, NetError>>),
    ReleasePort(PortId, oneshot::Sender<Result<(), NetError>>),
    Interfaces(Vec<PortId>, oneshot::Sender<Vec<GuestInterface>>),
    Inventory(oneshot::Sender<Result<Vec<Item>, NetError>>),
    Audit(oneshot::Sender<Result<Vec<Item>, NetError>>),
}

/// The one task that owns this host's network.
pub(crate) struct Actor {
    _config: NetConfig,
    _metadata: Arc<dyn MetadataSource>,
}

impl Actor {
    pub(crate) async fn new(config: NetConfig, metadata: Arc<dyn MetadataSource>) -> Result<Self, NetError> {
        Ok(Self {
            _config: config,
            _metadata: metadata,
        })
    }

    pub(crate) async fn run(self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            // Nothing is answered until the effects are in: the callers are told that the actor is closed.
            drop(command);
        }
    }
}
