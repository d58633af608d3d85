//! A network with one port for the servers' tests: 10.0.0.5 and 2001:db8::5.

use std::collections::BTreeMap;

use crate::mac::MacAddr;
use crate::model::{Ipv6Mode, Route};
use crate::plan::{Client, DhcpSubnet, ServicePlan};

/// The plan and the port's hardware address.
pub(super) fn plan(ipv6_mode: Option<Ipv6Mode>) -> (ServicePlan, MacAddr) {
    let mac = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 5]);
    let subnet = |cidr: &str, server: &str, gateway: &str, routes, ipv6_mode| DhcpSubnet {
        cidr: cidr.parse().unwrap(),
        server: server.parse().unwrap(),
        gateway: Some(gateway.parse().unwrap()),
        dns_servers: vec![server.parse().unwrap()],
        routes,
        ipv6_mode,
    };
    let route = Route { destination: "172.16.0.0/12".parse().unwrap(), next_hop: "10.0.0.9".parse().unwrap() };
    let client = Client {
        port: "p".into(),
        hostname: "web".into(),
        addresses: vec![("s4".into(), "10.0.0.5".parse().unwrap()), ("s6".into(), "2001:db8::5".parse().unwrap())],
        options: BTreeMap::from([("bootfile-name".to_owned(), "pxe.0".to_owned())]),
    };
    let plan = ServicePlan {
        namespace: "hn-test".into(),
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        mtu: 1450,
        domain: "example.org".into(),
        subnets: BTreeMap::from([
            ("s4".into(), subnet("10.0.0.0/24", "10.0.0.2", "10.0.0.1", vec![route], None)),
            ("s6".into(), subnet("2001:db8::/64", "2001:db8::2", "2001:db8::1", Vec::new(), ipv6_mode)),
        ]),
        clients: BTreeMap::from([(mac, client)]),
        names: BTreeMap::new(),
        reverse: BTreeMap::new(),
        askers: BTreeMap::new(),
        interfaces: BTreeMap::new(),
    };
    (plan, mac)
}
