use super::kind;
use crate::testing::{Cloud, clouds, nic, request, text};
use controller_ports::network::Networks;
use serde_json::{Value, json};
use std::collections::HashSet;

async fn refused(cloud: &Cloud, body: Value, status: u16) -> String {
    kind(&cloud.post("member", "/v2.0/ports", json!({"port": body})).await, status)
}

#[tokio::test]
async fn a_port_gets_an_address_a_hardware_address_and_the_default_group() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let port = cloud.make("member", "ports", "port", json!({"network_id": network})).await;
        assert_eq!(port["fixed_ips"][0]["subnet_id"], json!(subnet));
        assert!(text(&port["mac_address"]).starts_with("fa:16:3e:"));
        assert_eq!(port["security_groups"].as_array().map(Vec::len), Some(1));
        assert_eq!(port["status"], "DOWN");
        assert!(port.get("binding:host_id").is_none());
        let (_, shown) = cloud.get("admin", &format!("/v2.0/ports/{}", text(&port["id"]))).await;
        assert_eq!(shown["port"]["binding:vif_type"], "unbound");
    }
}

#[tokio::test]
async fn addresses_are_given_once_and_run_out() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/29").await;
        let mut seen = HashSet::new();
        for _ in 0..5 {
            let port = cloud.make("member", "ports", "port", json!({"network_id": network})).await;
            assert!(seen.insert(text(&port["fixed_ips"][0]["ip_address"])));
        }
        assert!(!seen.contains("10.0.0.1"));
        let answer = cloud.post("member", "/v2.0/ports", json!({"port": {"network_id": network}})).await;
        assert_eq!(kind(&answer, 409), "IpAddressGenerationFailure");
        assert_eq!(
            answer.1["NeutronError"]["message"],
            format!("No more IP addresses available on network {network}.")
        );
    }
}

#[tokio::test]
async fn wanted_addresses_are_checked() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let with = |fixed: Value| json!({"network_id": network, "fixed_ips": fixed});
        let port = cloud.make("member", "ports", "port", with(json!([{"ip_address": "10.0.0.9"}]))).await;
        assert_eq!(port["fixed_ips"], json!([{"subnet_id": subnet, "ip_address": "10.0.0.9"}]));
        assert_eq!(refused(&cloud, with(json!([{"ip_address": "10.0.0.9"}])), 409).await, "IpAddressAlreadyAllocated");
        assert_eq!(refused(&cloud, with(json!([{"ip_address": "10.1.0.9"}])), 400).await, "InvalidIpForNetwork");
        assert_eq!(
            refused(&cloud, with(json!([{"ip_address": "10.1.0.9", "subnet_id": subnet}])), 400).await,
            "InvalidIpForSubnet"
        );
        assert_eq!(refused(&cloud, with(json!([{"subnet_id": network}])), 400).await, "InvalidInput");
        assert_eq!(refused(&cloud, with(json!("10.0.0.9")), 400).await, "HTTPBadRequest");
        assert_eq!(refused(&cloud, json!({"network_id": subnet}), 404).await, "NetworkNotFound");
        let path = format!("/v2.0/ports/{}", text(&port["id"]));
        let body = json!({"port": {"fixed_ips": [{"ip_address": "10.0.0.9"}, {"ip_address": "10.0.0.10"}]}});
        let (status, answer) = cloud.put("member", &path, body).await;
        assert_eq!((status, answer["port"]["fixed_ips"].as_array().map(Vec::len)), (200, Some(2)));
        let (_, answer) = cloud.put("member", &path, json!({"port": {"fixed_ips": []}})).await;
        assert_eq!(answer["port"]["fixed_ips"], json!([]));
        cloud.make("member", "ports", "port", with(json!([{"ip_address": "10.0.0.9"}]))).await;
    }
}

#[tokio::test]
async fn ports_form_their_own_ipv6_addresses() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        let early = cloud.make("member", "ports", "port", json!({"network_id": network})).await;
        let body = json!({"network_id": network, "cidr": "fd00::/64", "ip_version": 6, "ipv6_ra_mode": "slaac",
            "ipv6_address_mode": "slaac"});
        let subnet = text(&cloud.make("member", "subnets", "subnet", body).await["id"]);
        let body = json!({"network_id": network, "mac_address": "fa:16:3e:00:00:01"});
        let port = cloud.make("member", "ports", "port", body).await;
        assert_eq!(port["fixed_ips"][1], json!({"subnet_id": subnet, "ip_address": "fd00::f816:3eff:fe00:1"}));
        let (_, early) = cloud.get("member", &format!("/v2.0/ports/{}", text(&early["id"]))).await;
        assert_eq!(early["port"]["fixed_ips"][1]["subnet_id"], json!(subnet));
        let body = json!({"network_id": network, "fixed_ips": [{"ip_address": "fd00::9"}]});
        assert_eq!(refused(&cloud, body, 400).await, "AllocationOnAutoAddressSubnet");
        let body = json!({"network_id": network, "mac_address": "fa:16:3e:00:00:01"});
        assert_eq!(refused(&cloud, body, 409).await, "IpAddressAlreadyAllocated");
        assert_eq!(cloud.delete("member", &format!("/v2.0/subnets/{subnet}")).await.0, 204);
        let (_, port) = cloud.get("member", &format!("/v2.0/ports/{}", text(&port["id"]))).await;
        assert_eq!(port["port"]["fixed_ips"].as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn security_and_pairs_belong_together() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        let port = cloud.make("member", "ports", "port", json!({"network_id": network})).await;
        let path = format!("/v2.0/ports/{}", text(&port["id"]));
        let put = async |body: Value| cloud.put("member", &path, json!({"port": body})).await;
        assert_eq!(kind(&put(json!({"port_security_enabled": false})).await, 409), "PortSecurityPortHasSecurityGroup");
        let pairs = json!({"allowed_address_pairs": [{"ip_address": "10.0.0.0/24"}]});
        let (status, answer) = put(pairs.clone()).await;
        assert_eq!(status, 200);
        assert_eq!(
            answer["port"]["allowed_address_pairs"],
            json!([{"ip_address": "10.0.0.0/24", "mac_address": port["mac_address"]}])
        );
        let off = json!({"port_security_enabled": false, "security_groups": [], "allowed_address_pairs": []});
        assert_eq!(put(off).await.0, 200);
        assert_eq!(kind(&put(pairs).await, 409), "AddressPairAndPortSecurityRequired");
        assert_eq!(
            kind(&put(json!({"security_groups": port["security_groups"]})).await, 400),
            "PortSecurityAndIPRequiredForSecurityGroups"
        );
        let unknown = json!({"port_security_enabled": true, "security_groups": [network]});
        assert_eq!(kind(&put(unknown).await, 404), "SecurityGroupNotFound");
    }
}

#[tokio::test]
async fn dhcp_options_are_set_and_removed() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        let options = json!([{"opt_name": "mtu", "opt_value": "1400"}, {"opt_name": "26", "opt_value": "9"}]);
        let port =
            cloud.make("member", "ports", "port", json!({"network_id": network, "extra_dhcp_opts": options})).await;
        assert_eq!(port["extra_dhcp_opts"][0], json!({"opt_name": "mtu", "opt_value": "1400", "ip_version": 4}));
        let body = json!({"port": {"extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": null}]}});
        let (_, answer) = cloud.put("member", &format!("/v2.0/ports/{}", text(&port["id"])), body).await;
        assert_eq!(answer["port"]["extra_dhcp_opts"], json!([{"opt_name": "26", "opt_value": "9", "ip_version": 4}]));
    }
}

#[tokio::test]
async fn a_hardware_address_is_unique_within_its_network() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        let (other, _) = cloud.network("member", "10.0.0.0/24").await;
        let body = |network: &str| json!({"network_id": network, "mac_address": "fa:16:3e:00:00:01"});
        cloud.make("member", "ports", "port", body(&network)).await;
        assert_eq!(refused(&cloud, body(&network), 409).await, "MacAddressInUse");
        cloud.make("member", "ports", "port", body(&other)).await;
    }
}

#[tokio::test]
async fn nobody_plugs_into_anothers_router_or_server() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let router = text(&cloud.make("other", "routers", "router", json!({})).await["id"]);
        let leg = json!({"network_id": network, "device_owner": "network:router_interface", "device_id": router});
        assert_eq!(refused(&cloud, leg, 409).await, "UnsupportedPortDeviceOwner");
        let host = cloud.host();
        let (foreign, _) = cloud.network("other", "10.0.0.0/24").await;
        let mut victim = request(host, vec![nic(&foreign)]);
        victim.project_id = "p2".parse().unwrap();
        let ports = cloud.attach(&victim).await.unwrap();
        let false_claim =
            json!({"network_id": network, "device_owner": "compute:nova", "device_id": victim.server_id.to_string()});
        let port = text(&cloud.make("member", "ports", "port", false_claim).await["id"]);
        assert_eq!(cloud.service.ports_of(&[victim.server_id]).await.unwrap()[&victim.server_id], ports);
        let path = format!("/v2.0/ports/{port}");
        let leg = json!({"port": {"device_owner": "network:router_gateway", "device_id": router}});
        assert_eq!(kind(&cloud.put("member", &path, leg).await, 409), "UnsupportedPortDeviceOwner");
        let own = request(host, vec![nic(&network)]);
        let bound = cloud.attach(&own).await.unwrap()[0].id;
        let claim = json!({"port": {"device_id": victim.server_id.to_string()}});
        assert_eq!(kind(&cloud.put("member", &format!("/v2.0/ports/{bound}"), claim).await, 409), "PortInUse");
        let (external, outer) = cloud.external().await;
        let mine = text(&cloud.make("member", "routers", "router", json!({})).await["id"]);
        let add = format!("/v2.0/routers/{mine}/add_router_interface");
        assert_eq!(kind(&cloud.put("member", &add, json!({"subnet_id": outer})).await, 404), "SubnetNotFound");
        assert_eq!(cloud.put("member", &add, json!({"subnet_id": subnet})).await.0, 200);
        assert_eq!(cloud.get("member", &format!("/v2.0/networks/{external}")).await.0, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_get_different_addresses() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/27").await;
        let path = "/v2.0/ports";
        let made = (0..29).map(|_| cloud.post("member", path, json!({"port": {"network_id": network}})));
        let answers = futures::future::join_all(made).await;
        let addresses: HashSet<String> = answers
            .iter()
            .map(|(status, body)| {
                assert_eq!(*status, 201, "{body}");
                text(&body["port"]["fixed_ips"][0]["ip_address"])
            })
            .collect();
        assert_eq!(addresses.len(), 29);
    }
}
