//! Anti-spoofing and security groups.

use super::lab::*;
use crate::model::*;

const TCP: Option<u8> = Some(6);

#[test]
fn forged_sources_are_dropped() {
    let lab = Lab::new();
    let (net, group) = (network(1, "10.1.0.0/24"), group(9, open()));
    let (a, b) = (port(2, &net, "10.1.0.5", &[&group]), port(3, &net, "10.1.0.6", &[&group]));
    lab.upsert(vec![
        Object::Network(net),
        Object::SecurityGroup(group),
        Object::Port(a.clone()),
        Object::Port(b.clone()),
    ]);
    let (evil, good) = (lab.addressed_guest(&a, 24, None), lab.addressed_guest(&b, 24, None));
    assert!(evil.reaches("10.1.0.6"), "its own address works");

    evil.ip("addr add 10.1.0.7/24 dev eth0");
    assert!(!evil.run("busybox ping -c 1 -W 1 -I 10.1.0.7 10.1.0.6").status.success(), "another's address");
    assert!(!good.pings("10.1.0.7"), "nor does it answer for it");
    let pair = AddressPair { cidr: "10.1.0.7/32".parse().unwrap(), mac: None };
    lab.upsert(vec![Object::Port(Port { allowed_address_pairs: vec![pair], ..a.clone() })]);
    assert!(good.reaches("10.1.0.7"), "unless it is allowed to");

    evil.ip("link set eth0 address fa:16:00:00:66:66");
    assert!(!evil.pings("10.1.0.6"), "another's hardware address");
    lab.upsert(vec![Object::Port(Port { port_security: false, ..a.clone() })]);
    assert!(evil.reaches("10.1.0.6"), "unless nobody cares");
}

#[test]
fn a_port_that_comes_later_is_filtered_as_those_before() {
    let lab = Lab::new();
    let (net, group) = (network(1, "10.1.0.0/24"), group(9, open()));
    let (a, b) = (port(2, &net, "10.1.0.5", &[&group]), port(3, &net, "10.1.0.6", &[&group]));
    lab.upsert(vec![Object::Network(net), Object::SecurityGroup(group), Object::Port(a.clone())]);
    let good = lab.addressed_guest(&a, 24, None);
    lab.upsert(vec![Object::Port(b.clone())]);
    let evil = lab.addressed_guest(&b, 24, None);
    assert!(evil.reaches("10.1.0.5"), "its own address works");
    evil.ip("addr add 10.1.0.7/24 dev eth0");
    assert!(!evil.run("busybox ping -c 1 -W 1 -I 10.1.0.7 10.1.0.5").status.success(), "another's address");
    let moved = FixedIp { address: "10.1.0.7".parse().unwrap(), ..b.fixed_ips[0].clone() };
    lab.upsert(vec![Object::Port(Port { fixed_ips: vec![moved], ..b.clone() })]);
    assert!(good.reaches("10.1.0.7"), "it is its own now");
    assert!(!good.pings("10.1.0.6"), "and the other one is not");

    let elements = || nft("list table bridge humilis");
    assert!(elements().contains("\"ht-00000003-11\" . "), "{}", elements());
    lab.remove(vec![ObjectKey::Port(b.id.clone())]);
    assert!(!elements().contains("ht-00000003"), "{}", elements());
    assert!(elements().contains("\"ht-00000002-11\" . "));
}

#[test]
fn guests_serve_no_dhcp() {
    let lab = Lab::new();
    let mut net = network(1, "10.1.0.0/24");
    net.subnets[0].dhcp = false;
    let group = group(9, open());
    let (a, b) = (port(2, &net, "10.1.0.5", &[&group]), port(3, &net, "10.1.0.6", &[&group]));
    lab.upsert(vec![
        Object::Network(net),
        Object::SecurityGroup(group),
        Object::Port(a.clone()),
        Object::Port(b.clone()),
    ]);
    let (evil, good) = (lab.addressed_guest(&a, 24, None), lab.guest(&b));
    std::fs::write("/run/udhcpd.conf", "start 10.1.0.66\nend 10.1.0.66\ninterface eth0\nlease_file /run/leases\n")
        .unwrap();
    evil.run("touch /run/leases; busybox udhcpd -S /run/udhcpd.conf");
    let ask = || good.run("busybox udhcpc -i eth0 -q -n -t 2 -T 1 -s /bin/true").status.success();
    assert!(!ask(), "a guest's offer arrived");
    lab.upsert(vec![Object::Port(Port { port_security: false, ..a })]);
    assert!(ask(), "the forger was no forger: this test cannot fail");
}

#[test]
fn groups_let_in_what_they_say_and_replies() {
    let lab = Lab::new();
    let net = network(1, "10.1.0.0/24");
    let closed = group(8, outgoing());
    let web = group(9, [outgoing(), vec![rule(Direction::Ingress, TCP, Some(80), Remote::Any)]].concat());
    let (a, b) = (port(2, &net, "10.1.0.5", &[&closed]), port(3, &net, "10.1.0.6", &[&web]));
    let objects = [Object::Network(net), Object::SecurityGroup(closed), Object::SecurityGroup(web.clone())];
    lab.upsert([objects.to_vec(), vec![Object::Port(a.clone()), Object::Port(b.clone())]].concat());
    let (client, server) = (lab.addressed_guest(&a, 24, None), lab.addressed_guest(&b, 24, None));
    server.serve(80);
    server.serve(81);
    client.serve(80);

    assert!(client.tcp("10.1.0.6", 80).is_some(), "an allowed port");
    assert!(client.tcp("10.1.0.6", 81).is_none(), "another port");
    assert!(!client.pings("10.1.0.6"), "another protocol");
    assert!(server.tcp("10.1.0.5", 80).is_none(), "the other way");

    let mut ping = web.clone();
    ping.rules.push(rule(Direction::Ingress, Some(1), None, Remote::Any));
    lab.upsert(vec![Object::SecurityGroup(ping)]);
    assert!(client.reaches("10.1.0.6"), "a rule is added");
    lab.upsert(vec![Object::SecurityGroup(web)]);
    assert!(!client.pings("10.1.0.6"), "a rule is taken away");

    lab.upsert(vec![Object::Port(Port { security_groups: Vec::new(), ..a })]);
    assert!(client.tcp("10.1.0.6", 80).is_none(), "no group, no way out");
}

#[test]
fn remote_groups_follow_their_members() {
    let lab = Lab::new();
    let net = network(1, "10.1.0.0/24");
    let mut friends = group(8, outgoing());
    let server_group = group(9, vec![rule(Direction::Ingress, None, None, Remote::Group(friends.id.clone()))]);
    let (a, b) = (port(2, &net, "10.1.0.5", &[&friends]), port(3, &net, "10.1.0.6", &[&server_group]));
    let objects = [Object::Network(net), Object::SecurityGroup(friends.clone()), Object::SecurityGroup(server_group)];
    lab.upsert([objects.to_vec(), vec![Object::Port(a.clone()), Object::Port(b.clone())]].concat());
    let (client, _server) = (lab.addressed_guest(&a, 24, None), lab.addressed_guest(&b, 24, None));
    assert!(!client.pings("10.1.0.6"));
    friends.member_addresses = vec!["10.1.0.5".parse().unwrap()];
    lab.upsert(vec![Object::SecurityGroup(friends.clone())]);
    assert!(client.reaches("10.1.0.6"));
    friends.member_addresses = vec!["10.1.0.99".parse().unwrap()];
    lab.upsert(vec![Object::SecurityGroup(friends)]);
    assert!(!client.pings("10.1.0.6"));
}

#[test]
fn tenants_with_the_same_addresses_do_not_meet() {
    let lab = Lab::new();
    let group = group(9, open());
    let (one, two) = (network(1, "10.1.0.0/24"), network(2, "10.1.0.0/24"));
    let ports = [
        port(0x10, &one, "10.1.0.5", &[&group]),
        port(0x11, &one, "10.1.0.6", &[&group]),
        port(0x20, &two, "10.1.0.5", &[&group]),
    ];
    let mut objects = vec![Object::Network(one), Object::Network(two), Object::SecurityGroup(group)];
    objects.extend(ports.iter().cloned().map(Object::Port));
    lab.upsert(objects);
    let guests: Vec<Guest> = ports.iter().map(|port| lab.addressed_guest(port, 24, None)).collect();
    assert!(guests[0].reaches("10.1.0.6"));
    assert!(!guests[2].pings("10.1.0.6"));
}
