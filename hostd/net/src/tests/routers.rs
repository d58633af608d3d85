//! Routers: floating addresses, shared translation, the way between networks.

use std::net::{SocketAddr, TcpStream};

use super::lab::*;
use crate::model::*;

const OUTSIDE: &str = "203.0.113.200";

struct Cloud {
    lab: Lab,
    router: Router,
    one: Port,
    two: Port,
}

pub(super) fn interface(number: u32, network: &Network) -> RouterInterface {
    let subnet = &network.subnets[0];
    let address = ipnet::IpNet::new(subnet.gateway.unwrap(), subnet.cidr.prefix_len()).unwrap();
    RouterInterface {
        port: id(number).into(),
        network: network.id.clone(),
        mac: MacAddr([0xfa, 0x16, 0x3e, 0xaa, 0, u8::try_from(number & 0xff).unwrap()]),
        addresses: vec![InterfaceAddress { subnet: subnet.id.clone(), address }],
    }
}

pub(super) fn floating(number: u32, outside: &str, port: &Port) -> FloatingIp {
    FloatingIp {
        id: id(number).into(),
        floating_address: outside.parse().unwrap(),
        fixed_address: port.fixed_ips[0].address,
        port: port.id.clone(),
    }
}

/// A router of one network, which is 203.0.113.10 outside.
pub(super) fn router(network: &Network) -> Router {
    let public = public();
    let gateway = ExternalGateway {
        port: id(0x30).into(),
        network: public.id.clone(),
        mac: MacAddr([0xfa, 0x16, 0x3e, 0xbb, 0, 1]),
        addresses: vec![InterfaceAddress {
            subnet: public.subnets[0].id.clone(),
            address: "203.0.113.10/24".parse().unwrap(),
        }],
        next_hops: vec!["203.0.113.1".parse().unwrap()],
        snat: true,
        snat_here: true,
        snat_host: None,
        snat_for_others: false,
    };
    Router {
        id: id(0x40).into(),
        name: "router".into(),
        admin_up: true,
        interfaces: vec![interface(0x31, network)],
        gateway: Some(gateway),
        floating_ips: Vec::new(),
        routes: Vec::new(),
    }
}

/// Two networks with a guest each behind one router.
fn cloud() -> Cloud {
    let lab = Lab::with_outside();
    let group = group(9, open());
    let (net1, net2, public) = (network(1, "10.1.0.0/24"), network(2, "10.2.0.0/24"), public());
    let router = Router { interfaces: vec![interface(0x31, &net1), interface(0x32, &net2)], ..router(&net1) };
    let (one, two) = (port(0x11, &net1, "10.1.0.5", &[&group]), port(0x12, &net2, "10.2.0.5", &[&group]));
    lab.upsert(vec![
        Object::Network(net1),
        Object::Network(net2),
        Object::Network(public),
        Object::SecurityGroup(group),
        Object::Router(router.clone()),
        Object::Port(one.clone()),
        Object::Port(two.clone()),
    ]);
    Cloud { lab, router, one, two }
}

#[test]
fn networks_meet_at_their_router() {
    let Cloud { lab, router, one, two } = cloud();
    let one = lab.addressed_guest(&one, 24, Some("10.1.0.1"));
    let _two = lab.addressed_guest(&two, 24, Some("10.2.0.1"));
    assert!(one.reaches("10.1.0.1"), "the gateway");
    assert!(one.reaches("10.2.0.5"), "the other network");
    lab.upsert(vec![Object::Router(Router { admin_up: false, ..router })]);
    assert!(!one.pings("10.2.0.5"), "the router is down");
}

#[test]
fn guests_leave_with_the_shared_address() {
    let Cloud { lab, router, one, .. } = cloud();
    let outside = lab.outside(OUTSIDE);
    outside.serve(80);
    let guest = lab.addressed_guest(&one, 24, Some("10.1.0.1"));
    assert_eq!(guest.tcp(OUTSIDE, 80).as_deref(), Some("203.0.113.10"));
    assert!(guest.reaches("203.0.113.1"), "the host");
    world().serve(80);
    assert_eq!(guest.tcp("198.51.100.9", 80).as_deref(), Some("198.51.100.1"), "beyond the host as the host");
    let mut plain = router;
    if let Some(gateway) = &mut plain.gateway {
        gateway.snat = false;
    }
    lab.upsert(vec![Object::Router(plain)]);
    assert_eq!(guest.tcp(OUTSIDE, 80), None, "without translation there is no way back");
}

#[test]
fn floating_addresses_lead_both_ways() {
    let Cloud { lab, mut router, one, two } = cloud();
    let outside = lab.outside(OUTSIDE);
    outside.serve(80);
    let (guest, other) =
        (lab.addressed_guest(&one, 24, Some("10.1.0.1")), lab.addressed_guest(&two, 24, Some("10.2.0.1")));
    guest.serve(80);
    router.floating_ips = vec![floating(0x50, "203.0.113.50", &one)];
    lab.upsert(vec![Object::Router(router.clone())]);

    assert_eq!(outside.tcp("203.0.113.50", 80).as_deref(), Some(OUTSIDE), "in");
    assert_eq!(guest.tcp(OUTSIDE, 80).as_deref(), Some("203.0.113.50"), "out, before the shared address");
    assert_eq!(other.tcp(OUTSIDE, 80).as_deref(), Some("203.0.113.10"), "others leave as before");
    assert!(other.tcp("203.0.113.50", 80).is_some(), "from inside to outside to inside");
    assert!(guest.tcp("203.0.113.50", 80).is_some(), "to itself");

    router.floating_ips.push(floating(0x51, "203.0.113.51", &two));
    lab.upsert(vec![Object::Router(router.clone())]);
    assert_eq!(other.tcp("203.0.113.50", 80).as_deref(), Some("203.0.113.51"));

    guest.echo(7);
    let mut open = outside.inside(|| TcpStream::connect(SocketAddr::from(([203, 0, 113, 50], 7))).unwrap());
    assert!(talks(&mut open));
    router.floating_ips.clear();
    lab.upsert(vec![Object::Router(router)]);
    assert!(!talks(&mut open), "an open connection through a floating address that is no more");
    assert_eq!(outside.tcp("203.0.113.50", 80), None);
    assert_eq!(guest.tcp(OUTSIDE, 80).as_deref(), Some("203.0.113.10"));
}

#[test]
fn nobody_answers_at_a_floating_address_for_a_guest_that_is_not_there() {
    let Cloud { lab, mut router, one, .. } = cloud();
    let outside = lab.outside(OUTSIDE);
    outside.run("ping -i 0.002 -w 3 203.0.113.50 > /run/pings 2>&1 &");
    for _ in 0..5 {
        router.floating_ips = vec![floating(0x50, "203.0.113.50", &one)];
        lab.upsert(vec![Object::Router(router.clone())]);
        std::thread::sleep(std::time::Duration::from_millis(100));
        router.floating_ips.clear();
        lab.upsert(vec![Object::Router(router.clone())]);
    }
    until("the end of the pings", || {
        std::fs::read_to_string("/run/pings").is_ok_and(|said| said.contains("statistics"))
    });
    let said = std::fs::read_to_string("/run/pings").unwrap();
    assert!(!said.contains("bytes from"), "{said}");
}
