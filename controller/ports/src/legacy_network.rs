//! What network does for the parts of Nova's API that once were Nova's own: security groups under `/compute`, and addresses
//! added to a server's ports. Implemented by network; compute offers these routes only if it was given an implementation.

use crate::Unavailable;
use async_trait::async_trait;
use controller_base::id::{NetworkId, ProjectId, SecurityGroupId, SecurityGroupRuleId, ServerId};
use ipnet::IpNet;
use std::net::IpAddr;

/// A security group with its rules for what comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group.
    pub id: SecurityGroupId,
    /// Owner.
    pub project_id: ProjectId,
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// What it lets in.
    pub rules: Vec<Rule>,
}

/// A rule for what comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The rule.
    pub id: SecurityGroupRuleId,
    /// Its group.
    pub group_id: SecurityGroupId,
    /// `tcp`, `udp`, `icmp`, ...; `None`: any.
    pub protocol: Option<String>,
    /// First port, or ICMP type.
    pub port_min: Option<u16>,
    /// Last port, or ICMP code.
    pub port_max: Option<u16>,
    /// From where.
    pub from: Source,
}

/// From where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A prefix; anywhere is `0.0.0.0/0` or `::/0`.
    Cidr(IpNet),
    /// Members of a group, with its name and owner.
    Group(SecurityGroupId, String, ProjectId),
}

/// A rule that shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRule {
    /// Its group.
    pub group_id: SecurityGroupId,
    /// `tcp`, `udp` or `icmp`.
    pub protocol: String,
    /// First port, or ICMP type; `None`: all.
    pub port_min: Option<u16>,
    /// Last port, or ICMP code; `None`: all.
    pub port_max: Option<u16>,
    /// A prefix; without it and without a group: anywhere by IPv4.
    pub cidr: Option<IpNet>,
    /// Members of this group.
    pub remote_group: Option<SecurityGroupId>,
}

/// Why it cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum LegacyError {
    /// No such thing for this project.
    #[error("{0}")]
    NotFound(String),
    /// The group is in use, the rule is there already, ...
    #[error("{0}")]
    Conflict(String),
    /// A value is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The quota is used up.
    #[error("{0}")]
    QuotaExceeded(String),
    /// The service failed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Implemented by network.
#[async_trait]
pub trait LegacyNetworks: Send + Sync {
    /// The project's groups.
    async fn groups(&self, project: &ProjectId) -> Result<Vec<Group>, LegacyError>;
    /// One of them.
    async fn group(&self, project: &ProjectId, id: SecurityGroupId) -> Result<Group, LegacyError>;
    /// A new one, with the rules that new groups have.
    async fn create_group(&self, project: &ProjectId, name: &str, description: &str) -> Result<Group, LegacyError>;
    /// Sets name and description.
    async fn update_group(
        &self,
        project: &ProjectId,
        id: SecurityGroupId,
        name: &str,
        description: &str,
    ) -> Result<Group, LegacyError>;
    /// Deletes one that no port uses.
    async fn delete_group(&self, project: &ProjectId, id: SecurityGroupId) -> Result<(), LegacyError>;
    /// A new rule for what comes in.
    async fn create_rule(&self, project: &ProjectId, rule: &NewRule) -> Result<Rule, LegacyError>;
    /// Deletes a rule.
    async fn delete_rule(&self, project: &ProjectId, id: SecurityGroupRuleId) -> Result<(), LegacyError>;
    /// Gives the server's port on this network one more address.
    async fn add_fixed_ip(&self, server: ServerId, network: NetworkId) -> Result<IpAddr, LegacyError>;
    /// Takes an address from one of the server's ports.
    async fn remove_fixed_ip(&self, server: ServerId, address: IpAddr) -> Result<(), LegacyError>;
}
