//! The one task that owns this host's network.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::advertise::Advertisers;
use crate::config::NetConfig;
use crate::error::NetError;
use crate::handle::{Convergence, PreparedPort};
use crate::ids::PortId;
use crate::inventory::Item;
use crate::kernel::Kernel;
use crate::metadata::{GuestInterface, MetadataSource};
use crate::model::Changes;
use crate::plan::{self, Desired, Plan, names};
use crate::service::Services;

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
    config: NetConfig,
    desired: Desired,
    plan: Plan,
    kernel: Kernel,
    services: Services,
    advertisers: Advertisers,
}

impl Actor {
    pub(crate) async fn new(config: NetConfig, metadata: Arc<dyn MetadataSource>) -> Result<Self, NetError> {
        let kernel = Kernel::new(&config).await?;
        let services = Services::new(&config, kernel.namespaces.clone(), metadata);
        let advertisers = Advertisers::new(kernel.namespaces.clone());
        Ok(Self { config, desired: Desired::default(), plan: Plan::default(), kernel, services, advertisers })
    }

    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            self.carry_out(command).await;
        }
    }

    /// Answers nobody hears are dropped: the asker has gone away.
    async fn carry_out(&mut self, command: Command) {
        match command {
            Command::Apply(changes, reply) => drop(reply.send(self.apply(changes).await)),
            Command::Converge(reply) => drop(reply.send(self.converge().await)),
            Command::PreparePort(port, reply) => drop(reply.send(self.prepare_port(&port).await)),
            Command::ReleasePort(port, reply) => drop(reply.send(self.kernel.remove_tap(&names::tap(&port)).await)),
            Command::Interfaces(ports, reply) => {
                let known = ports.iter().filter_map(|port| plan::interface(&self.desired, port));
                drop(reply.send(known.collect()));
            }
            Command::Inventory(reply) => drop(reply.send(self.kernel.inventory().await)),
            Command::Audit(reply) => drop(reply.send(self.kernel.leftovers(&self.plan).await)),
        }
    }

    async fn apply(&mut self, changes: Changes) -> Convergence {
        let sweep = changes.complete;
        self.desired.apply(changes);
        self.carry_out_plan(sweep).await
    }

    async fn converge(&mut self) -> Convergence {
        self.kernel.doubt();
        let mut outcome = Convergence::default();
        outcome.failures.extend(self.kernel.doubt_filter().await.err().map(|error| (None, error)));
        let rest = self.carry_out_plan(self.desired.complete).await;
        outcome.failures.extend(rest.failures);
        outcome
    }

    /// Before the first complete state nothing is planned: what is missing from it is not known to be unwanted.
    async fn carry_out_plan(&mut self, sweep: bool) -> Convergence {
        let mut outcome = Convergence::default();
        if !self.desired.complete {
            return outcome;
        }
        self.plan = Plan::new(&self.desired, &self.config);
        outcome.failures.extend(self.plan.failures.clone().into_iter().map(plan::PlanFailure::into_error));
        self.services.stop_stale(&self.plan);
        self.advertisers.stop_stale(&self.plan);
        self.kernel.converge(&self.plan, sweep, &mut outcome).await;
        self.services.converge(&self.plan, &mut outcome).await;
        self.advertisers.converge(&self.plan, &mut outcome).await;
        outcome
    }

    async fn prepare_port(&mut self, port: &PortId) -> Result<PreparedPort, NetError> {
        let wanted = self.desired.ports.get(port).ok_or_else(|| NetError::UnknownPort(port.clone()))?;
        let name = names::tap(port);
        let unknown = || NetError::UnknownNetwork(wanted.network.clone());
        let tap = self.plan.taps.get(&name).cloned().ok_or_else(unknown)?;
        let mac = wanted.mac;
        let mtu = self.desired.networks.get(&wanted.network).ok_or_else(unknown)?.mtu;
        // A failure of an earlier convergence must not leave the port open or unconnected.
        self.kernel.converge_filter(&self.plan.filter).await?;
        let fd = match self.kernel.make_tap(&name, &tap).await {
            Err(NetError::Io { source, .. }) if source.raw_os_error() == Some(libc::EBUSY) => {
                return Err(NetError::TapBusy(port.clone()));
            }
            made => made?,
        };
        Ok(PreparedPort { tap: fd, mac, mtu })
    }
}
