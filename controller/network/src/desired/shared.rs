//! What is the same for all hosts of a network or a group, built once: a change of a network with many hosts makes all of them ask at
//! once. Owns no table.
//!
//! Invariants: what a change touches is dropped after its commit and before any host hears of it, so that who asks because it was
//! touched never gets what was before; who began to build earlier keeps it to those who asked earlier. What nobody touched is
//! built anew after [`AGE`], as another controller may have changed it.

use crate::{error::Result, port::store::Remote, service::NetworkService, touch};
use controller_base::{
    Generation,
    id::{HostId, NetworkId, SecurityGroupId},
};
use controller_ports::fleet::{DesiredNetwork, DesiredSecurityGroup, ObjectKey};
use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::OnceCell;

/// How long something is kept.
const AGE: Duration = Duration::from_secs(10);

/// A network, and which hosts have it.
pub(super) struct SharedNetwork {
    pub(super) hosts: HashSet<HostId>,
    /// Without remotes; `None`: it was deleted.
    pub(super) network: Option<(Generation, DesiredNetwork)>,
    /// The ports on hosts, if it is an overlay.
    pub(super) remotes: Vec<Remote>,
    /// Where the tunnels of these hosts end.
    pub(super) tunnel_ends: HashMap<HostId, String>,
}

/// A group, and which hosts have it.
pub(super) struct SharedGroup {
    pub(super) hosts: HashSet<HostId>,
    /// `None`: it was deleted.
    pub(super) group: Option<(Generation, DesiredSecurityGroup)>,
}

/// What was built.
#[derive(Default)]
pub(crate) struct Shared {
    networks: Kept<NetworkId, SharedNetwork>,
    groups: Kept<SecurityGroupId, SharedGroup>,
}

impl Shared {
    /// This changed. To be called after the commit, before the fleet hears of it.
    pub(crate) fn drop_key(&self, key: &ObjectKey) {
        match key {
            ObjectKey::Network(id) => self.networks.lock().slots.remove(id).map(drop),
            ObjectKey::SecurityGroup(id) => self.groups.lock().slots.remove(id).map(drop),
            ObjectKey::Guest(_) | ObjectKey::Port(_) | ObjectKey::Router(_) => None,
        };
    }
}

/// Holds no connection while it waits: whoever builds needs one.
pub(super) async fn network(service: &NetworkService, id: NetworkId) -> Result<Arc<SharedNetwork>> {
    let build = async || {
        let mut conn = service.read().await?;
        let hosts: HashSet<HostId> = touch::hosts_of_network(&mut conn, id).await?.into_iter().collect();
        let (network, remotes) = super::network::build(&mut conn, service, id).await?;
        drop(conn);
        let places: HashSet<HostId> = remotes.iter().map(|remote| remote.host).collect();
        let tunnel_ends = service.0.fleet.tunnel_ends(&Vec::from_iter(places)).await?;
        Ok(Arc::new(SharedNetwork { hosts, network, remotes, tunnel_ends }))
    };
    service.0.shared.networks.slot(id).get_or_try_init(build).await.cloned()
}

/// As [`network`].
pub(super) async fn group(service: &NetworkService, id: SecurityGroupId) -> Result<Arc<SharedGroup>> {
    let build = async || {
        let mut conn = service.read().await?;
        let hosts = touch::hosts_of_group(&mut conn, id).await?.into_iter().collect();
        let group = super::group::build(&mut conn, id).await?;
        Ok(Arc::new(SharedGroup { hosts, group }))
    };
    service.0.shared.groups.slot(id).get_or_try_init(build).await.cloned()
}

struct Kept<K, T>(Mutex<Slots<K, T>>);

struct Slots<K, T> {
    slots: HashMap<K, (Instant, Slot<T>)>,
    swept: Instant,
}

type Slot<T> = Arc<OnceCell<Arc<T>>>;

impl<K, T> Default for Kept<K, T> {
    fn default() -> Self {
        Self(Mutex::new(Slots { slots: HashMap::new(), swept: Instant::now() }))
    }
}

impl<K: Eq + Hash, T> Kept<K, T> {
    fn lock(&self) -> MutexGuard<'_, Slots<K, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, key: K) -> Slot<T> {
        let mut kept = self.lock();
        if kept.swept.elapsed() > AGE {
            kept.swept = Instant::now();
            kept.slots.retain(|_, (since, _)| since.elapsed() < AGE);
        }
        let (since, slot) = kept.slots.entry(key).or_insert_with(|| (Instant::now(), Slot::default()));
        if since.elapsed() >= AGE {
            (*since, *slot) = (Instant::now(), Slot::default());
        }
        slot.clone()
    }
}
