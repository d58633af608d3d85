//! Networks, for those who attach servers to them.

use crate::Unavailable;
use async_trait::async_trait;
use controller_base::id::{HostId, NetworkId, PortId, ProjectId, SecurityGroupId, ServerId};
use controller_db::Tx;
use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

/// One interface that a tenant asks for at server creation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum RequestedNic {
    /// A new port on this network, with this address if given.
    Network {
        /// The network.
        id: NetworkId,
        /// The address.
        fixed_ip: Option<IpAddr>,
    },
    /// A port that exists.
    Port {
        /// The port.
        id: PortId,
    },
}

/// Who asks, and for which server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachRequest {
    /// The server; its ports carry it as device id.
    pub server_id: ServerId,
    /// The server's project.
    pub project_id: ProjectId,
    /// The caller is an administrator and may use any project's networks.
    pub is_admin: bool,
    /// Where the server runs.
    pub host_id: HostId,
    /// That host's name (`binding:host_id`).
    pub hostname: String,
    /// The guest's own host name (`dns_name`).
    pub guest_hostname: String,
    /// Availability zone, for `device_owner` = `compute:<zone>`.
    pub availability_zone: String,
    /// Interfaces in order.
    pub nics: Vec<RequestedNic>,
    /// Security groups of new ports; empty: the project's default group.
    pub security_groups: Vec<SecurityGroupId>,
}

/// A server's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedPort {
    /// The port.
    pub id: PortId,
    /// Its network.
    pub network_id: NetworkId,
    /// That network's name.
    pub network_name: String,
    /// Hardware address.
    pub mac: String,
    /// Its own addresses.
    pub fixed_ips: Vec<IpAddr>,
    /// Floating addresses, each with the fixed one that it is for.
    pub floating_ips: Vec<(IpAddr, IpAddr)>,
    /// `ACTIVE`, `DOWN`, ...
    pub status: String,
    /// Its security groups, id and name.
    pub security_groups: Vec<(SecurityGroupId, String)>,
    /// Subnets of `fixed_ips`, in their order.
    pub subnet_ids: Vec<controller_base::id::SubnetId>,
}

/// Why interfaces cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// No such network for this project.
    #[error("network {0} could not be found")]
    NetworkNotFound(NetworkId),
    /// No such port for this project.
    #[error("port {0} could not be found")]
    PortNotFound(PortId),
    /// Another device has the port.
    #[error("port {0} is still in use")]
    PortInUse(PortId),
    /// The network has no subnet.
    #[error("network {0} requires a subnet in order to boot instances on")]
    NoSubnet(NetworkId),
    /// Tenants may not attach servers to an external network directly.
    #[error("it is not allowed to create an interface on external network {0}")]
    External(NetworkId),
    /// The address is taken.
    #[error("fixed IP address {0} is already in use")]
    AddressInUse(IpAddr),
    /// The address lies in no subnet of the network.
    #[error("fixed IP address {0} is not a valid ip address for the network")]
    AddressInvalid(IpAddr),
    /// The subnet has no address left.
    #[error("no fixed IP addresses available for network {0}")]
    Exhausted(NetworkId),
    /// No such group for this project.
    #[error("security group {0} not found")]
    SecurityGroupNotFound(String),
    /// Several groups of the project have this name.
    #[error("multiple security groups found matching '{0}'")]
    SecurityGroupAmbiguous(String),
    /// Without a request, the project's networks leave no single choice.
    #[error("multiple possible networks found, use a network id to be more specific")]
    Ambiguous,
    /// The project's port quota is used up.
    #[error("maximum number of ports exceeded")]
    QuotaExceeded,
    /// Something else changed at the same time; it may succeed when it is tried again at once.
    #[error("the network was changed by others at the same time")]
    Collided,
    /// The service failed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Implemented by network.
#[async_trait]
pub trait Networks: Send + Sync {
    /// What a server without requested networks gets: the project's only network (its own or shared, not external), or none
    /// when it has none; [`AttachError::Ambiguous`] when there are several.
    async fn default_nics(&self, project: &ProjectId) -> Result<Vec<RequestedNic>, AttachError>;
    /// Whether the interfaces could be had; nothing is changed. Called before a server is accepted. Gives the physical networks that
    /// its host must be wired to.
    async fn check(
        &self,
        project: &ProjectId,
        is_admin: bool,
        nics: &[RequestedNic],
    ) -> Result<BTreeSet<String>, AttachError>;
    /// Ids of the project's security groups, given by id or name.
    async fn security_groups(
        &self,
        project: &ProjectId,
        wanted: &[String],
    ) -> Result<Vec<SecurityGroupId>, AttachError>;
    /// Makes or takes the ports and binds them to the host. Repeating it with the same server gives the same ports. Gives the
    /// transaction back; after an error all that was done in it is undone.
    async fn attach(&self, tx: Tx, request: &AttachRequest) -> Result<Tx, AttachError>;
    /// Deletes the ports that `attach` made and frees those that it took. Repeating it is harmless.
    async fn detach(&self, server: ServerId) -> Result<(), Unavailable>;
    /// Deletes or frees one port of a server.
    async fn detach_port(&self, server: ServerId, port: PortId) -> Result<(), AttachError>;
    /// The ports of servers, each server's in the order of its interfaces. A server without ports is missing.
    async fn ports_of(&self, servers: &[ServerId]) -> Result<HashMap<ServerId, Vec<AttachedPort>>, Unavailable>;
    /// Marks a server's ports `ACTIVE`: its guest runs.
    async fn set_active(&self, tx: &mut Tx, server: ServerId) -> Result<(), Unavailable>;
    /// Adds or removes a security group on all of a server's ports.
    async fn change_security_group(
        &self,
        project: &ProjectId,
        server: ServerId,
        group: &str,
        add: bool,
    ) -> Result<(), AttachError>;
    /// Those servers that have a port with an address matching this regular expression.
    async fn servers_with_address(&self, pattern: &str, ipv6: bool) -> Result<Vec<ServerId>, Unavailable>;
}
