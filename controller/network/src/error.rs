//! What can go wrong, in Neutron's words: the messages are part of the API, and the variants' names are its error types.
//!
//! To add one: a line under its class below. `{0}`, `{1}` are the parts that the variant carries.

use controller_db::DbError;

/// What a failure means for the caller, apart from its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The named thing is not there, or not for this caller.
    NotFound,
    /// The request makes no sense.
    BadRequest,
    /// Something that is there stands in the way.
    Conflict,
    /// The caller's roles do not suffice.
    Forbidden,
    /// The row changed since the caller saw it.
    PreconditionFailed,
    /// Nothing is left to hand out.
    Exhausted,
    /// The service itself failed.
    Internal,
}

macro_rules! errors {
    ($($class:ident { $($name:ident $(($($part:ty),+))? = $message:literal;)* })*) => {
        /// A failure.
        #[derive(Debug, thiserror::Error)]
        pub enum Error {
            $($(
                #[doc = $message]
                #[error($message)]
                $name $(($($part),+))?,
            )*)*
            /// The database failed.
            #[error("the database failed")]
            Database(#[from] DbError),
            /// Another service failed.
            #[error(transparent)]
            Unavailable(#[from] controller_ports::Unavailable),
        }

        impl Error {
            /// Neutron's name of the failure.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $($(errors!(@pattern $name $(($($part),+))?) => stringify!($name),)*)*
                    Self::Database(_) | Self::Unavailable(_) => "HTTPInternalServerError",
                }
            }

            /// What it means.
            #[must_use]
            pub fn class(&self) -> Class {
                match self {
                    $($(errors!(@pattern $name $(($($part),+))?) => Class::$class,)*)*
                    Self::Database(_) | Self::Unavailable(_) => Class::Internal,
                }
            }
        }
    };
    (@pattern $name:ident) => { Self::$name };
    (@pattern $name:ident ($($part:ty),+)) => { Self::$name(..) };
}

errors! {
    NotFound {
        NetworkNotFound(String) = "Network {0} could not be found.";
        SubnetNotFound(String) = "Subnet {0} could not be found.";
        PortNotFound(String) = "Port {0} could not be found.";
        RouterNotFound(String) = "Router {0} could not be found";
        FloatingIPNotFound(String) = "Floating IP {0} could not be found";
        SecurityGroupNotFound(String) = "Security group {0} does not exist";
        SecurityGroupRuleNotFound(String) = "Security group rule {0} does not exist";
        RouterInterfaceNotFound(String, String) = "Router {0} does not have an interface with id {1}";
        RouterInterfaceNotFoundForSubnet(String, String) = "Router {0} has no interface on subnet {1}";
        ExternalGatewayForFloatingIPNotFound(String, String, String) =
            "External network {0} is not reachable from subnet {1}.  Therefore, cannot associate Port {2} with a Floating IP.";
        TagNotFound(String) = "Tag {0} could not be found.";
        ExtensionNotFound(String) = "Extension with alias {0} does not exist";
        HTTPNotFound = "The resource could not be found.";
    }
    BadRequest {
        HTTPBadRequest(String) = "{0}";
        BadRequest(&'static str, String) = "Bad {0} request: {1}.";
        InvalidInput(String) = "Invalid input for operation: {0}.";
        InvalidIpForNetwork(String) = "IP address {0} is not a valid IP for any of the subnets on the specified network.";
        InvalidIpForSubnet(String) = "IP address {0} is not a valid IP for the specified subnet.";
        SubnetMismatchForPort(String, String) = "Subnet on port {0} does not match the requested subnet {1}.";
        InvalidAllocationPool(String) = "The allocation pool {0} is not valid.";
        OutOfBoundsAllocationPool(String, String) = "The allocation pool {0} spans beyond the subnet cidr {1}.";
        DNSNameServersExhausted(String, usize) =
            "Unable to complete operation for {0}. The number of DNS nameservers exceeds the limit {1}.";
        HostRoutesExhausted(String, usize) =
            "Unable to complete operation for {0}. The number of host routes exceeds the limit {1}.";
        ExternalIpAddressExhausted(String) = "Unable to find any IP address on external network {0}.";
        AllocationOnAutoAddressSubnet(String, String) =
            "IPv6 address {0} cannot be directly assigned to a port on subnet {1} as the subnet is configured for automatic addresses";
        AllowedAddressPairExhausted(usize) = "The number of allowed address pair exceeds the maximum {0}.";
        DuplicateAddressPairInRequest(String, String) =
            "Request contains duplicate address pair: mac_address {0} ip_address {1}.";
        PortSecurityAndIPRequiredForSecurityGroups =
            "Port security must be enabled and port must have an IP address in order to use security groups.";
        InvalidRoutes(String, String) = "Invalid format for routes: {0}, {1}";
        RoutesExhausted(String, usize) =
            "Unable to complete operation for {0}. The number of routes exceeds the maximum {1}.";
        SecurityGroupInvalidPortRange = "For TCP/UDP protocols, port_range_min must be <= port_range_max";
        SecurityGroupInvalidPortValue(String) = "Invalid value for port {0}";
        SecurityGroupInvalidIcmpValue(&'static str, &'static str, String) =
            "Invalid value for ICMP {0} ({1}) {2}. It must be 0 to 255.";
        SecurityGroupMissingIcmpType(String) =
            "ICMP code (port-range-max) {0} is provided but ICMP type (port-range-min) is missing.";
        SecurityGroupEthertypeConflictWithProtocol(String, String) = "Invalid ethertype {0} for protocol {1}.";
        SecurityGroupRuleInvalidProtocol(String, String) =
            "Security group rule protocol {0} not supported. Only protocol values [{1}] and integer representations [0 to 255] are supported.";
        SecurityGroupRuleInvalidEtherType(String) =
            "Security group rule for ethertype '{0}' not supported. Allowed values are ['IPv4', 'IPv6'].";
        SecurityGroupRemoteGroupAndRemoteIpPrefix = "Only remote_ip_prefix or remote_group_id may be provided.";
        SecurityGroupProtocolRequiredWithPorts = "Must also specify protocol if port range is given.";
        SecurityGroupRuleParameterConflict(String, String) = "Conflicting value ethertype {0} for CIDR {1}";
        NetworkRequiresSubnet(String) = "Network {0} requires a subnet in order to boot instances on.";
        TenantIdProjectIdFilterConflict = "Both tenant_id and project_id passed as filters.";
    }
    Forbidden {
        ExternalNetworkAttachForbidden(String) = "It is not allowed to create an interface on external network {0}";
    }
    PreconditionFailed {
        RevisionNumberConstraintFailed(String, i64) =
            "Constrained to {0}, but current revision is {1}";
    }
    Exhausted {
        NoNetworkAvailable = "Unable to create the network. No project network is available for allocation.";
        NetworkMacAddressGenerationFailure(String) = "Unable to generate unique mac on network {0}.";
    }
    Conflict {
        IpAddressGenerationFailure(String) = "No more IP addresses available on network {0}.";
        NetworkInUse(String, &'static str) = "Unable to complete operation on network {0}. {1}.";
        SubnetInUse(String, String) = "Unable to complete operation on subnet {0}: {1}.";
        PortInUse(String, String, String) =
            "Unable to complete operation on port {0} for network {1}. Port already has an attached device {2}.";
        PortBound(String, String, String) =
            "Unable to complete operation on port {0}, port is already bound, port type: tap, old_mac {1}, new_mac {2}.";
        ServicePortInUse(String, String) = "Port {0} cannot be deleted directly via the port API: {1}.";
        UnsupportedPortDeviceOwner(&'static str, String, String) =
            "Operation {0} is not supported for device_owner {1} on port {2}.";
        MacAddressInUse(String, String) =
            "Unable to complete operation for network {0}. The mac address {1} is in use.";
        IpAddressAlreadyAllocated(String, String) = "IP address {0} already allocated in subnet {1}";
        VlanIdInUse(String, String) = "Unable to create the network. The VLAN {0} on physical network {1} is in use.";
        TunnelIdInUse(String) = "Unable to create the network. The tunnel ID {0} is in use.";
        FlatNetworkInUse(String) = "Unable to create the flat network. Physical network {0} is in use.";
        OverlappingAllocationPools(String, String, String) =
            "Found overlapping allocation pools: {0} {1} for subnet {2}.";
        GatewayConflictWithAllocationPools(String, String) = "Gateway ip {0} conflicts with allocation pool {1}.";
        GatewayIpInUse(String, String) = "Current gateway ip {0} already in use by port {1}. Unable to update.";
        InvalidSharedSetting(String) =
            "Unable to reconfigure sharing settings for network {0}. Multiple projects are using it.";
        ExternalNetworkInUse(String) =
            "External network {0} cannot be updated to be made non-external, since it has existing gateway ports.";
        OverQuota(String) = "Quota exceeded for resources: {0}.";
        RouterInUse(String, String) = "Router {0} {1}";
        RouterInterfaceInUseByFloatingIP(String, String) =
            "Router interface for subnet {0} on router {1} cannot be deleted, as it is required by one or more floating IPs.";
        RouterInterfaceInUseByRoute(String, String) =
            "Router interface for subnet {0} on router {1} cannot be deleted, as it is required by one or more routes.";
        RouterExternalGatewayInUseByFloatingIp(String, String) =
            "Gateway cannot be updated for router {0}, since a gateway to external network {1} is required by one or more floating IPs.";
        FloatingIPPortAlreadyAssociated(String, String, String, String, String) =
            "Cannot associate floating IP {0} ({1}) with port {2} using fixed IP {3}, as that fixed IP already has a floating IP on external network {4}.";
        AddressPairAndPortSecurityRequired =
            "Port Security must be enabled in order to have allowed address pairs on a port.";
        PortSecurityPortHasSecurityGroup =
            "Port has security group associated. Cannot disable port security or IP address until security group is removed.";
        SecurityGroupInUse(String) = "Security Group {0} in use.";
        SecurityGroupCannotRemoveDefault = "Insufficient rights for removing default security group.";
        SecurityGroupCannotUpdateDefault = "Updating default security group not allowed.";
        SecurityGroupDefaultAlreadyExists = "Default security group already exists.";
        SecurityGroupRuleExists(String) = "Security group rule already exists. Rule id is {0}.";
        ConcurrentUpdate = "The resource was changed by another request at the same time. Please try again.";
    }
}

/// The crate's results.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_neutrons_name_and_words() {
        let error = Error::NetworkInUse("n".into(), "There are one or more ports still in use on the network");
        assert_eq!(error.kind(), "NetworkInUse");
        assert_eq!(error.class(), Class::Conflict);
        assert_eq!(
            error.to_string(),
            "Unable to complete operation on network n. There are one or more ports still in use on the network."
        );
    }
}
