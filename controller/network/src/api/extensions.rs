//! What this service offers beyond Neutron's core. Clients ask before they use a thing: only what works stands here.

use crate::error::Error;
use axum::extract::Path;
use controller_web::{ApiError, Context, Json, Target};
use serde_json::{Value, json};

/// Alias, name, description, date of the extension's definition.
const EXTENSIONS: &[(&str, &str, &str, &str)] = &[
    ("allowed-address-pairs", "Allowed Address Pairs", "Provides allowed address pairs", "2013-07-23T10:00:00-00:00"),
    (
        "binding",
        "Port Binding",
        "Expose port bindings of a virtual port to external application",
        "2014-02-03T10:00:00-00:00",
    ),
    ("dns-integration", "DNS Integration", "Names of ports, networks and floating IPs", "2015-08-15T18:00:00-00:00"),
    (
        "ext-gw-mode",
        "Neutron L3 Configurable external gateway mode",
        "Router gateways with and without SNAT",
        "2013-03-28T10:00:00-00:00",
    ),
    (
        "external-net",
        "Neutron external network",
        "Adds external network attribute to network resource",
        "2013-01-14T10:00:00-00:00",
    ),
    (
        "extra_dhcp_opt",
        "Neutron Extra DHCP options",
        "Extra options configuration for DHCP",
        "2013-03-17T12:00:00-00:00",
    ),
    ("extraroute", "Neutron Extra Route", "Static routes of routers", "2013-02-01T10:00:00-00:00"),
    ("filter-validation", "Filter parameters validation", "Validates filter parameters", "2018-03-21T10:00:00-00:00"),
    (
        "fip-port-details",
        "Floating IP Port Details Extension",
        "Adds port_details to floating IPs",
        "2018-04-09T10:00:00-00:00",
    ),
    (
        "ip-substring-filtering",
        "IP address substring filtering",
        "Filters ports by a part of an address",
        "2017-11-28T09:00:00-00:00",
    ),
    ("net-mtu", "Network MTU", "Provides MTU attribute for a network resource", "2015-03-25T10:00:00-00:00"),
    (
        "net-mtu-writable",
        "Network MTU (writable)",
        "Provides a writable MTU attribute for a network resource",
        "2017-07-12T00:00:00-00:00",
    ),
    (
        "network-ip-availability",
        "Network IP Availability",
        "Provides IP availability data for each network and subnet",
        "2015-09-24T00:00:00-00:00",
    ),
    ("pagination", "Pagination support", "Lists in pages", "2016-06-12T00:00:00-00:00"),
    (
        "port-mac-address-regenerate",
        "Neutron Port MAC address regenerate",
        "Hardware addresses of ports are chosen by the service",
        "2018-05-03T10:00:00-00:00",
    ),
    ("port-security", "Port Security", "Provides port security", "2012-07-23T10:00:00-00:00"),
    ("project-id", "project_id field enabled", "Names the owner project_id as well", "2016-09-09T09:09:09-09:09"),
    (
        "provider",
        "Provider Network",
        "Expose mapping of virtual networks to physical networks",
        "2012-09-07T10:00:00-00:00",
    ),
    (
        "quota_details",
        "Quota details management support",
        "Expose functions for quotas usage statistics per project",
        "2017-02-10T10:00:00-00:00",
    ),
    (
        "quotas",
        "Quota management support",
        "Expose functions for quotas management per project",
        "2012-07-29T10:00:00-00:00",
    ),
    (
        "revision-if-match",
        "If-Match constraints based on revision_number",
        "Honours the revision number in If-Match headers",
        "2016-12-11T00:00:00-00:00",
    ),
    (
        "router",
        "Neutron L3 Router",
        "Router abstraction for basic L3 forwarding between L2 Neutron networks and access to external networks via a NAT gateway",
        "2012-07-20T10:00:00-00:00",
    ),
    ("security-group", "security-group", "The security groups extension", "2012-10-05T10:00:00-00:00"),
    (
        "security-groups-normalized-cidr",
        "Normalized CIDR field for security group rules",
        "Adds normalized_cidr to rules",
        "2019-11-13T00:00:00-00:00",
    ),
    ("sorting", "Sorting support", "Lists in order", "2016-06-12T00:00:00-00:00"),
    (
        "standard-attr-description",
        "standard-attr-description",
        "Descriptions of resources",
        "2016-02-10T10:00:00-00:00",
    ),
    (
        "standard-attr-revisions",
        "Resource revision numbers",
        "Revision numbers of resources",
        "2016-04-11T10:00:00-00:00",
    ),
    (
        "standard-attr-tag",
        "Tag support for resources with standard attributes",
        "Tags on resources",
        "2017-01-01T00:00:00-00:00",
    ),
    ("standard-attr-timestamp", "Resource timestamps", "Times of creation and change", "2016-09-12T10:00:00-00:00"),
    (
        "stateful-security-group",
        "Stateful security group",
        "Security groups with and without state",
        "2019-11-26T09:00:00-00:00",
    ),
    (
        "subnet-external-network",
        "Subnet belongs to an external network",
        "Tells of subnets whether their network is external",
        "2022-12-01T00:00:00-00:00",
    ),
    (
        "subnet-service-types",
        "Subnet service types",
        "Subnets for some device owners only",
        "2016-03-15T18:00:00-00:00",
    ),
];

fn render(&(alias, name, description, updated): &(&str, &str, &str, &str)) -> Value {
    json!({"alias": alias, "name": name, "description": description, "updated": updated, "links": []})
}

/// GET /v2.0/agents: there are none, every host serves its own guests. Whoever may not see any sees none either.
pub async fn agents(context: Context) -> Json<Value> {
    let _ = context.allows("get_agent", &Target::none());
    Json(json!({"agents": []}))
}

/// GET /v2.0/extensions
pub async fn list() -> Json<Value> {
    Json(json!({"extensions": EXTENSIONS.iter().map(render).collect::<Vec<_>>()}))
}

/// GET /v2.0/extensions/{alias}
pub async fn show(Path(alias): Path<String>) -> Result<Json<Value>, ApiError> {
    let found = EXTENSIONS.iter().find(|extension| extension.0 == alias);
    let found = found.ok_or(Error::ExtensionNotFound(alias))?;
    Ok(Json(json!({"extension": render(found)})))
}
