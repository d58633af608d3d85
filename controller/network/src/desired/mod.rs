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
use controller_base::id::{HostId, PortId, SecurityGroupId};
use controller_db::Connection;
use controller_ports::{
    Unavailable,
    fleet::{Desired, DesiredState, ObjectKey},
};

/// What the builders need beside the database.
struct View<'a> {
    service: &'a NetworkService,
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
    let view = View { service, host, known: service.hosts().await? };
    let mut conn = service.read().await?;
    let mut keys: Vec<ObjectKey> = Vec::new();
    keys.extend(hosts::networks_on(&mut conn, host).await?.into_iter().map(ObjectKey::Network));
    keys.extend(groups_on(&mut conn, host).await?.into_iter().map(ObjectKey::SecurityGroup));
    keys.extend(hosts::routers_on(&mut conn, host).await?.into_iter().map(ObjectKey::Router));
    keys.extend(ports_on(&mut conn, host).await?.into_iter().map(ObjectKey::Port));
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        found.extend(build(&mut conn, &view, key).await?);
    }
    Ok(found)
}

async fn get(service: &NetworkService, host: HostId, key: ObjectKey) -> Result<Option<Desired>> {
    let mut conn = service.read().await?;
    let there = match key {
        ObjectKey::Guest(_) => false,
        // The port itself says where it is.
        ObjectKey::Port(_) => true,
        ObjectKey::Network(id) => touch::hosts_of_network(&mut conn, id).await?.contains(&host),
        ObjectKey::Router(id) => touch::hosts_of_router(&mut conn, id).await?.contains(&host),
        ObjectKey::SecurityGroup(id) => touch::hosts_of_group(&mut conn, id).await?.contains(&host),
    };
    // Whoever holds a connection while it waits for another may wait for those who do the same.
    drop(conn);
    if !there {
        return Ok(None);
    }
    let view = View { service, host, known: service.hosts().await? };
    build(&mut *service.read().await?, &view, key).await
}

async fn build(conn: &mut Connection, view: &View<'_>, key: ObjectKey) -> Result<Option<Desired>> {
    let built = match key {
        ObjectKey::Guest(_) => None,
        ObjectKey::Network(id) => network::build(conn, view, id).await?,
        ObjectKey::Port(id) => port::build(conn, view, id).await?,
        ObjectKey::SecurityGroup(id) => group::build(conn, id).await?,
        ObjectKey::Router(id) => router::build(conn, view, id).await?,
    };
    Ok(built.map(|(generation, object)| Desired { key, generation, object }))
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
