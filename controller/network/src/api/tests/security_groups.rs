use super::kind;
use crate::testing::{clouds, text};
use serde_json::json;

#[tokio::test]
async fn every_project_has_a_default_group_that_stays() {
    for cloud in clouds().await {
        let (_, answer) = cloud.get("member", "/v2.0/security-groups").await;
        let groups = answer["security_groups"].as_array().unwrap();
        assert_eq!((groups.len(), &groups[0]["name"]), (1, &json!("default")));
        assert_eq!(groups[0]["security_group_rules"].as_array().map(Vec::len), Some(4));
        let path = format!("/v2.0/security-groups/{}", text(&groups[0]["id"]));
        assert_eq!(kind(&cloud.delete("member", &path).await, 409), "SecurityGroupCannotRemoveDefault");
        let rename = json!({"security_group": {"name": "x"}});
        assert_eq!(kind(&cloud.put("member", &path, rename).await, 409), "SecurityGroupCannotUpdateDefault");
        let again = cloud.post("member", "/v2.0/security-groups", json!({"security_group": {"name": "default"}})).await;
        assert_eq!(kind(&again, 409), "SecurityGroupDefaultAlreadyExists");
        assert_eq!(kind(&cloud.get("other", &path).await, 404), "SecurityGroupNotFound");
    }
}

#[tokio::test]
async fn rules_are_made_once() {
    for cloud in clouds().await {
        let group = cloud.make("member", "security-groups", "security_group", json!({"name": "web"})).await;
        assert_eq!(group["security_group_rules"].as_array().map(Vec::len), Some(2));
        let id = text(&group["id"]);
        let rule = json!({"security_group_id": id, "direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 80});
        let made = cloud.make("member", "security-group-rules", "security_group_rule", rule.clone()).await;
        assert_eq!((&made["ethertype"], &made["protocol"]), (&json!("IPv4"), &json!("tcp")));
        let again = cloud.post("member", "/v2.0/security-group-rules", json!({"security_group_rule": rule})).await;
        assert_eq!(kind(&again, 409), "SecurityGroupRuleExists");
        let unknown = json!({"security_group_rule": {"security_group_id": text(&made["id"]), "direction": "ingress"}});
        assert_eq!(
            kind(&cloud.post("member", "/v2.0/security-group-rules", unknown).await, 404),
            "SecurityGroupNotFound"
        );
        let nobody =
            json!({"security_group_rule": {"security_group_id": id, "direction": "ingress", "remote_group_id": "x"}});
        assert_eq!(
            kind(&cloud.post("member", "/v2.0/security-group-rules", nobody).await, 404),
            "SecurityGroupNotFound"
        );
        let second = json!({"security_group": {"name": "default"}});
        let renamed = cloud.put("member", &format!("/v2.0/security-groups/{id}"), second).await;
        assert_eq!(kind(&renamed, 409), "SecurityGroupDefaultAlreadyExists");
        let path = format!("/v2.0/security-group-rules/{}", text(&made["id"]));
        assert_eq!(cloud.get("reader", &path).await.0, 200);
        assert_eq!(kind(&cloud.delete("reader", &path).await, 403), "PolicyNotAuthorized");
        assert_eq!(cloud.delete("member", &path).await.0, 204);
        assert_eq!(kind(&cloud.delete("member", &path).await, 404), "SecurityGroupRuleNotFound");
    }
}

#[tokio::test]
async fn a_used_group_stays() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        let group =
            text(&cloud.make("member", "security-groups", "security_group", json!({"name": "web"})).await["id"]);
        let body = json!({"network_id": network, "security_groups": [group]});
        let port = text(&cloud.make("member", "ports", "port", body).await["id"]);
        let path = format!("/v2.0/security-groups/{group}");
        assert_eq!(kind(&cloud.delete("member", &path).await, 409), "SecurityGroupInUse");
        assert_eq!(
            kind(&cloud.put("member", &path, json!({"security_group": {"stateful": false}})).await, 409),
            "SecurityGroupInUse"
        );
        cloud.put("member", &format!("/v2.0/ports/{port}"), json!({"port": {"security_groups": []}})).await;
        let other = text(&cloud.make("member", "security-groups", "security_group", json!({"name": "db"})).await["id"]);
        let rule = json!({"security_group_id": other, "direction": "ingress", "remote_group_id": group});
        let rule = text(&cloud.make("member", "security-group-rules", "security_group_rule", rule).await["id"]);
        assert_eq!(cloud.delete("member", &path).await.0, 204);
        let gone = cloud.get("member", &format!("/v2.0/security-group-rules/{rule}")).await;
        assert_eq!(kind(&gone, 404), "SecurityGroupRuleNotFound", "it went with the group that it named");
    }
}
