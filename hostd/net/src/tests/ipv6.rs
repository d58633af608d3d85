//! IPv6: advertisements, addresses, neighbour discovery.

use super::lab::*;
use crate::model::*;

/// The address that a guest makes of a /64.
fn eui64(prefix: &str, mac: MacAddr) -> std::net::Ipv6Addr {
    let (prefix, host) = (prefix.parse::<ipnet::Ipv6Net>().unwrap().network(), mac.link_local());
    let bytes: [u8; 16] = [&prefix.octets()[..8], &host.octets()[8..]].concat().try_into().unwrap();
    bytes.into()
}

fn routed() -> (Lab, Port, Port) {
    let lab = Lab::new();
    let group = group(9, open());
    let nets = [network(1, "2001:db8:1::/64"), network(2, "2001:db8:2::/64")];
    let interfaces = nets.iter().zip(1..).map(|(net, number)| RouterInterface {
        port: id(0x30 + u32::from(number)).into(),
        network: net.id.clone(),
        mac: MacAddr([0xfa, 0x16, 0x3e, 0xaa, 0, number]),
        addresses: vec![InterfaceAddress {
            subnet: net.subnets[0].id.clone(),
            address: ipnet::IpNet::new(net.subnets[0].gateway.unwrap(), 64).unwrap(),
        }],
    });
    let router = Router {
        id: id(0x40).into(),
        name: String::new(),
        admin_up: true,
        interfaces: interfaces.collect(),
        gateway: None,
        floating_ips: Vec::new(),
        routes: Vec::new(),
    };
    let ports = [(0x11, &nets[0]), (0x12, &nets[1])].map(|(number, net)| {
        let mut port = port(number, net, "::1", &[&group]);
        port.fixed_ips[0].address = eui64(&net.subnets[0].cidr.to_string(), port.mac).into();
        port
    });
    let [one, two] = ports.clone();
    let mut objects = vec![Object::SecurityGroup(group), Object::Router(router)];
    objects.extend(nets.into_iter().map(Object::Network));
    objects.extend(ports.into_iter().map(Object::Port));
    lab.upsert(objects);
    (lab, one, two)
}

#[test]
fn guests_configure_themselves_and_reach_other_networks() {
    let (lab, one, two) = routed();
    let guests = [lab.guest(&one), lab.guest(&two)];
    for (guest, port) in guests.iter().zip([&one, &two]) {
        let address = port.fixed_ips[0].address.to_string();
        // "tentative" while duplicate address detection runs.
        until("the guest has its address", || {
            let text = guest.text("ip -6 -o addr show dev eth0 scope global");
            text.contains(&address) && !text.contains("tentative")
        });
    }
    let two_address = two.fixed_ips[0].address.to_string();
    assert!(guests[0].reaches("2001:db8:1::1"), "the gateway");
    until("the way through the router", || guests[0].pings(&two_address));
    assert!(guests[0].text("ip -6 route show default").contains("proto ra"));
    let mtu = guests[0].text("cat /proc/sys/net/ipv6/conf/eth0/mtu");
    assert_eq!(mtu.trim(), "1450");
}

#[test]
fn metadata_answer_at_the_link_local_address() {
    let (lab, one, _) = routed();
    lab.metadata.set_guest(metadata(&one));
    let guest = lab.guest(&one);
    let fetch = || {
        guest.inside(|| {
            use std::io::{Read, Write};
            let index = nix::net::if_::if_nametoindex("eth0").unwrap();
            let to = std::net::SocketAddrV6::new("fe80::a9fe:a9fe".parse().unwrap(), 80, 0, index);
            let mut stream =
                std::net::TcpStream::connect_timeout(&to.into(), std::time::Duration::from_secs(1)).ok()?;
            stream.write_all(b"GET /latest/meta-data/instance-id HTTP/1.0\r\n\r\n").ok()?;
            let mut text = String::new();
            stream.read_to_string(&mut text).ok()?;
            Some(text)
        })
    };
    until("the metadata over IPv6", || fetch().is_some_and(|text| text.ends_with("\r\n\r\ni-0000002a")));
}

#[test]
fn forged_neighbours_and_routers_are_dropped() {
    let lab = Lab::new();
    let (mut net, group) = (network(1, "2001:db8:1::/64"), group(9, open()));
    net.subnets[0].ipv6_ra_mode = None;
    let (a, b) = (port(2, &net, "2001:db8:1::5", &[&group]), port(3, &net, "2001:db8:1::6", &[&group]));
    lab.upsert(vec![
        Object::Network(net),
        Object::SecurityGroup(group),
        Object::Port(a.clone()),
        Object::Port(b.clone()),
    ]);
    let (evil, good) = (lab.addressed_guest(&a, 64, None), lab.addressed_guest(&b, 64, None));
    assert!(evil.reaches("2001:db8:1::6"));
    evil.ip("addr add 2001:db8:1::7/64 dev eth0 nodad");
    assert!(!good.pings("2001:db8:1::7"), "it advertises an address that is not its own");

    let advertise = || {
        evil.inside(|| {
            use nix::sys::socket::*;
            let fd = socket(AddressFamily::Inet6, SockType::Raw, SockFlag::empty(), SockProtocol::IcmpV6).unwrap();
            setsockopt(&fd, sockopt::Ipv6MulticastHops, &255).unwrap();
            let index = nix::net::if_::if_nametoindex("eth0").unwrap();
            let to = std::net::SocketAddrV6::new("ff02::1".parse().unwrap(), 0, 0, index);
            let message = [134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
            std::net::UdpSocket::from(fd).send_to(&message, std::net::SocketAddr::V6(to)).unwrap();
        });
    };
    let fooled = || good.text("ip -6 route show default").contains("proto ra");
    until("an advertisement comes from a link-local address", || !evil.text("ip -6 addr").contains("tentative"));
    advertise();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(!fooled());
    lab.upsert(vec![Object::Port(Port { port_security: false, ..a })]);
    advertise();
    until("the forger is a forger", fooled);
}
