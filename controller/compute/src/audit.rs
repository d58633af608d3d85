//! Compares what compute wants with what placement, network and the hosts have: anything that does not belong to a server, and
//! anything that a server lacks.

use crate::server::model::{Server, VmState};
use crate::server::store;
use crate::{Compute, unavailable};
use controller_base::id::{HostId, ServerId};
use controller_db::Filter;
use controller_ports::Unavailable;
use std::collections::{HashMap, HashSet};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind: `claim`, `server`, `ports`, `operation`, `host`.
    pub kind: &'static str,
    /// What it is about.
    pub subject: String,
    /// What is wrong, for people.
    pub what: String,
}

impl Finding {
    fn new(kind: &'static str, subject: impl ToString, what: impl Into<String>) -> Self {
        Self { kind, subject: subject.to_string(), what: what.into() }
    }
}

impl Compute {
    /// All findings. Servers with an operation under way are left out: they are between two states.
    ///
    /// # Errors
    /// Something could not be asked.
    pub async fn audit(&self) -> Result<Vec<Finding>, Unavailable> {
        let mut connection = self.db.read().await.map_err(unavailable)?;
        let rows = Filter::new(store::SELECT_SLIM).fetch_all(&mut connection).await.map_err(unavailable)?;
        drop(connection);
        let servers: Vec<Server> = rows.iter().map(store::read).collect::<Result<_, _>>().map_err(unavailable)?;
        let pending = self.runner.pending().await.map_err(unavailable)?;
        let busy: HashSet<String> = pending.into_iter().map(|operation| operation.subject).collect();
        let resting: Vec<&Server> = servers.iter().filter(|server| !busy.contains(&server.id.to_string())).collect();
        let mut findings = states(&resting);
        findings.extend(claims(&servers, &resting, &busy, &self.placement.claims().await?));
        findings.extend(self.ports(&resting).await?);
        findings.extend(self.hosts().await?);
        Ok(findings)
    }

    /// Those that are gone or in ERROR without a guest have no ports left.
    async fn ports(&self, resting: &[&Server]) -> Result<Vec<Finding>, Unavailable> {
        let without: Vec<ServerId> =
            resting.iter().filter(|server| !server.desired.published).map(|server| server.id).collect();
        if without.is_empty() {
            return Ok(Vec::new());
        }
        let left = self.networks.ports_of(&without).await?;
        let finding = |id: ServerId, count: usize| Finding::new("ports", id, format!("{count} ports are left of it"));
        Ok(left
            .into_iter()
            .filter(|(_, ports)| !ports.is_empty())
            .map(|(id, ports)| finding(id, ports.len()))
            .collect())
    }

    async fn hosts(&self) -> Result<Vec<Finding>, Unavailable> {
        let mut findings = Vec::new();
        for host in self.fleet.hosts().await? {
            if !host.up {
                continue;
            }
            match self.fleet.audit(host.id).await {
                Ok(lines) => {
                    let lines = lines.lines().filter(|line| !line.trim().is_empty());
                    findings.extend(lines.map(|line| Finding::new("host", &host.hostname, line)));
                }
                Err(error) => findings.push(Finding::new("host", &host.hostname, error.to_string())),
            }
        }
        Ok(findings)
    }
}

fn states(resting: &[&Server]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for server in resting {
        if server.state == VmState::Building {
            findings.push(Finding::new("server", server.id, "it is in BUILD and nobody builds it"));
        }
        if server.state == VmState::Deleted && !server.gone {
            findings.push(Finding::new(
                "server",
                server.id,
                "it is deleted, its host has not confirmed and nobody waits",
            ));
        }
        if server.task.is_some_and(|task| task.as_str() == "deleting") {
            findings.push(Finding::new("server", server.id, "it shall be deleted and nobody deletes it"));
        }
    }
    findings
}

fn claims(
    servers: &[Server],
    resting: &[&Server],
    busy: &HashSet<String>,
    claims: &[(ServerId, HostId)],
) -> Vec<Finding> {
    let by_server: HashMap<ServerId, HostId> = claims.iter().copied().collect();
    let known: HashMap<ServerId, &Server> = servers.iter().map(|server| (server.id, server)).collect();
    let mut findings = Vec::new();
    for (server, host) in claims.iter().filter(|(server, _)| !busy.contains(&server.to_string())) {
        match known.get(server) {
            None => findings.push(Finding::new(
                "claim",
                server,
                format!("room on host {host} for a server that is not known"),
            )),
            Some(known) if known.gone => {
                findings.push(Finding::new("claim", server, format!("room on host {host} for a server that is gone")));
            }
            Some(known) if known.host.as_ref().map(|placed| placed.id) != Some(*host) => {
                findings.push(Finding::new("claim", server, format!("room on host {host}, but it is elsewhere")));
            }
            Some(_) => {}
        }
    }
    for server in resting.iter().filter(|server| server.desired.published && !by_server.contains_key(&server.id)) {
        findings.push(Finding::new("claim", server.id, "it is on a host without having room there"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::samples::server;

    #[test]
    fn rows_and_claims_must_explain_each_other() {
        let here = server();
        let host = here.host.clone().unwrap().id;
        let none = HashSet::new();
        let check = |server: &Server, list: &[(ServerId, HostId)], busy: &HashSet<String>| {
            claims(std::slice::from_ref(server), &[server], busy, list).len()
        };
        assert_eq!(check(&here, &[(here.id, host)], &none), 0);
        assert_eq!(check(&here, &[], &none), 1);
        assert_eq!(check(&here, &[(here.id, HostId::random())], &none), 1);
        let stray = (ServerId::random(), host);
        assert_eq!(check(&here, &[(here.id, host), stray], &none), 1);
        assert_eq!(check(&here, &[(here.id, host), stray], &HashSet::from([stray.0.to_string()])), 0);
        let mut gone = server();
        gone.gone = true;
        gone.desired.published = false;
        assert_eq!(check(&gone, &[(gone.id, host)], &none), 1);
        assert_eq!(check(&gone, &[], &none), 0);
    }

    #[test]
    fn nothing_stays_half_built() {
        let mut building = server();
        building.state = VmState::Building;
        assert_eq!(states(&[&building]).len(), 1);
        assert_eq!(states(&[&server()]).len(), 0);
    }
}
