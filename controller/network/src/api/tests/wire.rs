//! What bodies look like, whole: ids and times are replaced.

use super::kind;
use crate::testing::{Cloud, clouds, text};
use serde_json::{Value, json};

/// Replaces what differs from run to run.
fn steady(value: &Value, names: &[(&str, &str)]) -> Value {
    let mut shown = value.to_string();
    for (id, name) in names {
        shown = shown.replace(id, name);
    }
    serde_json::from_str(&shown).unwrap()
}

async fn show(cloud: &Cloud, token: &str, path: &str, name: &str) -> Value {
    cloud.get(token, path).await.1[name].clone()
}

const TIME: &str = "2026-09-21T14:13:20Z";

#[tokio::test]
async fn a_network_and_its_subnet() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let names = [(network.as_str(), "NET"), (subnet.as_str(), "SUB")];
        let body = show(&cloud, "admin", &format!("/v2.0/networks/{network}"), "network").await;
        let wanted = json!({
            "id": "NET", "name": "n", "admin_state_up": true, "status": "ACTIVE", "shared": false, "subnets": ["SUB"],
            "router:external": false, "port_security_enabled": true, "mtu": 1450, "dns_domain": "",
            "provider:network_type": "vxlan", "provider:physical_network": null, "provider:segmentation_id": 1,
            "availability_zone_hints": [], "availability_zones": [], "ipv4_address_scope": null, "ipv6_address_scope": null,
            "tenant_id": "p1", "project_id": "p1", "description": "", "tags": [], "created_at": TIME, "updated_at": TIME,
            "revision_number": 1,
        });
        assert_eq!(steady(&body, &names), wanted);
        let body = show(&cloud, "member", &format!("/v2.0/subnets/{subnet}"), "subnet").await;
        let wanted = json!({
            "id": "SUB", "name": "", "network_id": "NET", "ip_version": 4, "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.1",
            "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.254"}], "dns_nameservers": [], "host_routes": [],
            "enable_dhcp": true, "ipv6_ra_mode": null, "ipv6_address_mode": null, "subnetpool_id": null,
            "service_types": [], "dns_publish_fixed_ip": false, "router:external": false,
            "tenant_id": "p1", "project_id": "p1", "description": "", "tags": [], "created_at": TIME, "updated_at": TIME,
            "revision_number": 1,
        });
        assert_eq!(steady(&body, &names), wanted);
    }
}

#[tokio::test]
async fn a_port() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let body = json!({"network_id": network, "mac_address": "fa:16:3e:00:00:01", "fixed_ips": [{"ip_address": "10.0.0.5"}]});
        let port = cloud.make("member", "ports", "port", body).await;
        let (id, group) = (text(&port["id"]), text(&port["security_groups"][0]));
        let names =
            [(network.as_str(), "NET"), (subnet.as_str(), "SUB"), (id.as_str(), "PORT"), (group.as_str(), "GROUP")];
        let body = show(&cloud, "admin", &format!("/v2.0/ports/{id}"), "port").await;
        let wanted = json!({
            "id": "PORT", "name": "", "network_id": "NET", "mac_address": "fa:16:3e:00:00:01", "admin_state_up": true,
            "status": "DOWN", "device_id": "", "device_owner": "",
            "fixed_ips": [{"subnet_id": "SUB", "ip_address": "10.0.0.5"}], "allowed_address_pairs": [],
            "extra_dhcp_opts": [], "port_security_enabled": true, "security_groups": ["GROUP"], "binding:host_id": "",
            "binding:vnic_type": "normal", "binding:profile": {}, "binding:vif_type": "unbound", "binding:vif_details": {},
            "dns_name": "", "dns_assignment": [{"ip_address": "10.0.0.5", "hostname": "host-10-0-0-5",
                "fqdn": "host-10-0-0-5.openstacklocal."}],
            "tenant_id": "p1", "project_id": "p1", "description": "", "tags": [], "created_at": TIME, "updated_at": TIME,
            "revision_number": 1,
        });
        assert_eq!(steady(&body, &names), wanted);
    }
}

#[tokio::test]
async fn a_router_a_leg_and_a_floating_ip() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let (external, _) = cloud.external().await;
        let router = cloud.make("member", "routers", "router", json!({"name": "r"})).await;
        let router = text(&router["id"]);
        let add = format!("/v2.0/routers/{router}/add_router_interface");
        let (_, leg) = cloud.put("member", &add, json!({"subnet_id": subnet})).await;
        let port = text(&leg["port_id"]);
        let names =
            [(network.as_str(), "NET"), (subnet.as_str(), "SUB"), (router.as_str(), "ROUTER"), (port.as_str(), "PORT")];
        let wanted = json!({"id": "ROUTER", "tenant_id": "p1", "project_id": "p1", "port_id": "PORT", "network_id": "NET",
            "subnet_id": "SUB", "subnet_ids": ["SUB"], "tags": []});
        assert_eq!(steady(&leg, &names), wanted);
        let floating = json!({"floating_network_id": external});
        let floating = cloud.make("member", "floatingips", "floatingip", floating).await;
        let (id, address) = (text(&floating["id"]), text(&floating["floating_ip_address"]));
        let names = [(id.as_str(), "FIP"), (external.as_str(), "EXT"), (address.as_str(), "ADDRESS")];
        let wanted = json!({
            "id": "FIP", "floating_ip_address": "ADDRESS", "floating_network_id": "EXT", "router_id": null,
            "port_id": null, "fixed_ip_address": null, "status": "DOWN", "port_details": null, "dns_name": "",
            "dns_domain": "", "tenant_id": "p1", "project_id": "p1", "description": "", "tags": [], "created_at": TIME,
            "updated_at": TIME, "revision_number": 1,
        });
        assert_eq!(steady(&floating, &names), wanted);
    }
}

#[tokio::test]
async fn a_rule_of_a_group() {
    for cloud in clouds().await {
        let group = cloud.make("member", "security-groups", "security_group", json!({"name": "web"})).await;
        let (rule, id) = (&group["security_group_rules"][0], text(&group["id"]));
        let rule_id = text(&rule["id"]);
        let ethertype = text(&rule["ethertype"]);
        let wanted = json!({
            "id": "RULE", "security_group_id": "GROUP", "direction": "egress", "ethertype": ethertype, "protocol": null,
            "port_range_min": null, "port_range_max": null, "remote_ip_prefix": null, "normalized_cidr": null,
            "remote_group_id": null, "remote_address_group_id": null, "tenant_id": "p1", "project_id": "p1",
            "description": "", "tags": [], "created_at": TIME, "updated_at": TIME, "revision_number": 1,
        });
        assert_eq!(steady(rule, &[(rule_id.as_str(), "RULE"), (id.as_str(), "GROUP")]), wanted);
    }
}

#[tokio::test]
async fn errors_and_discovery() {
    for cloud in clouds().await {
        let (status, answer) = cloud.get("member", "/v2.0/networks/nine").await;
        let wanted = json!({"NeutronError": {"type": "NetworkNotFound", "message": "Network nine could not be found.", "detail": ""}});
        assert_eq!((status, answer), (404, wanted));
        let (status, answer) = cloud.get("", "/").await;
        let link = json!([{"rel": "self", "href": "http://cloud.test/v2.0/"}]);
        assert_eq!((status, answer), (200, json!({"versions": [{"id": "v2.0", "status": "CURRENT", "links": link}]})));
        let (_, answer) = cloud.get("", "/v2.0").await;
        assert_eq!(answer["resources"][1]["name"], "network");
        let (_, answer) = cloud.get("member", "/v2.0/extensions").await;
        let first = &answer["extensions"][0];
        let (_, shown) = cloud.get("member", &format!("/v2.0/extensions/{}", text(&first["alias"]))).await;
        assert_eq!(shown["extension"], *first);
        assert_eq!(kind(&cloud.get("member", "/v2.0/extensions/agent").await, 404), "ExtensionNotFound");
        assert_eq!(cloud.get("member", "/v2.0/agents").await, (200, json!({"agents": []})));
    }
}
