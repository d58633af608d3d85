//! The only way to the actor that owns this host's network.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::actor::{Actor, Command};
use crate::config::NetConfig;
use crate::error::NetError;
use crate::ids::PortId;
use crate::inventory::Item;
use crate::kernel::Kernel;
use crate::mac::MacAddr;
use crate::metadata::{GuestInterface, MetadataSource};
use crate::model::{Changes, ObjectKey};

/// Commands that may wait for the actor.
const QUEUE: usize = 256;

/// A port that is ready for its guest's process.
#[derive(Debug)]
pub struct PreparedPort {
    /// The tap (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR). It is not persistent: it goes when its last descriptor is closed.
    pub tap: OwnedFd,
    /// The guest's hardware address.
    pub mac: MacAddr,
    /// What the guest may use.
    pub mtu: u16,
}

/// Takes away all that an actor has set up in the caller's network namespace, bridges of physical networks included. None may run.
///
/// # Errors
/// What the kernel refused; the rest is done when it is called again.
pub async fn dismantle(config: &NetConfig) -> Result<(), NetError> {
    Kernel::new(config).await?.dismantle(config).await
}

/// What a convergence could not do. It is tried again by the next one.
#[derive(Debug, Default)]
pub struct Convergence {
    /// Objects that are not as desired, and why; `None` for what belongs to no object (the filter as a whole, leftovers).
    pub failures: Vec<(Option<ObjectKey>, NetError)>,
}

/// A cloneable handle. When the last one is dropped the actor ends and leaves everything in the kernel as it is.
#[derive(Clone, Debug)]
pub struct NetHandle {
    commands: mpsc::Sender<Command>,
}

impl NetHandle {
    /// Starts the actor in the caller's network namespace. Nothing in the kernel is changed or removed before the first
    /// complete [`Changes`].
    pub async fn start(config: NetConfig, metadata: Arc<dyn MetadataSource>) -> Result<Self, NetError> {
        let (commands, queue) = mpsc::channel(QUEUE);
        let actor = Actor::new(config, metadata).await?;
        tokio::spawn(actor.run(queue));
        Ok(Self { commands })
    }

    /// Records a change of the desired state and converges. Waits until both is done.
    pub async fn apply(&self, changes: Changes) -> Result<Convergence, NetError> {
        self.ask(|reply| Command::Apply(changes, reply)).await
    }

    /// Compares all that is with all that shall be, and mends it. For a timer, and after a failure.
    pub async fn converge(&self) -> Result<Convergence, NetError> {
        self.ask(Command::Converge).await
    }

    /// Makes the port's tap, in its bridge and behind its filter. Called right before the guest's process starts; never for
    /// a guest whose process runs (its tap lives on by itself).
    pub async fn prepare_port(&self, port: &PortId) -> Result<PreparedPort, NetError> {
        let port = port.clone();
        self.ask(|reply| Command::PreparePort(port, reply)).await?
    }

    /// Removes the port's tap, even one that is still held. Called after the guest's process ended; harmless if repeated.
    pub async fn release_port(&self, port: &PortId) -> Result<(), NetError> {
        let port = port.clone();
        self.ask(|reply| Command::ReleasePort(port, reply)).await?
    }

    /// What the metadata documents say about the ports, in the same order; unknown ports are left out. For the config drive.
    pub async fn interfaces(&self, ports: &[PortId]) -> Result<Vec<GuestInterface>, NetError> {
        let ports = ports.to_vec();
        self.ask(|reply| Command::Interfaces(ports, reply)).await
    }

    /// Everything in the kernel that carries our prefixes.
    pub async fn inventory(&self) -> Result<Vec<Item>, NetError> {
        self.ask(Command::Inventory).await?
    }

    /// That part of the [inventory](Self::inventory) that no desired object explains.
    pub async fn audit(&self) -> Result<Vec<Item>, NetError> {
        self.ask(Command::Audit).await?
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, NetError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| NetError::Closed)?;
        answer.await.map_err(|_| NetError::Closed)
    }
}
