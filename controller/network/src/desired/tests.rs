use crate::testing::{Cloud, clouds, nic, request, text};
use controller_base::id::HostId;
use controller_ports::{
    fleet::{Desired, DesiredObject, DesiredRouter, DesiredState, HostObserver, ObjectKey, net::Segment},
    network::Networks,
};
use serde_json::json;
use std::collections::BTreeMap;

async fn all(cloud: &Cloud, host: HostId) -> BTreeMap<ObjectKey, Desired> {
    let list = cloud.service.list(host).await.unwrap();
    for desired in &list {
        let alone = cloud.service.get(host, desired.key).await.unwrap();
        assert_eq!(alone.as_ref(), Some(desired), "one by one is the same as all at once");
    }
    list.into_iter().map(|desired| (desired.key, desired)).collect()
}

fn kinds(desired: &BTreeMap<ObjectKey, Desired>) -> String {
    let mut letters: Vec<char> = desired
        .keys()
        .map(|key| match key {
            ObjectKey::Guest(_) => 'g',
            ObjectKey::Network(_) => 'n',
            ObjectKey::Port(_) => 'p',
            ObjectKey::SecurityGroup(_) => 's',
            ObjectKey::Router(_) => 'r',
        })
        .collect();
    letters.sort_unstable();
    letters.into_iter().collect()
}

async fn router(cloud: &Cloud, host: HostId, id: &str) -> Option<DesiredRouter> {
    let desired = cloud.service.get(host, ObjectKey::Router(id.parse().unwrap())).await.unwrap()?;
    match desired.object {
        DesiredObject::Router(router) => Some(router),
        _ => None,
    }
}

#[tokio::test]
async fn a_host_gets_what_its_ports_touch_and_nothing_else() {
    for cloud in clouds().await {
        let (one, two) = (cloud.host(), cloud.host());
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        cloud.network("member", "10.9.0.0/24").await;
        let (external, _) = cloud.external().await;
        cloud.routed(&subnet, &external).await;
        assert!(all(&cloud, one).await.is_empty());
        let request = request(one, vec![nic(&network)]);
        let port = cloud.attach(&request).await.unwrap().remove(0);
        let desired = all(&cloud, one).await;
        assert_eq!(kinds(&desired), "nnprs", "inner and outer network, port, router, group");
        assert!(all(&cloud, two).await.is_empty());
        let touched = cloud.fleet.take();
        for key in desired.keys() {
            assert!(touched.contains(&(one, *key)), "{key:?}");
        }
        assert!(touched.iter().all(|(host, _)| *host == one));
        let DesiredObject::Network(inner) = &desired[&ObjectKey::Network(network.parse().unwrap())].object else {
            panic!()
        };
        assert_eq!(inner.dns_domain, "openstacklocal");
        assert!(inner.subnets[0].dhcp && inner.subnets[0].service_address.is_some());
        assert_ne!(inner.subnets[0].service_address, Some(port.fixed_ips[0]));
        assert!(matches!(&inner.segment, Segment::Overlay { vni: 1, remotes } if remotes.is_empty()));
        let DesiredObject::Network(outer) = &desired[&ObjectKey::Network(external.parse().unwrap())].object else {
            panic!()
        };
        assert!(outer.external && !outer.subnets[0].dhcp);
        cloud.service.detach(request.server_id).await.unwrap();
        assert!(all(&cloud, one).await.is_empty());
        let touched = cloud.fleet.take();
        for key in desired.keys() {
            assert!(touched.contains(&(one, *key)), "{key:?} is told to go");
        }
    }
}

#[tokio::test]
async fn hosts_learn_of_ports_and_members_elsewhere() {
    for cloud in clouds().await {
        let (one, two) = (cloud.host(), cloud.host());
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        let key = ObjectKey::Network(network.parse().unwrap());
        cloud.attach(&request(one, vec![nic(&network)])).await.unwrap();
        cloud.fleet.take();
        let second = request(two, vec![nic(&network)]);
        let port = cloud.attach(&second).await.unwrap().remove(0);
        let touched = cloud.fleet.take();
        assert!(touched.contains(&(one, key)) && touched.contains(&(two, key)));
        let group = ObjectKey::SecurityGroup(port.security_groups[0].0);
        assert!(touched.contains(&(one, group)) && touched.contains(&(two, group)));
        let seen = all(&cloud, one).await;
        let DesiredObject::Network(desired) = &seen[&key].object else { panic!() };
        let Segment::Overlay { remotes, .. } = &desired.segment else { panic!() };
        assert_eq!((remotes.len(), &remotes[0].mac, &remotes[0].addresses), (1, &port.mac, &port.fixed_ips));
        assert!(remotes[0].host_address.starts_with("192.0.2."));
        let DesiredObject::SecurityGroup(desired) = &seen[&group].object else { panic!() };
        assert_eq!(desired.member_addresses.len(), 2);
        cloud.service.detach(second.server_id).await.unwrap();
        assert!(cloud.fleet.take().contains(&(one, key)));
        let DesiredObject::Network(desired) = &all(&cloud, one).await[&key].object else { panic!() };
        assert!(matches!(&desired.segment, Segment::Overlay { remotes, .. } if remotes.is_empty()));
    }
}

#[tokio::test]
async fn a_port_with_company_touches_itself_and_its_groups() {
    for cloud in clouds().await {
        let (host, other) = (cloud.host(), cloud.host());
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let (external, _) = cloud.external().await;
        cloud.routed(&subnet, &external).await;
        cloud.attach(&request(host, vec![nic(&network)])).await.unwrap();
        cloud.attach(&request(other, vec![nic(&network)])).await.unwrap();
        cloud.fleet.take();
        let second = request(host, vec![nic(&network)]);
        let port = cloud.attach(&second).await.unwrap().remove(0);
        let group = ObjectKey::SecurityGroup(port.security_groups[0].0);
        let far = (other, ObjectKey::Network(network.parse().unwrap()));
        let wanted = [(host, ObjectKey::Port(port.id)), (host, group), (other, group), far];
        assert_eq!(cloud.fleet.take(), wanted.into());
        cloud.service.detach(second.server_id).await.unwrap();
        assert_eq!(cloud.fleet.take(), wanted.into());
    }
}

#[tokio::test]
async fn floating_addresses_are_where_the_guest_is_and_the_shared_one_on_one_host() {
    for cloud in clouds().await {
        let mut hosts = [cloud.host(), cloud.host()];
        hosts.sort();
        let (network, subnet) = cloud.network("member", "10.0.0.0/24").await;
        let (external, _) = cloud.external().await;
        let id = cloud.routed(&subnet, &external).await;
        let mut ports = Vec::new();
        for host in hosts {
            ports.push(cloud.attach(&request(host, vec![nic(&network)])).await.unwrap().remove(0));
        }
        let spare = text(&cloud.make("member", "ports", "port", json!({"network_id": network})).await["id"]);
        cloud.fleet.take();
        for port in [&ports[1].id.to_string(), &spare] {
            let body = json!({"floating_network_id": external, "port_id": port});
            cloud.make("member", "floatingips", "floatingip", body).await;
        }
        let key = ObjectKey::Router(id.parse().unwrap());
        assert_eq!(cloud.fleet.take(), hosts.map(|host| (host, key)).into());
        let (first, second) =
            (router(&cloud, hosts[0], &id).await.unwrap(), router(&cloud, hosts[1], &id).await.unwrap());
        let inner =
            |router: &DesiredRouter| router.floating_ips.iter().map(|f| f.port_id.to_string()).collect::<Vec<_>>();
        assert_eq!(inner(&first), [spare]);
        assert_eq!(inner(&second), [ports[1].id.to_string()]);
        let here = |router: &DesiredRouter| router.gateway.as_ref().map(|gateway| (gateway.snat, gateway.snat_here));
        assert_eq!((here(&first), here(&second)), (Some((true, true)), Some((true, false))));
        let way = |router: &DesiredRouter| {
            let gateway = router.gateway.clone().unwrap();
            (gateway.snat_host_address, gateway.snat_for_others)
        };
        assert_eq!(way(&first), (None, true), "the other's packets come here");
        let holder = cloud.fleet.hosts.lock().unwrap().iter().find(|host| host.id == hosts[0]).cloned().unwrap();
        assert_eq!(way(&second), (Some(holder.underlay_address), false));
        assert_eq!(first.gateway.unwrap().next_hops, ["203.0.113.1".parse::<std::net::IpAddr>().unwrap()]);
        let gone = {
            let mut known = cloud.fleet.hosts.lock().unwrap();
            let gone = known.iter_mut().find(|host| host.id == hosts[0]).unwrap();
            gone.up = false;
            gone.clone()
        };
        cloud.service.host_changed(&gone).await.unwrap();
        assert!(cloud.fleet.take().contains(&(hosts[1], key)));
        assert_eq!(here(&router(&cloud, hosts[1], &id).await.unwrap()), Some((true, true)));
    }
}

#[tokio::test]
async fn a_new_rule_reaches_the_hosts_of_its_group() {
    for cloud in clouds().await {
        let host = cloud.host();
        let (network, _) = cloud.network("member", "10.0.0.0/24").await;
        let port = cloud.attach(&request(host, vec![nic(&network)])).await.unwrap().remove(0);
        let group = port.security_groups[0].0;
        let remote =
            text(&cloud.make("member", "security-groups", "security_group", json!({"name": "web"})).await["id"]);
        cloud.fleet.take();
        let rule = json!({"security_group_id": group.to_string(), "direction": "ingress", "protocol": "icmp",
            "ethertype": "IPv6", "remote_group_id": remote});
        cloud.make("member", "security-group-rules", "security_group_rule", rule).await;
        let touched = cloud.fleet.take();
        let remote_key = ObjectKey::SecurityGroup(remote.parse().unwrap());
        assert_eq!(touched, [(host, ObjectKey::SecurityGroup(group)), (host, remote_key)].into());
        let desired = all(&cloud, host).await;
        assert!(desired.contains_key(&remote_key));
        let DesiredObject::SecurityGroup(desired) = &desired[&ObjectKey::SecurityGroup(group)].object else { panic!() };
        assert_eq!(desired.rules.iter().filter_map(|rule| rule.protocol).collect::<Vec<_>>(), [58]);
    }
}
