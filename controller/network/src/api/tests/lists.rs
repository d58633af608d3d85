use super::{ids, kind};
use crate::testing::{clouds, text};
use controller_web::testing::call_with;
use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn pages_follow_their_links() {
    for cloud in clouds().await {
        for name in ["a", "b", "c"] {
            cloud.make("member", "networks", "network", json!({"name": name})).await;
        }
        let mut path = "/v2.0/networks?limit=2&sort_key=name&sort_dir=desc&fields=id&fields=name".to_owned();
        let mut names = String::new();
        loop {
            let (status, answer) = cloud.get("member", &path).await;
            assert_eq!(status, 200, "{answer}");
            names.extend(answer["networks"].as_array().unwrap().iter().map(|network| text(&network["name"])));
            let links = answer["networks_links"].as_array().cloned().unwrap_or_default();
            match links.iter().find(|link| link["rel"] == "next") {
                Some(link) => path = text(&link["href"]).replace("http://cloud.test", ""),
                None => break,
            }
        }
        assert_eq!(names, "cba");
        let (_, answer) = cloud.get("member", "/v2.0/networks?fields=id&fields=mtu").await;
        let keys: Vec<&String> = answer["networks"][0].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["id", "mtu"]);
        assert_eq!(kind(&cloud.get("member", "/v2.0/networks?limit=1&marker=nine").await, 404), "NetworkNotFound");
        assert_eq!(kind(&cloud.get("member", "/v2.0/networks?colour=red").await, 400), "HTTPBadRequest");
    }
}

#[tokio::test]
async fn filters_reach_every_attribute() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let (other, _) = cloud.network("member", "10.1.0.0/24").await;
        let fixed = json!([{"ip_address": "10.0.0.9"}]);
        let port = text(
            &cloud
                .make("member", "ports", "port", json!({"network_id": network, "fixed_ips": fixed, "name": "x"}))
                .await["id"],
        );
        cloud.make("member", "ports", "port", json!({"network_id": other})).await;
        for query in [
            format!("network_id={network}"),
            "name=x".to_owned(),
            "fixed_ips=ip_address%3D10.0.0.9".to_owned(),
            format!("fixed_ips=subnet_id%3D{subnet}"),
            format!("id={port}&tenant_id=p1&admin_state_up=True&status=DOWN"),
        ] {
            assert_eq!(
                ids(&cloud, "member", &format!("/v2.0/ports?{query}"), "ports").await,
                std::slice::from_ref(&port),
                "{query}"
            );
        }
        assert!(ids(&cloud, "admin", "/v2.0/ports?project_id=p2", "ports").await.is_empty());
        let both = cloud.get("member", "/v2.0/ports?project_id=p1&tenant_id=p1").await;
        assert_eq!(kind(&both, 400), "TenantIdProjectIdFilterConflict");
    }
}

#[tokio::test]
async fn tags_come_and_go() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        let path = format!("/v2.0/networks/{network}/tags");
        let (status, answer) = cloud.put("member", &path, json!({"tags": ["red", "blue", "red"]})).await;
        assert_eq!((status, &answer["tags"]), (200, &json!(["blue", "red"])));
        assert_eq!(cloud.call(Method::PUT, &format!("{path}/green"), "member", None).await.0, 201);
        assert_eq!(cloud.get("reader", &format!("{path}/green")).await.0, 204);
        assert_eq!(cloud.delete("member", &format!("{path}/red")).await.0, 204);
        assert_eq!(kind(&cloud.delete("member", &format!("{path}/red")).await, 404), "TagNotFound");
        assert_eq!(
            ids(&cloud, "member", "/v2.0/networks?tags=blue,green", "networks").await,
            std::slice::from_ref(&network)
        );
        assert!(ids(&cloud, "member", "/v2.0/networks?not-tags=blue", "networks").await.is_empty());
        assert_eq!(kind(&cloud.put("reader", &path, json!({"tags": []})).await, 403), "PolicyNotAuthorized");
        assert_eq!(cloud.delete("member", &path).await.0, 204);
        assert_eq!(cloud.get("member", &path).await.1, json!({"tags": []}));
    }
}

#[tokio::test]
async fn a_change_may_be_bound_to_a_revision() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        let path = format!("/v2.0/networks/{network}");
        let put = async |revision: &str| -> (u16, Value) {
            let body = json!({"network": {"name": revision}});
            let answer =
                call_with(&cloud.router, Method::PUT, &path, "member", &[("if-match", revision)], Some(&body)).await;
            (answer.status.as_u16(), answer.json())
        };
        assert_eq!(put("revision_number=1").await.0, 200);
        assert_eq!(kind(&put("revision_number=1").await, 412), "RevisionNumberConstraintFailed");
        assert_eq!(put("revision_number=2").await.0, 200);
        assert_eq!(kind(&put("x").await, 400), "HTTPBadRequest");
    }
}

#[tokio::test]
async fn availability_counts_what_is_left() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        cloud.make("member", "ports", "port", json!({"network_id": network})).await;
        let (_, answer) = cloud.get("admin", &format!("/v2.0/network-ip-availabilities/{network}")).await;
        let answer = &answer["network_ip_availability"];
        assert_eq!((&answer["total_ips"], &answer["used_ips"]), (&json!(253), &json!(1)));
        assert_eq!(cloud.get("member", "/v2.0/network-ip-availabilities").await.0, 403);
    }
}
