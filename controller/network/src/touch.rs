//! Which hosts must look at what again.
//!
//! A network is on a host that has a port of it, or of another network behind the same router; a router is on the hosts of
//! its tenant networks; a group is on the hosts of its ports, and on those whose ports' groups name it. A change touches before
//! and after it alters the rows, so that hosts which lose a thing hear of it too.

use crate::{
    error::Result,
    port::model::Port,
    service::Change,
    sql::{self, Cells, Param},
};
use controller_base::id::{HostId, NetworkId, PortId, RouterId, SecurityGroupId};
use controller_db::Connection;
use controller_ports::fleet::ObjectKey;
use std::collections::{BTreeMap, BTreeSet};

/// The hosts that have the network.
pub async fn hosts_of_network(conn: &mut Connection, id: NetworkId) -> Result<Vec<HostId>> {
    let hosts = places_of_network(conn, id, None).await?;
    Ok(hosts.into_keys().collect())
}

/// The same, and whether they have a port of the network itself, with one port left out of account.
async fn places_of_network(
    conn: &mut Connection,
    id: NetworkId,
    without: Option<PortId>,
) -> Result<BTreeMap<HostId, bool>> {
    let sql = "SELECT host_id, 1 AS own FROM network_port WHERE network_id = $1 AND host_id IS NOT NULL AND id <> $2 UNION \
               SELECT p.host_id, 0 AS own FROM network_port leg JOIN network_port other ON other.device_id = leg.device_id \
               JOIN network_port p ON p.network_id = other.network_id \
               WHERE leg.network_id = $1 AND leg.device_owner IN ('network:router_interface', 'network:router_gateway') \
               AND other.device_owner = 'network:router_interface' AND p.network_id <> $1 AND p.host_id IS NOT NULL";
    let without = without.map(|port| port.to_string()).unwrap_or_default();
    let mut places = BTreeMap::new();
    for row in sql::all(conn, sql, [Param::text(id), without.into()]).await? {
        *places.entry(row.parsed("host_id")?).or_default() |= row.flag("own")?;
    }
    Ok(places)
}

/// The hosts that have the router.
pub async fn hosts_of_router(conn: &mut Connection, id: RouterId) -> Result<Vec<HostId>> {
    let sql = "SELECT DISTINCT p.host_id FROM network_port p JOIN network_port leg ON leg.network_id = p.network_id \
               WHERE p.host_id IS NOT NULL AND leg.device_id = $1 AND leg.device_owner = 'network:router_interface' \
               ORDER BY p.host_id";
    sql::ids(conn, sql, [Param::text(id)]).await
}

/// The hosts that have the group.
pub async fn hosts_of_group(conn: &mut Connection, id: SecurityGroupId) -> Result<Vec<HostId>> {
    let places = places_of_groups(conn, id, false).await?;
    Ok(places.into_iter().filter_map(|(_, host)| host).collect())
}

/// The group and, with its remotes, those that its rules name; and the hosts that have each of them.
async fn places_of_groups(
    conn: &mut Connection,
    id: SecurityGroupId,
    with_remotes: bool,
) -> Result<Vec<(SecurityGroupId, Option<HostId>)>> {
    let sql = "WITH concerned (id) AS (SELECT $1 UNION SELECT remote_group_id FROM network_security_group_rule \
               WHERE group_id = $1 AND remote_group_id IS NOT NULL AND $2 = 1) \
               SELECT c.id AS group_id, p.host_id FROM concerned c LEFT JOIN network_port_group g ON g.group_id = c.id \
               LEFT JOIN network_port p ON p.id = g.port_id UNION \
               SELECT c.id AS group_id, p.host_id FROM concerned c JOIN network_security_group_rule r \
               ON r.remote_group_id = c.id AND r.group_id <> c.id \
               JOIN network_port_group g ON g.group_id = r.group_id JOIN network_port p ON p.id = g.port_id";
    let rows = sql::all(conn, sql, [Param::text(id), with_remotes.into()]).await?;
    rows.iter().map(|row| Ok((row.parsed("group_id")?, row.maybe_parsed("host_id")?))).collect()
}

/// The routers with a leg in the network, and the other networks behind them.
async fn neighbourhood(conn: &mut Connection, id: NetworkId) -> Result<(BTreeSet<RouterId>, BTreeSet<NetworkId>)> {
    let sql = "SELECT other.device_id, other.network_id FROM network_port leg JOIN network_port other ON other.device_id = leg.device_id \
               WHERE leg.network_id = $1 AND leg.device_owner = 'network:router_interface' \
               AND other.device_owner IN ('network:router_interface', 'network:router_gateway')";
    let (mut routers, mut networks) = (BTreeSet::new(), BTreeSet::new());
    for leg in sql::all(conn, sql, [Param::text(id)]).await? {
        routers.insert(leg.parsed("device_id")?);
        networks.insert(leg.parsed("network_id")?);
    }
    networks.remove(&id);
    Ok((routers, networks))
}

/// The legs of a router lie in these networks.
async fn networks_of_router(conn: &mut Connection, id: RouterId) -> Result<Vec<NetworkId>> {
    let sql = "SELECT DISTINCT network_id FROM network_port WHERE device_id = $1 \
               AND device_owner IN ('network:router_interface', 'network:router_gateway')";
    sql::ids(conn, sql, [Param::text(id)]).await
}

impl Change {
    fn touch(&mut self, hosts: Vec<HostId>, key: ObjectKey) {
        self.changed.insert(key);
        self.touched.extend(hosts.into_iter().map(|host| (host, key)));
    }

    /// A network's own attributes, its subnets or the places of its ports.
    pub async fn touch_network(&mut self, id: NetworkId) -> Result<()> {
        let hosts = hosts_of_network(self.conn(), id).await?;
        self.touch(hosts, ObjectKey::Network(id));
        Ok(())
    }

    /// A group's rules or members.
    pub async fn touch_group(&mut self, id: SecurityGroupId) -> Result<()> {
        let hosts = hosts_of_group(self.conn(), id).await?;
        self.touch(hosts, ObjectKey::SecurityGroup(id));
        Ok(())
    }

    /// A router's attributes or its floating addresses.
    pub async fn touch_router(&mut self, id: RouterId) -> Result<()> {
        let hosts = hosts_of_router(self.conn(), id).await?;
        self.touch(hosts, ObjectKey::Router(id));
        Ok(())
    }

    /// A router's legs: its networks come to and go from hosts with it.
    pub async fn touch_router_legs(&mut self, id: RouterId) -> Result<()> {
        self.touch_router(id).await?;
        for network in networks_of_router(self.conn(), id).await? {
            self.touch_neighbourhood(network).await?;
        }
        Ok(())
    }

    /// A subnet of the network changed in a way that routers with their gateway there must know.
    pub async fn touch_gateways(&mut self, network: NetworkId) -> Result<()> {
        let sql = "SELECT DISTINCT device_id FROM network_port WHERE network_id = $1 AND device_owner = 'network:router_gateway'";
        let routers: Vec<RouterId> = sql::ids(self.conn(), sql, [Param::text(network)]).await?;
        for router in routers {
            self.touch_router(router).await?;
        }
        Ok(())
    }

    async fn touch_neighbourhood(&mut self, network: NetworkId) -> Result<()> {
        self.touch_network(network).await?;
        self.touch_behind_routers(network).await
    }

    async fn touch_behind_routers(&mut self, network: NetworkId) -> Result<()> {
        let (routers, networks) = neighbourhood(self.conn(), network).await?;
        for network in networks {
            self.touch_network(network).await?;
        }
        for router in routers {
            self.touch_router(router).await?;
        }
        Ok(())
    }

    /// All that a port's coming, going or moving means. Its network is locked: the last two ports on a host may go at once.
    pub async fn touch_port(&mut self, port: &Port) -> Result<()> {
        self.touch_new_port(port).await?;
        let sql = "SELECT DISTINCT router_id FROM network_floating_ip WHERE port_id = $1 AND router_id IS NOT NULL";
        let routers: Vec<RouterId> = match port.host_id {
            Some(_) => sql::ids(self.conn(), sql, [Param::text(port.id)]).await?,
            None => Vec::new(),
        };
        for router in routers {
            self.touch_router(router).await?;
        }
        Ok(())
    }

    /// The same of a port that has no floating address yet.
    pub async fn touch_new_port(&mut self, port: &Port) -> Result<()> {
        let key = ObjectKey::Port(port.id);
        for group in &port.groups {
            for (group, host) in places_of_groups(self.conn(), *group, true).await? {
                self.touch(host.into_iter().collect(), ObjectKey::SecurityGroup(group));
            }
        }
        let Some(host) = port.host_id else { return Ok(()) };
        self.touched.insert((host, key));
        let mut places = places_of_network(self.conn(), port.network_id, Some(port.id)).await?;
        if places.remove(&host) != Some(true) {
            // It is the network's first or last port there: what is behind the same routers comes or goes with it.
            places.insert(host, true);
            self.touch_behind_routers(port.network_id).await?;
        }
        self.touch(places.into_keys().collect(), ObjectKey::Network(port.network_id));
        Ok(())
    }
}

/// The groups that a group's rules name.
pub async fn remote_groups(conn: &mut Connection, id: SecurityGroupId) -> Result<Vec<SecurityGroupId>> {
    let sql = "SELECT DISTINCT remote_group_id FROM network_security_group_rule \
               WHERE group_id = $1 AND remote_group_id IS NOT NULL AND remote_group_id <> $1";
    sql::ids(conn, sql, [Param::text(id)]).await
}
