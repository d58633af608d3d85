use super::{ids, kind};
use crate::{
    policy::RULES,
    testing::{clouds, text},
};
use controller_web::{Policy, testing};
use serde_json::json;
use std::collections::HashMap;

#[tokio::test]
async fn every_route_has_its_rule() {
    for cloud in clouds().await {
        let mut policy = Policy::default();
        policy.add("network", RULES, &HashMap::new()).unwrap();
        let web = testing::web_state("network", RULES, testing::usual_tokens());
        let service = crate::api::service(cloud.service.clone(), &web);
        assert_eq!(service.routes_without_rule(&policy), Vec::<String>::new());
        let named: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
        for rule in crate::network::wire::ATTRIBUTES.iter().chain(crate::port::wire::ATTRIBUTES) {
            for name in [rule.create_rule, rule.update_rule, rule.get_rule].into_iter().flatten() {
                assert!(named.contains(&name), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn one_project_never_sees_anothers_things() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let port = text(&cloud.make("member", "ports", "port", json!({"network_id": network})).await["id"]);
        let router = text(&cloud.make("member", "routers", "router", json!({})).await["id"]);
        for (collection, id) in [("networks", &network), ("subnets", &subnet), ("ports", &port), ("routers", &router)] {
            let path = format!("/v2.0/{collection}/{id}");
            assert_eq!(cloud.get("other", &path).await.0, 404, "{path}");
            assert_eq!(cloud.delete("other", &path).await.0, 404, "{path}");
            assert!(ids(&cloud, "other", &format!("/v2.0/{collection}"), collection).await.is_empty(), "{path}");
            assert_eq!(cloud.get("reader", &path).await.0, 200, "{path}");
            assert_eq!(cloud.delete("reader", &path).await.0, 403, "{path}");
            assert_eq!(cloud.get("admin", &path).await.0, 200, "{path}");
            assert_eq!(cloud.get("", &path).await.0, 401, "{path}");
        }
        let foreign = cloud.post("other", "/v2.0/ports", json!({"port": {"network_id": network}})).await;
        assert_eq!(kind(&foreign, 404), "NetworkNotFound");
        let foreign = json!({"subnet": {"network_id": network, "cidr": "10.9.0.0/24", "ip_version": 4}});
        assert!([403, 404].contains(&cloud.post("other", "/v2.0/subnets", foreign).await.0));
        let foreign = json!({"network": {"project_id": "p1"}});
        assert_eq!(kind(&cloud.post("other", "/v2.0/networks", foreign).await, 403), "PolicyNotAuthorized");
        assert_eq!(
            kind(&cloud.post("reader", "/v2.0/networks", json!({"network": {}})).await, 403),
            "PolicyNotAuthorized"
        );
    }
}

#[tokio::test]
async fn shared_and_external_networks_are_seen_by_all() {
    for cloud in clouds().await {
        let (external, outer) = cloud.external().await;
        let (network, _) = cloud.network("admin", "10.0.0.0/24").await;
        assert_eq!(cloud.get("member", &format!("/v2.0/networks/{network}")).await.0, 404);
        let share = |shared: bool| json!({"network": {"shared": shared}});
        let path = format!("/v2.0/networks/{network}");
        assert_eq!(cloud.put("admin", &path, share(true)).await.0, 200);
        let mut seen = ids(&cloud, "member", "/v2.0/networks", "networks").await;
        seen.sort();
        let mut wanted = vec![external.clone(), network.clone()];
        wanted.sort();
        assert_eq!(seen, wanted);
        assert_eq!(
            ids(&cloud, "member", "/v2.0/networks?router:external=True", "networks").await,
            std::slice::from_ref(&external)
        );
        assert_eq!(ids(&cloud, "member", &format!("/v2.0/subnets?network_id={external}"), "subnets").await, [outer]);
        assert_eq!(kind(&cloud.put("member", &path, share(false)).await, 403), "PolicyNotAuthorized");
        let port = text(&cloud.make("member", "ports", "port", json!({"network_id": network})).await["id"]);
        assert_eq!(kind(&cloud.put("admin", &path, share(false)).await, 409), "InvalidSharedSetting");
        let chosen = json!({"port": {"network_id": network, "mac_address": "fa:16:3e:00:00:01"}});
        assert_eq!(kind(&cloud.post("member", "/v2.0/ports", chosen).await, 403), "PolicyNotAuthorized");
        cloud.delete("member", &format!("/v2.0/ports/{port}")).await;
        assert_eq!(cloud.put("admin", &path, share(false)).await.0, 200);
    }
}

#[tokio::test]
async fn only_administrators_set_what_is_theirs() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        for body in
            [json!({"shared": true}), json!({"router:external": true}), json!({"provider:network_type": "vxlan"})]
        {
            let answer = cloud.post("member", "/v2.0/networks", json!({"network": body})).await;
            assert_eq!(kind(&answer, 403), "PolicyNotAuthorized", "{body}");
        }
        assert_eq!(cloud.post("member", "/v2.0/networks", json!({"network": {"shared": false}})).await.0, 201);
        let port = json!({"port": {"network_id": network, "binding:host_id": "h"}});
        assert_eq!(kind(&cloud.post("member", "/v2.0/ports", port.clone()).await, 403), "PolicyNotAuthorized");
        assert_eq!(cloud.post("admin", "/v2.0/ports", port).await.0, 201);
        let (other, _) = cloud.network("admin", "10.0.0.0/24").await;
        cloud.put("admin", &format!("/v2.0/networks/{other}"), json!({"network": {"shared": true}})).await;
        let device = json!({"port": {"network_id": other, "device_owner": "network:dhcp"}});
        assert_eq!(kind(&cloud.post("member", "/v2.0/ports", device).await, 403), "PolicyNotAuthorized");
    }
}
