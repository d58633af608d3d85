//! Who may do what: Neutron's rule names with its secure defaults.
//!
//! A target has the thing's `project_id`, `shared` (the thing's or its network's), `router:external`, `network:project_id` for what
//! lies in a network, and `network_device` for ports whose owner is one of the network's own kinds.

use controller_web::RuleDefault;

macro_rules! admin {
    () => {
        "rule:admin_only"
    };
}
macro_rules! member {
    () => {
        "rule:admin_only or (role:member and project_id:%(project_id)s)"
    };
}
macro_rules! reader {
    () => {
        "rule:admin_only or (role:reader and project_id:%(project_id)s)"
    };
}
macro_rules! net_owner {
    () => {
        "rule:admin_only or (role:member and rule:network_owner)"
    };
}

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, description }
}

/// The rules.
pub const RULES: &[RuleDefault] = &[
    rule("context_is_admin", "role:admin", "Is an administrator"),
    rule("admin_only", "rule:context_is_admin", "Administrators only"),
    rule("context_is_advsvc", "role:advsvc", "Is another network service"),
    rule("network_owner", "project_id:%(network:project_id)s", "Owns the network that the thing lies in"),
    rule("shared", "True:%(shared)s", "The thing, or its network, is shared"),
    rule("external", "True:%(router:external)s", "The network is external"),
    rule("network_device", "True:%(network_device)s", "The port's device owner is one of the network's own kinds"),
    // Networks.
    rule("create_network", member!(), "Make a network"),
    rule("create_network:shared", admin!(), "Make a network that all projects may use"),
    rule("create_network:router:external", admin!(), "Make an external network"),
    rule("create_network:is_default", admin!(), "Make the default external network"),
    rule("create_network:port_security_enabled", member!(), "Say whether new ports are filtered"),
    rule("create_network:provider:network_type", admin!(), "Choose how hosts carry the network"),
    rule("create_network:provider:physical_network", admin!(), "Choose the physical network"),
    rule("create_network:provider:segmentation_id", admin!(), "Choose the VLAN or VNI"),
    rule(
        "get_network",
        concat!(reader!(), " or rule:shared or rule:external or rule:context_is_advsvc"),
        "See a network",
    ),
    rule("get_network:provider:network_type", admin!(), "See how hosts carry the network"),
    rule("get_network:provider:physical_network", admin!(), "See the physical network"),
    rule("get_network:provider:segmentation_id", admin!(), "See the VLAN or VNI"),
    rule("update_network", member!(), "Change a network"),
    rule("update_network:shared", admin!(), "Share a network, or no more"),
    rule("update_network:router:external", admin!(), "Make a network external, or no more"),
    rule("update_network:is_default", admin!(), "Make it the default external network"),
    rule("update_network:port_security_enabled", member!(), "Say whether new ports are filtered"),
    rule("update_network:provider:network_type", admin!(), "Change how hosts carry the network"),
    rule("update_network:provider:physical_network", admin!(), "Change the physical network"),
    rule("update_network:provider:segmentation_id", admin!(), "Change the VLAN or VNI"),
    rule("delete_network", member!(), "Remove a network"),
    rule("get_network_ip_availability", admin!(), "See how many addresses are left"),
    // Subnets.
    rule("create_subnet", net_owner!(), "Make a subnet"),
    rule("get_subnet", concat!(reader!(), " or rule:network_owner or rule:shared or rule:external"), "See a subnet"),
    rule("update_subnet", concat!(member!(), " or (role:member and rule:network_owner)"), "Change a subnet"),
    rule("delete_subnet", concat!(member!(), " or (role:member and rule:network_owner)"), "Remove a subnet"),
    // Ports.
    rule("create_port", member!(), "Make a port"),
    rule("create_port:network_id", concat!(member!(), " or rule:context_is_advsvc"), "Choose a port's network"),
    rule("create_port:device_id", concat!(member!(), " or rule:context_is_advsvc"), "Say what is plugged into a port"),
    rule(
        "create_port:device_owner",
        concat!("not rule:network_device or rule:context_is_advsvc or ", net_owner!()),
        "Say what kind of thing is plugged in",
    ),
    rule("create_port:mac_address", concat!("rule:context_is_advsvc or ", net_owner!()), "Choose a hardware address"),
    rule(
        "create_port:fixed_ips",
        concat!("rule:context_is_advsvc or rule:shared or ", net_owner!()),
        "Choose a port's addresses",
    ),
    rule("create_port:fixed_ips:ip_address", concat!("rule:context_is_advsvc or ", net_owner!()), "Choose an address"),
    rule(
        "create_port:fixed_ips:subnet_id",
        concat!("rule:context_is_advsvc or rule:shared or ", net_owner!()),
        "Choose the subnet of an address",
    ),
    rule(
        "create_port:port_security_enabled",
        concat!("rule:context_is_advsvc or ", net_owner!()),
        "Say whether a port is filtered",
    ),
    rule("create_port:allowed_address_pairs", net_owner!(), "Let a port use further addresses"),
    rule("create_port:binding:host_id", admin!(), "Say on which host a port is"),
    rule("create_port:binding:profile", admin!(), "Note down a port's profile"),
    rule("create_port:binding:vnic_type", member!(), "Choose the kind of card"),
    rule("get_port", concat!(reader!(), " or rule:network_owner or rule:context_is_advsvc"), "See a port"),
    rule("get_port:binding:host_id", admin!(), "See on which host a port is"),
    rule("get_port:binding:profile", admin!(), "See a port's profile"),
    rule("get_port:binding:vif_type", admin!(), "See how a port is plugged in"),
    rule("get_port:binding:vif_details", admin!(), "See details of how a port is plugged in"),
    rule("update_port", concat!(member!(), " or rule:context_is_advsvc"), "Change a port"),
    rule("update_port:device_id", concat!(member!(), " or rule:context_is_advsvc"), "Say what is plugged in"),
    rule(
        "update_port:device_owner",
        concat!("not rule:network_device or rule:context_is_advsvc or ", net_owner!()),
        "Say what kind of thing is plugged in",
    ),
    rule("update_port:mac_address", concat!("rule:context_is_advsvc or ", admin!()), "Change a hardware address"),
    rule(
        "update_port:fixed_ips",
        concat!("rule:context_is_advsvc or rule:shared or ", net_owner!()),
        "Change a port's addresses",
    ),
    rule("update_port:fixed_ips:ip_address", concat!("rule:context_is_advsvc or ", net_owner!()), "Choose an address"),
    rule(
        "update_port:fixed_ips:subnet_id",
        concat!("rule:context_is_advsvc or rule:shared or ", net_owner!()),
        "Choose the subnet of an address",
    ),
    rule(
        "update_port:port_security_enabled",
        concat!("rule:context_is_advsvc or ", net_owner!()),
        "Say whether a port is filtered",
    ),
    rule("update_port:allowed_address_pairs", net_owner!(), "Let a port use further addresses"),
    rule("update_port:binding:host_id", admin!(), "Say on which host a port is"),
    rule("update_port:binding:profile", admin!(), "Note down a port's profile"),
    rule("update_port:binding:vnic_type", concat!(member!(), " or rule:context_is_advsvc"), "Choose the kind of card"),
    rule(
        "delete_port",
        concat!(member!(), " or rule:context_is_advsvc or (role:member and rule:network_owner)"),
        "Remove a port",
    ),
    // Routers.
    rule("create_router", member!(), "Make a router"),
    rule("create_router:external_gateway_info", member!(), "Give a router a gateway"),
    rule("create_router:external_gateway_info:network_id", member!(), "Choose the gateway's network"),
    rule("create_router:external_gateway_info:enable_snat", admin!(), "Choose whether addresses are hidden"),
    rule("create_router:external_gateway_info:external_fixed_ips", admin!(), "Choose the gateway's addresses"),
    rule("get_router", reader!(), "See a router"),
    rule("update_router", member!(), "Change a router"),
    rule("update_router:external_gateway_info", member!(), "Change a router's gateway"),
    rule("update_router:external_gateway_info:network_id", member!(), "Change the gateway's network"),
    rule("update_router:external_gateway_info:enable_snat", admin!(), "Change whether addresses are hidden"),
    rule("update_router:external_gateway_info:external_fixed_ips", admin!(), "Change the gateway's addresses"),
    rule("delete_router", member!(), "Remove a router"),
    rule("add_router_interface", member!(), "Join a subnet to a router"),
    rule("remove_router_interface", member!(), "Part a subnet from a router"),
    // Floating IPs.
    rule("create_floatingip", member!(), "Take a floating IP"),
    rule("create_floatingip:floating_ip_address", admin!(), "Choose the floating address"),
    rule("get_floatingip", reader!(), "See a floating IP"),
    rule("update_floatingip", member!(), "Lend a floating IP"),
    rule("delete_floatingip", member!(), "Give a floating IP back"),
    // Security groups.
    rule("create_security_group", member!(), "Make a security group"),
    rule("get_security_group", reader!(), "See a security group"),
    rule("update_security_group", member!(), "Change a security group"),
    rule("delete_security_group", member!(), "Remove a security group"),
    rule("create_security_group_rule", member!(), "Make a rule"),
    rule("get_security_group_rule", reader!(), "See a rule"),
    rule("delete_security_group_rule", member!(), "Remove a rule"),
    rule("get_agent", admin!(), "See agents"),
    // Quotas.
    rule("get_quota", reader!(), "See a project's quotas"),
    rule("get_quotas", admin!(), "See all projects' quotas"),
    rule("update_quota", admin!(), "Change a project's quotas"),
    rule("delete_quota", admin!(), "Give a project the default quotas"),
];
