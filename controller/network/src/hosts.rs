//! What hosts that come and go mean for networks: tunnels end elsewhere, another host hides the tenants' addresses.

use crate::{
    error::Result,
    service::{Inner, NetworkService},
    sql,
    sql::Param,
    touch,
};
use async_trait::async_trait;
use controller_base::id::{HostId, NetworkId, RouterId};
use controller_db::Connection;
use controller_ports::{
    Unavailable,
    fleet::{Host, HostObserver, ObjectKey},
};
use std::{
    collections::{BTreeMap, HashSet},
    sync::PoisonError,
};

/// All members by id.
pub type Known = BTreeMap<HostId, Host>;

/// Networks that are on the host.
pub async fn networks_on(conn: &mut Connection, host: HostId) -> Result<Vec<NetworkId>> {
    let sql = "SELECT network_id FROM network_port WHERE host_id = $1 UNION \
               SELECT other.network_id FROM network_port p \
               JOIN network_port leg ON leg.network_id = p.network_id AND leg.device_owner = 'network:router_interface' \
               JOIN network_port other ON other.device_id = leg.device_id \
               AND other.device_owner IN ('network:router_interface', 'network:router_gateway') WHERE p.host_id = $1";
    sql::ids(conn, sql, [Param::text(host)]).await
}

/// Routers that are on the host.
pub async fn routers_on(conn: &mut Connection, host: HostId) -> Result<Vec<RouterId>> {
    let sql = "SELECT DISTINCT leg.device_id FROM network_port p JOIN network_port leg ON leg.network_id = p.network_id \
               WHERE p.host_id = $1 AND leg.device_owner = 'network:router_interface'";
    sql::ids(conn, sql, [Param::text(host)]).await
}

/// The host among those with a router that hides tenants' addresses: the first that is up and wired to the outside, or the first
/// that is up, or the first at all.
#[must_use]
pub fn elect(candidates: &[HostId], known: &Known, outside: Option<&str>) -> Option<HostId> {
    let wired = |host: &Host| outside.is_none_or(|wanted| host.physical_networks.iter().any(|name| name == wanted));
    let up = |id: &HostId| known.get(id).filter(|host| host.up);
    candidates.iter().copied().min_by_key(|id| (up(id).is_none(), !up(id).is_some_and(wired), *id))
}

impl NetworkService {
    /// Those of these hosts that are members.
    pub(crate) async fn hosts_among(&self, ids: HashSet<HostId>) -> Result<Known> {
        let ids: Vec<HostId> = ids.into_iter().collect();
        let hosts = self.0.fleet.hosts_among(&ids).await?;
        Ok(hosts.into_iter().map(|host| (host.id, host)).collect())
    }

    /// Everything that the host's being there or not matters for, on all hosts concerned.
    async fn touch_host(&self, host: &Host) -> Result<()> {
        let Inner { fleet, shared, .. } = &*self.0;
        let mut conn = self.read().await?;
        if self.moved(host) {
            for network in networks_on(&mut conn, host.id).await? {
                let key = ObjectKey::Network(network);
                shared.drop_key(&key);
                for other in touch::hosts_of_network(&mut conn, network).await? {
                    fleet.touch(other, key);
                }
            }
        }
        for router in routers_on(&mut conn, host.id).await? {
            for other in touch::hosts_of_router(&mut conn, router).await? {
                fleet.touch(other, ObjectKey::Router(router));
            }
        }
        Ok(())
    }

    /// Whether the host's tunnels end elsewhere than was last heard.
    fn moved(&self, host: &Host) -> bool {
        let mut underlays = self.0.underlays.lock().unwrap_or_else(PoisonError::into_inner);
        let older = underlays.insert(host.id, host.underlay_address.clone());
        older.is_none_or(|older| older != host.underlay_address)
    }
}

pub(crate) fn unavailable(source: crate::Error) -> Unavailable {
    match source {
        crate::Error::Unavailable(unavailable) => unavailable,
        source => Unavailable { service: "network", source: Box::new(source) },
    }
}

#[async_trait]
impl HostObserver for NetworkService {
    async fn host_changed(&self, host: &Host) -> std::result::Result<(), Unavailable> {
        self.touch_host(host).await.map_err(unavailable)
    }

    async fn forget_host(&self, host: HostId) -> std::result::Result<Option<String>, Unavailable> {
        self.0.underlays.lock().unwrap_or_else(PoisonError::into_inner).remove(&host);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::host;

    #[test]
    fn the_first_host_that_is_up_and_wired_is_elected() {
        let mut ids: Vec<HostId> = (0..3).map(|_| HostId::random()).collect();
        ids.sort();
        let known = |up: [bool; 3]| -> Known { ids.iter().zip(up).map(|(id, up)| (*id, host(*id, up))).collect() };
        let elect = |known: &Known| elect(&ids, known, Some("public"));
        assert_eq!(elect(&known([true, true, true])), Some(ids[0]));
        assert_eq!(elect(&known([false, true, true])), Some(ids[1]));
        assert_eq!(elect(&known([false, false, false])), Some(ids[0]));
        assert_eq!(elect(&Known::new()), Some(ids[0]));
        assert_eq!(super::elect(&[], &Known::new(), None), None);
        let mut unwired = known([true, true, true]);
        unwired.entry(ids[0]).and_modify(|host| host.physical_networks.clear());
        assert_eq!(elect(&unwired), Some(ids[1]));
        assert_eq!(super::elect(&ids, &unwired, None), Some(ids[0]), "without an outside any will do");
    }
}
