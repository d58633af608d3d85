//! What hosts shall do about networks: each host gets what its own guests' ports touch, and nothing else.
//!
//! - Its guests' ports, with their groups and the groups that those name.
//! - The routers with a leg in a network of such a port, and all networks that these routers join, so that routing and floating
//!   addresses happen where the guest is.
//! - For each overlay network, where its ports on other hosts are.
//!
//! Reads only. Which host has what is asked of the same queries that decide which host is touched.

mod group;
mod network;
mod port;
mod router;
pub(crate) mod shared;
#[cfg(test)]
mod tests;

use crate::{
    error::Result,
    hosts::{self, Known, unavailable},
    service::NetworkService,
    sql::{self, Param},
    touch,
};
use async_trait::async_trait;
use controller_base::{
    Generation,
    id::{HostId, PortId, RouterId, SecurityGroupId},
};
use controller_db::Connection;
use controller_ports::{
    Unavailable,
    fleet::{Desired, DesiredObject, DesiredState, ObjectKey},
};

/// What the builders of routers need beside the database.
struct View {
    host: HostId,
    known: Known,
}

#[async_trait]
impl DesiredState for NetworkService {
    fn owns(&self, key: &ObjectKey) -> bool {
        match key {
            ObjectKey::Guest(_) => false,
            ObjectKey::Network(_) | ObjectKey::Port(_) | ObjectKey::SecurityGroup(_) | ObjectKey::Router(_) => true,
        }
    }

    async fn list(&self, host: HostId) -> std::result::Result<Vec<Desired>, Unavailable> {
        list(self, host).await.map_err(unavailable)
    }

    async fn get(&self, host: HostId, key: ObjectKey) -> std::result::Result<Option<Desired>, Unavailable> {
        get(self, host, key).await.map_err(unavailable)
    }
}

async fn list(service: &NetworkService, host: HostId) -> Result<Vec<Desired>> {
    let mut conn = service.read().await?;
    let mut keys: Vec<ObjectKey> = Vec::new();
    keys.extend(hosts::networks_on(&mut conn, host).await?.into_iter().map(ObjectKey::Network));
    keys.extend(groups_on(&mut conn, host).await?.into_iter().map(ObjectKey::SecurityGroup));
    keys.extend(hosts::routers_on(&mut conn, host).await?.into_iter().map(ObjectKey::Router));
    keys.extend(ports_on(&mut conn, host).await?.into_iter().map(ObjectKey::Port));
    // Whoever holds a connection while it waits for another may wait for those who do the same.
    drop(conn);
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        found.extend(get(service, host, key).await?);
    }
    Ok(found)
}

async fn get(service: &NetworkService, host: HostId, key: ObjectKey) -> Result<Option<Desired>> {
    let built = match key {
        ObjectKey::Guest(_) => None,
        ObjectKey::Network(id) => {
            let shared = shared::network(service, id).await?;
            shared.hosts.contains(&host).then(|| network::seen_from(host, &shared)).flatten()
        }
        ObjectKey::SecurityGroup(id) => {
            let shared = shared::group(service, id).await?;
            let group = shared.group.as_ref().filter(|_| shared.hosts.contains(&host));
            group.map(|(generation, group)| (*generation, DesiredObject::SecurityGroup(group.clone())))
        }
        // The port itself says where it is.
        ObjectKey::Port(id) => port::build(&mut *service.read().await?, host, id).await?,
        ObjectKey::Router(id) => get_router(service, host, id).await?,
    };
    Ok(built.map(|(generation, object)| Desired { key, generation, object }))
}

async fn get_router(
    service: &NetworkService,
    host: HostId,
    id: RouterId,
) -> Result<Option<(Generation, DesiredObject)>> {
    let candidates = touch::hosts_of_router(&mut *service.read().await?, id).await?;
    if !candidates.contains(&host) {
        return Ok(None);
    }
    let view = View { host, known: service.hosts_among(candidates.iter().copied().collect()).await? };
    router::build(&mut *service.read().await?, &view, id, &candidates).await
}

async fn ports_on(conn: &mut Connection, host: HostId) -> Result<Vec<PortId>> {
    sql::ids(conn, "SELECT id FROM network_port WHERE host_id = $1", [Param::text(host)]).await
}

async fn groups_on(conn: &mut Connection, host: HostId) -> Result<Vec<SecurityGroupId>> {
    let sql = "SELECT g.group_id FROM network_port_group g JOIN network_port p ON p.id = g.port_id WHERE p.host_id = $1 UNION \
               SELECT r.remote_group_id FROM network_security_group_rule r JOIN network_port_group g ON g.group_id = r.group_id \
               JOIN network_port p ON p.id = g.port_id WHERE p.host_id = $1 AND r.remote_group_id IS NOT NULL";
    sql::ids(conn, sql, [Param::text(host)]).await
}
