//! Host aggregates: hosts that an operator names together, with metadata; one that has a zone makes its hosts an availability zone.
//!
//! Owns `compute_aggregate` and `compute_aggregate_host`. Hosts are known by name, so that one that is installed anew is where it
//! was. A host is in one zone: the one of its aggregates, or the configured one.

pub(crate) mod api;
mod change_api;
pub(crate) mod policy;
pub(crate) mod store;

use crate::{Compute, Failure, server::demand::in_wanted_aggregates};
use controller_base::Timestamp;
use controller_base::id::HostId;
use controller_db::{Connection, DbError};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The key of an aggregate's metadata that makes it a zone.
pub(crate) const ZONE: &str = "availability_zone";

/// An aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aggregate {
    pub(crate) id: i64,
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Option<Timestamp>,
}

impl Aggregate {
    pub(crate) fn zone(&self) -> Option<&str> {
        self.metadata.get(ZONE).map(String::as_str)
    }
}

/// Which host is in which zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zones {
    usual: String,
    by_host: BTreeMap<String, String>,
    /// Zones without hosts among them.
    names: BTreeSet<String>,
}

impl Zones {
    pub(crate) fn new(usual: &str, aggregates: &[Aggregate]) -> Self {
        let zoned = aggregates.iter().filter_map(|aggregate| Some((aggregate, aggregate.zone()?)));
        let mut zones = Self { usual: usual.to_owned(), by_host: BTreeMap::new(), names: BTreeSet::new() };
        for (aggregate, zone) in zoned {
            zones.names.insert(zone.to_owned());
            zones.by_host.extend(aggregate.hosts.iter().map(|host| (host.clone(), zone.to_owned())));
        }
        zones
    }

    /// A host's zone.
    pub(crate) fn of(&self, hostname: &str) -> &str {
        self.by_host.get(hostname).unwrap_or(&self.usual)
    }

    /// Whether there is such a zone.
    pub(crate) fn knows(&self, zone: &str) -> bool {
        zone == self.usual || self.names.contains(zone)
    }
}

impl Compute {
    /// The zones as they are now.
    pub(crate) async fn zones(&self, connection: &mut Connection) -> Result<Zones, DbError> {
        Ok(Zones::new(&self.config.availability_zone, &store::list(connection).await?))
    }

    /// The hosts of a zone; `None` when there is no such zone.
    pub(crate) async fn hosts_in(&self, zone: &str) -> Result<Option<HashSet<HostId>>, Failure> {
        let zones = self.zones(&mut *self.db.read().await?).await?;
        if !zones.knows(zone) {
            return Ok(None);
        }
        let hosts = self.fleet.hosts().await?;
        Ok(Some(hosts.into_iter().filter(|host| zones.of(&host.hostname) == zone).map(|host| host.id).collect()))
    }
}

impl Compute {
    /// The hosts that are wired to all of these physical networks.
    pub(crate) async fn hosts_wired_to(&self, networks: &BTreeSet<String>) -> Result<HashSet<HostId>, Failure> {
        let hosts = self.fleet.hosts().await?.into_iter();
        let wired = hosts.filter(|host| networks.iter().all(|name| host.physical_networks.contains(name)));
        Ok(wired.map(|host| host.id).collect())
    }

    /// The hosts whose aggregates have what a flavor asks of them.
    pub(crate) async fn hosts_wanted(
        &self,
        extra_specs: &BTreeMap<String, String>,
    ) -> Result<HashSet<HostId>, Failure> {
        let aggregates = store::list(&mut *self.db.read().await?).await?;
        let hosts = self.fleet.hosts().await?.into_iter();
        let wanted = hosts.filter(|host| in_wanted_aggregates(&host.hostname, &aggregates, extra_specs));
        Ok(wanted.map(|host| host.id).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_in_its_aggregates_zone_or_in_the_usual_one() {
        let aggregate = |zone: Option<&str>, hosts: &[&str]| Aggregate {
            id: 1,
            uuid: String::new(),
            name: String::new(),
            metadata: zone.map(|zone| (ZONE.to_owned(), zone.to_owned())).into_iter().collect(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            created_at: Timestamp(0),
            updated_at: None,
        };
        let all = [aggregate(Some("east"), &["a"]), aggregate(None, &["a", "b"]), aggregate(Some("west"), &[])];
        let zones = Zones::new("nova", &all);
        assert_eq!((zones.of("a"), zones.of("b")), ("east", "nova"));
        assert!(zones.knows("nova") && zones.knows("west") && !zones.knows("north"));
    }
}
