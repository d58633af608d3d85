//! What a network's service namespace answers: DHCP, DNS and metadata.
//!
//! Sockets are opened inside the namespace and served by tasks of the runtime. A task reads the newest [`ServicePlan`] for
//! each request. Owns no kernel state but its sockets.

mod dhcp4;
mod dhcp6;
mod dns;
#[cfg(test)]
mod fixture;
mod names;
mod options;
mod socket;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::NetConfig;
use crate::error::NetError;
use crate::handle::Convergence;
use crate::ids::NetworkId;
use crate::metadata::{MetadataSource, server};
use crate::model::ObjectKey;
use crate::netns::Namespaces;
use crate::plan::{Plan, ServicePlan};

/// The newest plan, as tasks see it.
pub(crate) type Current = watch::Receiver<Arc<ServicePlan>>;

/// The services of all networks.
pub(crate) struct Services {
    namespaces: Namespaces,
    metadata: Arc<dyn MetadataSource>,
    lease: Duration,
    resolvers: Arc<Vec<SocketAddr>>,
    running: BTreeMap<NetworkId, Service>,
}

/// The services of one network. Dropping it ends its tasks.
struct Service {
    plan: watch::Sender<Arc<ServicePlan>>,
    identity: Identity,
    tasks: JoinSet<()>,
}

/// What sockets hang on: another namespace or another address needs new ones.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    namespace: u64,
    servers: BTreeSet<IpAddr>,
}

impl Services {
    pub(crate) fn new(config: &NetConfig, namespaces: Namespaces, metadata: Arc<dyn MetadataSource>) -> Self {
        let resolvers = if config.resolvers.is_empty() { dns::system_resolvers() } else { config.resolvers.clone() };
        let resolvers = Arc::new(resolvers);
        Self { namespaces, metadata, lease: config.dhcp_lease, resolvers, running: BTreeMap::new() }
    }

    /// Ends what is not planned any more, so that its namespace can go.
    pub(crate) fn stop_stale(&mut self, plan: &Plan) {
        self.running.retain(|network, _| plan.services.contains_key(network));
    }

    /// Starts what is planned, and tells what runs.
    pub(crate) async fn converge(&mut self, plan: &Plan, outcome: &mut Convergence) {
        for (network, wanted) in &plan.services {
            if let Err(error) = self.ensure(network, wanted).await {
                outcome.failures.push((Some(ObjectKey::Network(network.clone())), error));
            }
        }
    }

    async fn ensure(&mut self, network: &NetworkId, plan: &Arc<ServicePlan>) -> Result<(), NetError> {
        let path = self.namespaces.path(&plan.namespace);
        let namespace = std::fs::metadata(path).map_err(NetError::io(format!("look at {}", plan.namespace)))?.ino();
        let identity = Identity { namespace, servers: plan.subnets.values().map(|subnet| subnet.server).collect() };
        if let Some(service) = self.running.get(network).filter(|service| service.identity == identity) {
            service.plan.send_if_modified(|current| {
                let changed = **current != **plan;
                current.clone_from(plan);
                changed
            });
            return Ok(());
        }
        // The old sockets hold the addresses.
        if let Some(mut old) = self.running.remove(network) {
            old.tasks.shutdown().await;
        }
        let servers = identity.servers.clone();
        let sockets = self.namespaces.enter(&plan.namespace, move || socket::Sockets::open(&servers)).await?;
        let (sender, current) = watch::channel(Arc::clone(plan));
        let tasks = self.start(sockets, current);
        self.running.insert(network.clone(), Service { plan: sender, identity, tasks });
        Ok(())
    }

    fn start(&self, sockets: socket::Sockets, current: Current) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        tasks.spawn(dhcp4::serve(sockets.dhcp4, current.clone(), self.lease));
        if let Some(socket) = sockets.dhcp6 {
            tasks.spawn(dhcp6::serve(socket, current.clone(), self.lease));
        }
        for (udp, tcp) in sockets.dns {
            let resolver = dns::Resolver::new(current.clone(), Arc::clone(&self.resolvers));
            tasks.spawn(dns::serve_udp(udp, resolver.clone()));
            tasks.spawn(dns::serve_tcp(tcp, resolver));
        }
        for listener in sockets.metadata {
            tasks.spawn(server::serve(listener, current.clone(), Arc::clone(&self.metadata)));
        }
        tasks
    }
}
