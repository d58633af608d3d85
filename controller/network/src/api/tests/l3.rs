use super::kind;
use crate::testing::{Cloud, clouds, text};
use serde_json::{Value, json};

async fn floating(cloud: &Cloud, body: Value) -> (u16, Value) {
    cloud.post("member", "/v2.0/floatingips", json!({"floatingip": body})).await
}

#[tokio::test]
async fn a_router_joins_subnets_and_the_outside() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let (external, outer) = cloud.external().await;
        let router = cloud.routed(&subnet, &external).await;
        let path = format!("/v2.0/routers/{router}");
        let (_, shown) = cloud.get("member", &path).await;
        let info = &shown["router"]["external_gateway_info"];
        assert_eq!((&info["network_id"], &info["enable_snat"]), (&json!(external), &json!(true)));
        assert_eq!(info["external_fixed_ips"][0]["subnet_id"], json!(outer));
        let (_, legs) = cloud.get("member", &format!("/v2.0/ports?device_id={router}")).await;
        assert_eq!(legs["ports"].as_array().map(Vec::len), Some(1), "the gateway's port is nobody's");
        let leg = &legs["ports"][0];
        assert_eq!(leg["device_owner"], "network:router_interface");
        assert_eq!(leg["fixed_ips"], json!([{"subnet_id": subnet, "ip_address": "10.0.0.1"}]));
        assert_eq!(kind(&cloud.delete("member", &path).await, 409), "RouterInUse");
        assert_eq!(
            kind(&cloud.delete("member", &format!("/v2.0/ports/{}", text(&leg["id"]))).await, 409),
            "ServicePortInUse"
        );
        assert_eq!(kind(&cloud.delete("member", &format!("/v2.0/networks/{network}")).await, 409), "NetworkInUse");
        let again = cloud.put("member", &format!("{path}/add_router_interface"), json!({"subnet_id": subnet})).await;
        assert_eq!(kind(&again, 400), "BadRequest");
        let gone = cloud.put("member", &format!("{path}/remove_router_interface"), json!({"subnet_id": subnet})).await;
        assert_eq!((gone.0, &gone.1["subnet_ids"]), (200, &json!([subnet])));
        let gone = cloud.put("member", &format!("{path}/remove_router_interface"), json!({"subnet_id": subnet})).await;
        assert_eq!(kind(&gone, 404), "RouterInterfaceNotFoundForSubnet");
        assert_eq!(cloud.delete("member", &path).await.0, 204);
        let (_, left) = cloud.get("admin", &format!("/v2.0/ports?network_id={external}")).await;
        assert_eq!(left["ports"], json!([]));
    }
}

#[tokio::test]
async fn legs_by_port_and_their_overlaps() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let (_, overlapping) = cloud.network("member", "10.0.0.0/16").await;
        let router = text(&cloud.make("member", "routers", "router", json!({"name": "r"})).await["id"]);
        let add = format!("/v2.0/routers/{router}/add_router_interface");
        let port = json!({"network_id": network, "fixed_ips": [{"ip_address": "10.0.0.5"}]});
        let port = text(&cloud.make("member", "ports", "port", port).await["id"]);
        let (status, answer) = cloud.put("member", &add, json!({"port_id": port})).await;
        assert_eq!((status, &answer["subnet_id"]), (200, &json!(subnet)), "{answer}");
        assert_eq!(kind(&cloud.put("member", &add, json!({"port_id": port})).await, 409), "PortInUse");
        let answer = cloud.put("member", &add, json!({"subnet_id": overlapping})).await;
        assert_eq!(kind(&answer, 400), "BadRequest");
        assert!(text(&answer.1["NeutronError"]["message"]).contains("overlaps with cidr"));
        assert_eq!(kind(&cloud.put("member", &add, json!({})).await, 400), "BadRequest");
        assert_eq!(kind(&cloud.put("member", &add, json!({"subnet_id": "x"})).await, 400), "HTTPBadRequest");
        assert_eq!(kind(&cloud.put("other", &add, json!({"subnet_id": subnet})).await, 404), "RouterNotFound");
        let routes = |hop: &str| json!({"router": {"routes": [{"destination": "192.0.2.0/24", "nexthop": hop}]}});
        let path = format!("/v2.0/routers/{router}");
        assert_eq!(kind(&cloud.put("member", &path, routes("172.16.0.1")).await, 400), "InvalidRoutes");
        let (status, answer) = cloud.put("member", &path, routes("10.0.0.77")).await;
        assert_eq!((status, &answer["router"]["routes"][0]["nexthop"]), (200, &json!("10.0.0.77")));
        let remove = format!("/v2.0/routers/{router}/remove_router_interface");
        assert_eq!(
            kind(&cloud.put("member", &remove, json!({"port_id": port})).await, 409),
            "RouterInterfaceInUseByRoute"
        );
    }
}

#[tokio::test]
async fn a_gateway_is_set_moved_and_cleared() {
    for cloud in clouds().await {
        let (external, outer) = cloud.external().await;
        let (inner, _) = cloud.network("member", "10.0.0.0/24").await;
        let router = text(&cloud.make("member", "routers", "router", json!({})).await["id"]);
        let path = format!("/v2.0/routers/{router}");
        let info = |info: Value| json!({"router": {"external_gateway_info": info}});
        assert_eq!(kind(&cloud.put("member", &path, info(json!({"network_id": inner}))).await, 400), "BadRequest");
        let closed = info(json!({"network_id": external, "enable_snat": false}));
        assert_eq!(kind(&cloud.put("member", &path, closed.clone()).await, 403), "PolicyNotAuthorized");
        let (status, answer) = cloud.put("admin", &path, closed).await;
        assert_eq!((status, &answer["router"]["external_gateway_info"]["enable_snat"]), (200, &json!(false)));
        let moved =
            json!({"network_id": external, "external_fixed_ips": [{"subnet_id": outer, "ip_address": "203.0.113.77"}]});
        let (_, answer) = cloud.put("admin", &path, info(moved)).await;
        let fixed = &answer["router"]["external_gateway_info"]["external_fixed_ips"];
        assert_eq!(fixed, &json!([{"subnet_id": outer, "ip_address": "203.0.113.77"}]));
        assert_eq!(
            kind(
                &cloud
                    .put("admin", &format!("/v2.0/networks/{external}"), json!({"network": {"router:external": false}}))
                    .await,
                409
            ),
            "ExternalNetworkInUse"
        );
        let (_, answer) = cloud.put("member", &path, info(json!({}))).await;
        assert_eq!(answer["router"]["external_gateway_info"], Value::Null);
        assert_eq!(cloud.delete("admin", &format!("/v2.0/networks/{external}")).await.0, 204);
    }
}

#[tokio::test]
async fn a_floating_ip_is_lent_and_taken_back() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let (external, _) = cloud.external().await;
        let port = cloud.make("member", "ports", "port", json!({"network_id": network})).await;
        let (port, address) = (text(&port["id"]), text(&port["fixed_ips"][0]["ip_address"]));
        let unreachable = floating(&cloud, json!({"floating_network_id": external, "port_id": port})).await;
        assert_eq!(kind(&unreachable, 404), "ExternalGatewayForFloatingIPNotFound");
        assert_eq!(kind(&floating(&cloud, json!({"floating_network_id": network})).await, 400), "BadRequest");
        let router = cloud.routed(&subnet, &external).await;
        let (status, made) = floating(&cloud, json!({"floating_network_id": external})).await;
        assert_eq!((status, &made["floatingip"]["status"]), (201, &json!("DOWN")), "{made}");
        let path = format!("/v2.0/floatingips/{}", text(&made["floatingip"]["id"]));
        let (status, lent) = cloud.put("member", &path, json!({"floatingip": {"port_id": port}})).await;
        assert_eq!(status, 200, "{lent}");
        let lent = &lent["floatingip"];
        assert_eq!(
            (&lent["status"], &lent["fixed_ip_address"], &lent["router_id"]),
            (&json!("ACTIVE"), &json!(address), &json!(router))
        );
        assert_eq!(lent["port_details"]["network_id"], json!(network));
        let second = floating(&cloud, json!({"floating_network_id": external, "port_id": port})).await;
        assert_eq!(kind(&second, 409), "FloatingIPPortAlreadyAssociated");
        let remove = format!("/v2.0/routers/{router}/remove_router_interface");
        let needed = cloud.put("member", &remove, json!({"subnet_id": subnet})).await;
        assert_eq!(kind(&needed, 409), "RouterInterfaceInUseByFloatingIP");
        let clear = json!({"router": {"external_gateway_info": {}}});
        let needed = cloud.put("member", &format!("/v2.0/routers/{router}"), clear).await;
        assert_eq!(kind(&needed, 409), "RouterExternalGatewayInUseByFloatingIp");
        let (_, freed) = cloud.put("member", &path, json!({"floatingip": {"port_id": null}})).await;
        assert_eq!((&freed["floatingip"]["status"], &freed["floatingip"]["port_id"]), (&json!("DOWN"), &Value::Null));
        cloud.put("member", &path, json!({"floatingip": {"port_id": port}})).await;
        assert_eq!(cloud.delete("member", &format!("/v2.0/ports/{port}")).await.0, 204);
        let (_, freed) = cloud.get("member", &path).await;
        assert_eq!((&freed["floatingip"]["status"], &freed["floatingip"]["router_id"]), (&json!("DOWN"), &Value::Null));
        assert_eq!(cloud.delete("member", &path).await.0, 204);
        let (_, left) = cloud.get("admin", "/v2.0/ports?device_owner=network:floatingip").await;
        assert_eq!(left["ports"], json!([]));
        assert_eq!(cloud.service.audit().await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_floating_ip_names_its_inner_address() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let (external, _) = cloud.external().await;
        cloud.routed(&subnet, &external).await;
        let fixed = json!([{"ip_address": "10.0.0.8"}, {"ip_address": "10.0.0.9"}]);
        let port = cloud.make("member", "ports", "port", json!({"network_id": network, "fixed_ips": fixed})).await;
        let port = text(&port["id"]);
        let ask = |address: Option<&str>| json!({"floating_network_id": external, "port_id": port, "fixed_ip_address": address});
        assert_eq!(kind(&floating(&cloud, ask(None)).await, 400), "BadRequest");
        assert_eq!(kind(&floating(&cloud, ask(Some("10.0.0.10"))).await, 400), "BadRequest");
        for address in ["10.0.0.8", "10.0.0.9"] {
            let (status, answer) = floating(&cloud, ask(Some(address))).await;
            assert_eq!((status, &answer["floatingip"]["fixed_ip_address"]), (201, &json!(address)));
        }
        let (_, answer) = cloud
            .put("member", &format!("/v2.0/ports/{port}"), json!({"port": {"fixed_ips": [{"ip_address": "10.0.0.9"}]}}))
            .await;
        assert_eq!(answer["port"]["fixed_ips"].as_array().map(Vec::len), Some(1));
        let (_, lent) = cloud.get("member", &format!("/v2.0/floatingips?port_id={port}")).await;
        assert_eq!(lent["floatingips"].as_array().map(Vec::len), Some(1));
        // One that is free: it was just given back.
        let (_, given) = floating(&cloud, json!({"floating_network_id": external})).await;
        let (id, free) = (text(&given["floatingip"]["id"]), given["floatingip"]["floating_ip_address"].clone());
        cloud.delete("member", &format!("/v2.0/floatingips/{id}")).await;
        let chosen = json!({"floating_network_id": external, "floating_ip_address": free});
        assert_eq!(kind(&floating(&cloud, chosen.clone()).await, 403), "PolicyNotAuthorized");
        let (status, answer) = cloud.post("admin", "/v2.0/floatingips", json!({"floatingip": chosen})).await;
        assert_eq!((status, &answer["floatingip"]["floating_ip_address"]), (201, &free));
    }
}

#[tokio::test]
async fn idle_floating_ips_go_with_their_network() {
    for cloud in clouds().await {
        let (external, _) = cloud.external().await;
        let idle = cloud.make("member", "floatingips", "floatingip", json!({"floating_network_id": external})).await;
        assert_eq!(cloud.delete("admin", &format!("/v2.0/networks/{external}")).await.0, 204);
        let gone = cloud.get("member", &format!("/v2.0/floatingips/{}", text(&idle["id"]))).await;
        assert_eq!(kind(&gone, 404), "FloatingIPNotFound");
    }
}
