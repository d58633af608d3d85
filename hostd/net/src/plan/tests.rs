//! Tables over the plan: what follows from which desired state.

use std::collections::BTreeSet;

use super::filter::{self, Delta, Doomed, Tracking};
use super::*;
use crate::PhysicalNetwork;
use crate::model::*;

fn network(id: &str, segment: Segment) -> Network {
    let subnet = Subnet {
        id: "subnet".into(),
        cidr: "10.0.0.0/24".parse().unwrap(),
        gateway: Some("10.0.0.1".parse().unwrap()),
        dhcp: true,
        service_address: Some("10.0.0.2".parse().unwrap()),
        dns_servers: Vec::new(),
        host_routes: Vec::new(),
        ipv6_address_mode: None,
        ipv6_ra_mode: None,
    };
    let (name, dns_domain) = (String::new(), String::new());
    Network { id: id.into(), name, mtu: 1450, segment, subnets: vec![subnet], dns_domain, external: false }
}

fn overlay(hosts: &[&str]) -> Segment {
    let remotes = hosts.iter().zip(1..).map(|(host, number)| RemotePort {
        mac: MacAddr([2, 0, 0, 0, 1, number]),
        addresses: vec![std::net::Ipv4Addr::new(10, 0, 0, 100 + number).into()],
        host_address: host.parse().unwrap(),
    });
    Segment::Overlay { vni: 7, remotes: remotes.collect() }
}

fn port(id: &str, last: u8, groups: &[&str]) -> Port {
    Port {
        id: id.into(),
        network: "net".into(),
        mac: MacAddr([0xfa, 0x16, 0x3e, 0, 0, last]),
        fixed_ips: vec![FixedIp { subnet: "subnet".into(), address: std::net::Ipv4Addr::new(10, 0, 0, last).into() }],
        port_security: true,
        security_groups: groups.iter().map(|id| SecurityGroupId::from(*id)).collect(),
        allowed_address_pairs: Vec::new(),
        admin_up: true,
        guest_id: String::new(),
        extra_dhcp_options: BTreeMap::new(),
        dns_name: String::new(),
    }
}

fn group(id: &str, remotes: &[Remote], members: &[&str]) -> SecurityGroup {
    let rules = remotes.iter().map(|remote| SecurityRule {
        id: String::new(),
        direction: Direction::Ingress,
        ipv6: false,
        protocol: None,
        port_min: None,
        port_max: None,
        remote: remote.clone(),
    });
    SecurityGroup {
        id: id.into(),
        name: String::new(),
        rules: rules.collect(),
        stateful: true,
        member_addresses: members.iter().map(|ip| ip.parse().unwrap()).collect(),
    }
}

fn desired(objects: Vec<Object>) -> Desired {
    let mut desired = Desired::default();
    desired.apply(Changes { complete: true, upserts: objects, removals: Vec::new() });
    desired
}

fn plan(objects: Vec<Object>) -> Plan {
    Plan::new(&desired(objects), &config())
}

fn config() -> NetConfig {
    let physical = PhysicalNetwork { interface: "br-ex".into(), ..PhysicalNetwork::default() };
    NetConfig {
        underlay_address: Some("192.0.2.1".parse().unwrap()),
        physical_networks: BTreeMap::from([("public".to_owned(), physical)]),
        ..NetConfig::default()
    }
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.links.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn each_kind_of_network_has_its_links() {
    for (segment, links) in [
        (overlay(&[]), vec!["hb-net", "hs-net"]),
        (overlay(&["192.0.2.2"]), vec!["hb-net", "hx-net", "hs-net"]),
        (Segment::Flat { physical_network: "public".into() }, vec!["hs-net"]),
        (Segment::Vlan { physical_network: "public".into(), vlan_id: 5 }, vec!["hb-net", "hv-net", "hs-net"]),
    ] {
        let plan = plan(vec![Object::Network(network("net", segment.clone()))]);
        assert_eq!(names(&plan), links, "{segment:?}");
        assert_eq!(plan.failures, []);
    }
}

#[test]
fn what_this_host_does_not_have_is_told() {
    let key = ObjectKey::Network("net".into());
    let flat = Segment::Flat { physical_network: "other".into() };
    let told = plan(vec![Object::Network(network("net", flat))]).failures;
    assert_eq!(told, [PlanFailure::PhysicalNetwork(key, "other".into())]);
    let alone = NetConfig { underlay_address: None, ..config() };
    let told = Plan::new(&desired(vec![Object::Network(network("net", overlay(&["192.0.2.2"])))]), &alone).failures;
    assert_eq!(told, [PlanFailure::Underlay("net".into())]);
}

#[test]
fn a_network_without_dhcp_has_no_service_namespace() {
    let mut net = network("net", overlay(&[]));
    net.subnets[0].dhcp = false;
    let plan = plan(vec![Object::Network(net)]);
    assert!(plan.namespaces.is_empty() && plan.services.is_empty());
}

#[test]
fn udev_finds_no_tunnel_without_an_address_of_ours() {
    let plan = plan(vec![Object::Network(network("net", overlay(&["192.0.2.2"])))]);
    let tunnel = plan.links.iter().find(|(_, link)| matches!(link.kind, LinkKind::Vxlan(_)));
    assert!(tunnel.unwrap().1.mac.is_some());
}

#[test]
fn another_port_leaves_the_others_rules_alone() {
    let base =
        || vec![Object::Network(network("net", overlay(&[]))), Object::SecurityGroup(group("g", &[Remote::Any], &[]))];
    let one = plan([base(), vec![Object::Port(port("one", 5, &["g"]))]].concat()).filter;
    let both = [base(), vec![Object::Port(port("one", 5, &["g"])), Object::Port(port("two", 6, &["g"]))]].concat();
    let both = plan(both).filter;
    for (old, new, adds) in [(&one, &both, true), (&both, &one, false)] {
        let Delta::Elements(changes) = filter::delta(old, new, Tracking::BrNetfilter) else { panic!("rules") };
        let told: Vec<String> = changes.iter().map(|change| change.element.to_string()).collect();
        assert!(told.len() > 5 && told.iter().all(|element| element.starts_with("\"ht-two\"")), "{told:?}");
        assert!(changes.iter().all(|change| change.add == adds));
    }
    assert_eq!(filter::delta(&both, &both, Tracking::BrNetfilter), Delta::Nothing);
}

#[test]
fn what_is_more_than_elements_is_told_to_nft() {
    let pair = AddressPair { cidr: "10.0.0.128/25".parse().unwrap(), mac: None };
    let plain = port("one", 5, &["g"]);
    let paired = Port { allowed_address_pairs: vec![pair], ..plain.clone() };
    let several = port("one", 5, &["g", "h"]);
    let with = |port: Port| {
        let groups = ["g", "h"].map(|id| Object::SecurityGroup(group(id, &[Remote::Any], &[])));
        plan([groups.to_vec(), vec![Object::Port(port)]].concat()).filter
    };
    for (port, chain) in [(paired, "add chain bridge humilis ps-one"), (several, "add chain bridge humilis pi-one")] {
        let Delta::Script(script) = filter::delta(&with(plain.clone()), &with(port), Tracking::Bridge) else {
            panic!("no rules")
        };
        assert!(script.contains(chain), "{script}");
        assert!(script.contains("delete element bridge humilis "), "{script}");
    }
}

#[test]
fn members_that_come_and_go_are_all_that_changes_of_a_set() {
    let with = |members: &[&str]| {
        let friends = group("friends", &[], members);
        let open = group("g", &[Remote::Group("friends".into())], &[]);
        plan(vec![Object::SecurityGroup(friends), Object::SecurityGroup(open), Object::Port(port("one", 5, &["g"]))])
            .filter
    };
    let (before, after) = (with(&["10.0.0.7", "10.0.0.8"]), with(&["10.0.0.8", "10.0.0.9"]));
    let Delta::Elements(changes) = filter::delta(&before, &after, Tracking::Bridge) else { panic!("rules") };
    let told = changes.iter().map(|change| (change.add, change.element.set.as_str(), change.element.to_string()));
    let (goes, comes) = ((false, "m4-friends", "10.0.0.7".to_owned()), (true, "m4-friends", "10.0.0.9".to_owned()));
    assert_eq!(told.collect::<Vec<_>>(), [goes, comes]);
}

#[test]
fn connections_end_when_less_is_allowed() {
    let state = |remotes: &[Remote], members: &[&str], groups: &[&str]| {
        let friends = group("friends", &[], members);
        let objects = vec![
            Object::SecurityGroup(friends),
            Object::SecurityGroup(group("g", remotes, &[])),
            Object::Port(port("one", 5, groups)),
            Object::Port(port("two", 6, &[])),
        ];
        plan(objects).filter
    };
    let friends = [Remote::Group("friends".into())];
    let (any, both) = ([Remote::Any], [Remote::Any, Remote::Group("friends".into())]);
    for (what, old, new, ends) in [
        ("nothing changed", state(&any, &[], &["g"]), state(&any, &[], &["g"]), false),
        ("a rule more", state(&any, &[], &["g"]), state(&both, &[], &["g"]), false),
        ("a rule less", state(&both, &[], &["g"]), state(&any, &[], &["g"]), true),
        ("a member more", state(&friends, &[], &["g"]), state(&friends, &["10.0.0.9"], &["g"]), false),
        ("a member less", state(&friends, &["10.0.0.9"], &["g"]), state(&friends, &[], &["g"]), true),
        ("a group more", state(&any, &[], &[]), state(&any, &[], &["g"]), false),
        ("a group less", state(&any, &[], &["g"]), state(&any, &[], &[]), true),
        ("of a group it is not in", state(&both, &[], &[]), state(&any, &[], &[]), false),
    ] {
        let doomed = Doomed { zone: 0, address: "10.0.0.5".parse().unwrap() };
        let expected: BTreeSet<Doomed> = ends.then_some(doomed).into_iter().collect();
        assert_eq!(filter::narrowed(&old, &new), expected, "{what}");
    }
}

#[test]
fn zones_differ_between_networks_and_stay() {
    let nets = ["a", "b", "c"].map(|id| Object::Network(network(id, overlay(&[]))));
    let all = plan(nets.to_vec()).filter.zones;
    assert_eq!(all.values().collect::<BTreeSet<_>>().len(), 3);
    let fewer = plan(nets[1..].to_vec()).filter.zones;
    assert!(fewer.iter().all(|(bridge, zone)| all.get(bridge) == Some(zone)));
}
