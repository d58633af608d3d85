use crate::testing::{clouds, nic, request};
use controller_base::id::{ProjectId, SecurityGroupId};
use controller_ports::{
    legacy_network::{LegacyError, LegacyNetworks, NewRule, Source},
    network::Networks,
};

fn project(name: &str) -> ProjectId {
    name.parse().unwrap()
}

fn ssh(group_id: SecurityGroupId) -> NewRule {
    NewRule {
        group_id,
        protocol: "tcp".to_owned(),
        port_min: Some(22),
        port_max: Some(22),
        cidr: None,
        remote_group: None,
    }
}

#[tokio::test]
async fn a_group_is_shown_with_what_it_lets_in() {
    for cloud in clouds().await {
        let (p1, p2) = (project("p1"), project("p2"));
        let group = cloud.service.create_group(&p1, "web", "for all").await.unwrap();
        assert_eq!((group.name.as_str(), group.description.as_str(), group.rules.len()), ("web", "for all", 0));
        let rule = cloud.service.create_rule(&p1, &ssh(group.id)).await.unwrap();
        assert_eq!(rule.from, Source::Cidr("0.0.0.0/0".parse().unwrap()));
        let again = cloud.service.create_rule(&p1, &ssh(group.id)).await;
        assert!(matches!(again, Err(LegacyError::Conflict(_))));
        let from_group = NewRule { remote_group: Some(group.id), ..ssh(group.id) };
        let from_group = cloud.service.create_rule(&p1, &from_group).await.unwrap();
        assert_eq!(from_group.from, Source::Group(group.id, "web".to_owned(), p1.clone()));
        assert_eq!(cloud.service.group(&p1, group.id).await.unwrap().rules.len(), 2);
        assert_eq!(cloud.service.groups(&p1).await.unwrap().len(), 2);
        assert_eq!(cloud.service.update_group(&p1, group.id, "web2", "").await.unwrap().name, "web2");
        assert!(matches!(cloud.service.group(&p2, group.id).await, Err(LegacyError::NotFound(_))));
        assert!(matches!(cloud.service.delete_rule(&p2, rule.id).await, Err(LegacyError::NotFound(_))));
        assert!(matches!(cloud.service.delete_group(&p2, group.id).await, Err(LegacyError::NotFound(_))));
        cloud.service.delete_rule(&p1, rule.id).await.unwrap();
        cloud.service.delete_group(&p1, group.id).await.unwrap();
        assert_eq!(cloud.service.groups(&p1).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn addresses_come_and_go() {
    for cloud in clouds().await {
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        let request = request(cloud.host(), vec![nic(&network)]);
        cloud.attach(&request).await.unwrap();
        let server = request.server_id;
        let added = cloud.service.add_fixed_ip(server, network.parse().unwrap()).await.unwrap();
        assert_eq!(cloud.service.ports_of(&[server]).await.unwrap()[&server][0].fixed_ips.len(), 2);
        cloud.service.remove_fixed_ip(server, added).await.unwrap();
        assert!(matches!(cloud.service.remove_fixed_ip(server, added).await, Err(LegacyError::Invalid(_))));
        assert_eq!(cloud.service.ports_of(&[server]).await.unwrap()[&server][0].fixed_ips.len(), 1);
    }
}
