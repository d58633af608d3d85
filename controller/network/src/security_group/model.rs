//! Security groups and their rules.

use crate::standard::Standard;
use controller_base::id::{SecurityGroupId, SecurityGroupRuleId};
use ipnet::IpNet;

/// The name of the group that every project has.
pub const DEFAULT: &str = "default";

/// A security group.
#[derive(Clone, Debug, PartialEq)]
pub struct SecurityGroup {
    /// Its id.
    pub id: SecurityGroupId,
    /// Owner, name, times.
    pub standard: Standard,
    /// Whether answers pass by themselves.
    pub stateful: bool,
    /// Its rules, oldest first.
    pub rules: Vec<Rule>,
}

/// What a group lets through.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its id.
    pub id: SecurityGroupRuleId,
    /// Owner, description, times; its name stays empty.
    pub standard: Standard,
    /// Its group.
    pub group_id: SecurityGroupId,
    /// Towards the guest.
    pub ingress: bool,
    /// IPv6 instead of IPv4.
    pub ipv6: bool,
    /// As the tenant named it; `None`: any.
    pub protocol: Option<String>,
    /// First port, or ICMP type.
    pub port_min: Option<u16>,
    /// Last port, or ICMP code.
    pub port_max: Option<u16>,
    /// Only these addresses of the other side.
    pub remote_prefix: Option<IpNet>,
    /// Only this group's ports on the other side.
    pub remote_group_id: Option<SecurityGroupId>,
}

impl Rule {
    /// `ingress` or `egress`.
    #[must_use]
    pub fn direction(&self) -> &'static str {
        if self.ingress { "ingress" } else { "egress" }
    }
    /// `IPv4` or `IPv6`.
    #[must_use]
    pub fn ethertype(&self) -> &'static str {
        if self.ipv6 { "IPv6" } else { "IPv4" }
    }
    /// Whether both let the same through.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let any = |prefix: Option<IpNet>| prefix.filter(|prefix| prefix.prefix_len() > 0).map(|prefix| prefix.trunc());
        self.group_id == other.group_id
            && self.ingress == other.ingress
            && self.ipv6 == other.ipv6
            && self.protocol_number() == other.protocol_number()
            && self.port_min == other.port_min
            && self.port_max == other.port_max
            && any(self.remote_prefix) == any(other.remote_prefix)
            && self.remote_group_id == other.remote_group_id
    }
    /// The protocol by IANA's number.
    #[must_use]
    pub fn protocol_number(&self) -> Option<u8> {
        let number = super::protocol::number(self.protocol.as_deref()?, self.ipv6)?;
        // Neutron's word for "any" is also the number 0 of IPv4, which no packet carries.
        (number != 0 || self.ipv6).then_some(number)
    }
}
