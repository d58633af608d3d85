use super::{ids, kind};
use crate::{
    config::NetworkConfig,
    testing::{clouds, clouds_with, text},
};
use serde_json::json;

#[tokio::test]
async fn a_network_lives_and_goes_with_its_subnet() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let (status, answer) = cloud.get("reader", &format!("/v2.0/networks/{network}")).await;
        assert_eq!(status, 200);
        assert_eq!(answer["network"]["subnets"], json!([subnet]));
        assert_eq!(answer["network"]["mtu"], 1450);
        assert_eq!(answer["network"]["status"], "ACTIVE");
        assert!(answer["network"].get("provider:network_type").is_none());
        let path = format!("/v2.0/networks/{network}");
        let (status, answer) = cloud.put("member", &path, json!({"network": {"name": "new"}})).await;
        assert_eq!(
            (status, &answer["network"]["name"], &answer["network"]["revision_number"]),
            (200, &json!("new"), &json!(2))
        );
        assert_eq!(cloud.delete("member", &path).await.0, 204);
        assert_eq!(kind(&cloud.get("member", &format!("/v2.0/subnets/{subnet}")).await, 404), "SubnetNotFound");
        assert_eq!(kind(&cloud.delete("member", &path).await, 404), "NetworkNotFound");
    }
}

#[tokio::test]
async fn a_network_with_a_port_stays() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let port = cloud.make("member", "ports", "port", json!({"network_id": network})).await;
        assert_eq!(kind(&cloud.delete("member", &format!("/v2.0/networks/{network}")).await, 409), "NetworkInUse");
        assert_eq!(kind(&cloud.delete("member", &format!("/v2.0/subnets/{subnet}")).await, 409), "SubnetInUse");
        assert_eq!(cloud.delete("member", &format!("/v2.0/ports/{}", text(&port["id"]))).await.0, 204);
        assert_eq!(cloud.delete("member", &format!("/v2.0/subnets/{subnet}")).await.0, 204);
    }
}

#[tokio::test]
async fn several_are_made_in_one_request_or_none() {
    for cloud in clouds().await {
        let body = json!({"networks": [{"name": "a"}, {"name": "b"}]});
        let (status, answer) = cloud.post("member", "/v2.0/networks", body).await;
        assert_eq!((status, answer["networks"].as_array().map(Vec::len)), (201, Some(2)));
        let network = text(&answer["networks"][0]["id"]);
        let subnet = |cidr: &str| json!({"network_id": network, "cidr": cidr, "ip_version": 4});
        let body = json!({"subnets": [subnet("10.0.0.0/24"), subnet("10.0.0.128/25")]});
        assert_eq!(kind(&cloud.post("member", "/v2.0/subnets", body).await, 400), "InvalidInput");
        assert!(ids(&cloud, "member", "/v2.0/subnets", "subnets").await.is_empty());
    }
}

#[tokio::test]
async fn segments_are_unique_and_for_administrators() {
    for cloud in clouds().await {
        let vlan = |number: i64| json!({"network": {"provider:network_type": "vlan", "provider:physical_network": "p", "provider:segmentation_id": number}});
        assert_eq!(kind(&cloud.post("member", "/v2.0/networks", vlan(5)).await, 403), "PolicyNotAuthorized");
        assert_eq!(cloud.post("admin", "/v2.0/networks", vlan(5)).await.0, 201);
        assert_eq!(kind(&cloud.post("admin", "/v2.0/networks", vlan(5)).await, 409), "VlanIdInUse");
        assert_eq!(kind(&cloud.post("admin", "/v2.0/networks", vlan(4095)).await, 400), "InvalidInput");
        let flat = json!({"network": {"provider:network_type": "flat", "provider:physical_network": "p"}});
        let (status, answer) = cloud.post("admin", "/v2.0/networks", flat.clone()).await;
        assert_eq!((status, &answer["network"]["mtu"]), (201, &json!(1500)));
        assert_eq!(kind(&cloud.post("admin", "/v2.0/networks", flat).await, 409), "FlatNetworkInUse");
        let overlays = [
            cloud.make("admin", "networks", "network", json!({})).await,
            cloud.make("admin", "networks", "network", json!({})).await,
        ];
        assert_eq!(overlays[0]["provider:network_type"], "vxlan");
        assert_eq!(overlays.map(|network| network["provider:segmentation_id"].as_i64()), [Some(1), Some(2)]);
    }
}

#[tokio::test]
async fn overlay_numbers_are_handed_out_until_none_is_left() {
    let config = NetworkConfig { vni_first: 7, vni_last: 8, ..NetworkConfig::default() };
    for cloud in clouds_with(config).await {
        let first = cloud.make("member", "networks", "network", json!({})).await;
        cloud.make("member", "networks", "network", json!({})).await;
        assert_eq!(
            kind(&cloud.post("member", "/v2.0/networks", json!({"network": {}})).await, 503),
            "NoNetworkAvailable"
        );
        cloud.delete("member", &format!("/v2.0/networks/{}", text(&first["id"]))).await;
        let again = cloud.make("admin", "networks", "network", json!({})).await;
        assert_eq!(again["provider:segmentation_id"], 7);
    }
}

#[tokio::test]
async fn subnets_are_checked() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        let table = [
            (json!({"cidr": "10.0.0.0/25", "ip_version": 4}), "InvalidInput"),
            (json!({"cidr": "10.1.0.0/24", "ip_version": 6}), "InvalidInput"),
            (json!({"cidr": "10.1.0.0/24"}), "HTTPBadRequest"),
            (json!({"ip_version": 4}), "BadRequest"),
            (json!({"cidr": "10.1.0.0/24", "ip_version": 4, "gateway_ip": "10.1.0.255"}), "InvalidInput"),
            (
                json!({"cidr": "10.1.0.0/24", "ip_version": 4, "allocation_pools": [{"start": "10.2.0.1", "end": "10.2.0.9"}]}),
                "OutOfBoundsAllocationPool",
            ),
            (
                json!({"cidr": "10.1.0.0/24", "ip_version": 4, "dns_nameservers": ["1.1.1.1", "1.1.1.1"]}),
                "HTTPBadRequest",
            ),
            (
                json!({"cidr": "fd00::/80", "ip_version": 6, "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}),
                "InvalidInput",
            ),
            (json!({"cidr": "fd00::/64", "ip_version": 6, "ipv6_address_mode": "radvd"}), "HTTPBadRequest"),
        ];
        for (mut body, wanted) in table {
            body["network_id"] = json!(network);
            let answer = cloud.post("member", "/v2.0/subnets", json!({"subnet": body})).await;
            assert_eq!(kind(&answer, 400), wanted, "{body}");
        }
        let body = json!({"network_id": network, "cidr": "10.1.0.0/24", "ip_version": 4,
            "allocation_pools": [{"start": "10.1.0.1", "end": "10.1.0.9"}]});
        let answer = cloud.post("member", "/v2.0/subnets", json!({"subnet": body})).await;
        assert_eq!(kind(&answer, 409), "GatewayConflictWithAllocationPools");
    }
}

#[tokio::test]
async fn quotas_hold_and_are_told() {
    for cloud in clouds().await {
        assert_eq!(
            kind(&cloud.put("member", "/v2.0/quotas/p1", json!({"quota": {"network": 9}})).await, 403),
            "PolicyNotAuthorized"
        );
        let (status, answer) = cloud.put("admin", "/v2.0/quotas/p1", json!({"quota": {"network": 1}})).await;
        assert_eq!((status, &answer["quota"]["network"], &answer["quota"]["port"]), (200, &json!(1), &json!(500)));
        let first = cloud.make("member", "networks", "network", json!({})).await;
        let answer = cloud.post("member", "/v2.0/networks", json!({"network": {}})).await;
        assert_eq!(kind(&answer, 409), "OverQuota");
        assert_eq!(answer.1["NeutronError"]["message"], "Quota exceeded for resources: ['network'].");
        let (_, details) = cloud.get("reader", "/v2.0/quotas/p1/details").await;
        assert_eq!(details["quota"]["network"], json!({"limit": 1, "used": 1, "reserved": 0}));
        cloud.delete("member", &format!("/v2.0/networks/{}", text(&first["id"]))).await;
        cloud.make("member", "networks", "network", json!({})).await;
        assert_eq!(cloud.delete("admin", "/v2.0/quotas/p1").await.0, 204);
        cloud.make("member", "networks", "network", json!({})).await;
        assert_eq!(
            kind(&cloud.put("admin", "/v2.0/quotas/p1", json!({"quota": {"unknown": 9}})).await, 400),
            "HTTPBadRequest"
        );
        assert_eq!(kind(&cloud.get("other", "/v2.0/quotas/p1").await, 403), "PolicyNotAuthorized");
    }
}
