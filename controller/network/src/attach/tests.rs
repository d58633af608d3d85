use crate::testing::{Cloud, clouds, nic, request, text};
use controller_base::id::ServerId;
use controller_ports::{
    fleet::DesiredState,
    network::{AttachError, Networks, RequestedNic},
};
use serde_json::json;

async fn ports(cloud: &Cloud, query: &str) -> Vec<serde_json::Value> {
    cloud.get("admin", &format!("/v2.0/ports?{query}")).await.1["ports"].as_array().cloned().unwrap()
}

#[tokio::test]
async fn attaching_twice_gives_the_same_ports() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        let taken = cloud.make("member", "ports", "port", json!({"network_id": network})).await;
        let taken = text(&taken["id"]);
        let request = request(cloud.host(), vec![nic(&network), RequestedNic::Port { id: taken.parse().unwrap() }]);
        let first = cloud.attach(&request).await.unwrap();
        assert_eq!(cloud.attach(&request).await.unwrap(), first);
        assert_eq!((first.len(), first[1].id.to_string()), (2, taken.clone()));
        assert_eq!((first[0].network_name.as_str(), first[0].security_groups[0].1.as_str()), ("n", "default"));
        assert_eq!(ports(&cloud, "device_owner=compute:nova").await.len(), 2);
        let mut tx = cloud.service.0.db.begin().await.unwrap();
        cloud.service.set_active(&mut tx, request.server_id).await.unwrap();
        tx.commit().await.unwrap();
        let shown = cloud.service.ports_of(&[request.server_id, ServerId::random()]).await.unwrap();
        assert_eq!(shown.len(), 1);
        assert!(shown[&request.server_id].iter().all(|port| port.status == "ACTIVE"));
        cloud.service.detach(request.server_id).await.unwrap();
        cloud.service.detach(request.server_id).await.unwrap();
        assert!(ports(&cloud, "device_owner=compute:nova").await.is_empty());
        let left = ports(&cloud, &format!("id={taken}")).await;
        assert_eq!(
            (&left[0]["device_id"], &left[0]["status"], &left[0]["binding:host_id"]),
            (&json!(""), &json!("DOWN"), &json!(""))
        );
        assert_eq!(cloud.service.audit().await.unwrap(), []);
    }
}

#[tokio::test]
async fn the_hosts_own_address_is_there_first_and_blocks_nothing() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/29").await;
        assert!(ports(&cloud, "device_owner=network:distributed").await.is_empty());
        let request = request(cloud.host(), vec![nic(&network)]);
        cloud.attach(&request).await.unwrap();
        let service = ports(&cloud, "device_owner=network:distributed").await;
        assert_eq!((service.len(), &service[0]["fixed_ips"][0]["subnet_id"]), (1, &json!(subnet)));
        let (_, usage) = cloud.get("admin", "/v2.0/quotas/p1/details").await;
        assert_eq!(usage["quota"]["port"]["used"], 1);
        let body = json!({"network_id": network, "cidr": "10.1.0.0/29", "ip_version": 4});
        let second = text(&cloud.make("member", "subnets", "subnet", body).await["id"]);
        let held = ports(&cloud, "device_owner=network:distributed").await;
        assert_eq!(held[0]["fixed_ips"].as_array().map(Vec::len), Some(2));
        assert_eq!(cloud.delete("member", &format!("/v2.0/subnets/{second}")).await.0, 204);
        cloud.put("member", &format!("/v2.0/subnets/{subnet}"), json!({"subnet": {"enable_dhcp": false}})).await;
        let held = ports(&cloud, "device_owner=network:distributed").await;
        assert!(held.iter().all(|port| port["fixed_ips"] == json!([])));
        cloud.service.detach(request.server_id).await.unwrap();
        assert_eq!(cloud.delete("member", &format!("/v2.0/networks/{network}")).await.0, 204);
    }
}

#[tokio::test]
async fn the_hosts_may_be_given_several_addresses_on_a_subnet() {
    for cloud in clouds().await {
        let (network, subnet) = cloud.network("member", "10.0.0.0/28").await;
        let host = cloud.host();
        cloud.attach(&request(host, vec![nic(&network)])).await.unwrap();
        let service = text(&ports(&cloud, "device_owner=network:distributed").await[0]["id"]);
        let two = json!({"port": {"fixed_ips": [{"subnet_id": subnet}, {"subnet_id": subnet}]}});
        assert_eq!(cloud.put("member", &format!("/v2.0/ports/{service}"), two).await.0, 200);
        cloud.attach(&request(host, vec![nic(&network)])).await.unwrap();
        let held = ports(&cloud, &format!("id={service}")).await;
        assert_eq!(held[0]["fixed_ips"].as_array().map(Vec::len), Some(2));
        assert!(cloud.service.list(host).await.unwrap().len() > 2);
    }
}

#[tokio::test]
async fn what_cannot_be_had_is_refused_alike_by_check_and_attach() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/29").await;
        let (external, _) = cloud.external().await;
        let (foreign, _) = cloud.network("other", "10.0.0.0/24").await;
        let bare = text(&cloud.make("member", "networks", "network", json!({})).await["id"]);
        let used = cloud.make("member", "ports", "port", json!({"network_id": network, "device_id": "x"})).await;
        let with_address = |address: &str| RequestedNic::Network {
            id: network.parse().unwrap(),
            fixed_ip: Some(address.parse().unwrap()),
        };
        let address = text(&used["fixed_ips"][0]["ip_address"]);
        let table = [
            (nic(&foreign), "network"),
            (nic(&external), "external"),
            (nic(&bare), "subnet"),
            (RequestedNic::Port { id: text(&used["id"]).parse().unwrap() }, "in use"),
            (RequestedNic::Port { id: network.parse().unwrap() }, "could not be found"),
            (with_address(&address), "already in use"),
            (with_address("192.0.2.1"), "not a valid ip"),
        ];
        let project = "p1".parse().unwrap();
        for (nic, reason) in table {
            let checked = cloud.service.check(&project, false, std::slice::from_ref(&nic)).await.unwrap_err();
            let attached = cloud.attach(&request(cloud.host(), vec![nic.clone()])).await.unwrap_err();
            assert_eq!(checked.to_string(), attached.to_string(), "{nic:?}");
            assert!(checked.to_string().contains(reason), "{checked}");
        }
        for _ in 0..3 {
            cloud.attach(&request(cloud.host(), vec![nic(&network)])).await.unwrap();
        }
        let full = cloud.attach(&request(cloud.host(), vec![nic(&network)])).await;
        assert!(matches!(full, Err(AttachError::Exhausted(_))), "{full:?}");
        assert_eq!(ports(&cloud, "device_owner=compute:nova").await.len(), 3);
    }
}

#[tokio::test]
async fn the_only_network_is_the_default() {
    for cloud in clouds().await {
        let project = "p1".parse().unwrap();
        assert_eq!(cloud.service.default_nics(&project).await.unwrap(), []);
        cloud.external().await;
        cloud.network("other", "10.0.0.0/24").await;
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        assert_eq!(cloud.service.default_nics(&project).await.unwrap(), [nic(&network)]);
        cloud.network("member", "10.1.0.0/24").await;
        assert!(matches!(cloud.service.default_nics(&project).await, Err(AttachError::Ambiguous)));
    }
}

#[tokio::test]
async fn groups_are_found_by_name_or_id_and_changed() {
    for cloud in clouds().await {
        let project = "p1".parse().unwrap();
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        let web = text(&cloud.make("member", "security-groups", "security_group", json!({"name": "web"})).await["id"]);
        cloud.make("member", "security-groups", "security_group", json!({"name": "twice"})).await;
        cloud.make("member", "security-groups", "security_group", json!({"name": "twice"})).await;
        let find = async |name: &str| cloud.service.security_groups(&project, &[name.to_owned()]).await;
        assert_eq!(find("web").await.unwrap(), find(&web).await.unwrap());
        assert!(matches!(find("nothing").await, Err(AttachError::SecurityGroupNotFound(_))));
        assert!(matches!(find("twice").await, Err(AttachError::SecurityGroupAmbiguous(_))));
        let request = request(cloud.host(), vec![nic(&network)]);
        cloud.attach(&request).await.unwrap();
        let names = async || {
            let ports = cloud.service.ports_of(&[request.server_id]).await.unwrap();
            let mut names: Vec<_> =
                ports[&request.server_id][0].security_groups.iter().map(|(_, name)| name.clone()).collect();
            names.sort();
            names
        };
        cloud.service.change_security_group(&project, request.server_id, "web", true).await.unwrap();
        assert_eq!(names().await, ["default", "web"]);
        cloud.service.change_security_group(&project, request.server_id, "default", false).await.unwrap();
        assert_eq!(names().await, ["web"]);
        let missing = cloud.service.change_security_group(&project, request.server_id, "default", false).await;
        assert!(matches!(missing, Err(AttachError::SecurityGroupNotFound(_))));
    }
}

#[tokio::test]
async fn servers_are_found_by_address() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        let fixed = RequestedNic::Network { id: network.parse().unwrap(), fixed_ip: "10.0.0.77".parse().ok() };
        let request = request(cloud.host(), vec![fixed]);
        cloud.attach(&request).await.unwrap();
        let find = async |pattern: &str, ipv6| cloud.service.servers_with_address(pattern, ipv6).await.unwrap();
        assert_eq!(find("0.77$", false).await, [request.server_id]);
        assert_eq!(find("0.78", false).await, []);
        assert_eq!(find("0.77", true).await, []);
        assert_eq!(find("(", false).await, []);
        assert_eq!(cloud.service.server_ports().await.unwrap()[0].server_id, request.server_id);
    }
}
