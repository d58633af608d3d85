//! DHCP, DNS and metadata as guests see them.

use super::lab::*;
use crate::metadata::GuestMetadata;
use crate::model::*;

#[test]
fn a_guest_boots_from_the_network() {
    let lab = Lab::new();
    let (net, group) = (network(1, "10.1.0.0/24"), group(9, outgoing()));
    let mut web = port(2, &net, "10.1.0.5", &[&group]);
    web.dns_name = "web".into();
    web.extra_dhcp_options.insert("ntp-server".into(), "10.1.0.9".into());
    lab.metadata.set_guest(metadata(&web));
    lab.upsert(vec![Object::Network(net.clone()), Object::SecurityGroup(group), Object::Port(web.clone())]);
    let guest = lab.guest(&web);

    let script = "/run/udhcpc.sh";
    std::fs::write(
        script,
        "#!/bin/sh\n[ $1 = bound ] || exit 0\nset > /run/lease\nip addr add $ip/$mask dev $interface\n",
    )
    .unwrap();
    guest.text(&format!(
        "chmod +x {script}; busybox udhcpc -i eth0 -q -n -t 3 -T 1 -s {script} -O staticroutes -O mtu -O ntpsrv"
    ));
    let lease = std::fs::read_to_string("/run/lease").unwrap();
    for wanted in [
        "ip='10.1.0.5'",
        "mask='24'",
        "serverid='10.1.0.2'",
        "router='10.1.0.1'",
        "dns='10.1.0.2'",
        "domain='example.org'",
        "mtu='1450'",
        "hostname='web'",
        "ntpsrv='10.1.0.9'",
        "staticroutes='169.254.169.254/32 10.1.0.2 0.0.0.0/0 10.1.0.1'",
    ] {
        assert!(lease.contains(wanted), "{wanted} in {lease}");
    }

    guest.ip("route add 169.254.169.254/32 via 10.1.0.2");
    let json = guest.metadata("/openstack/latest/meta_data.json").unwrap();
    assert!(json.contains("\"hostname\":\"web.novalocal\""), "{json}");
    assert_eq!(guest.metadata("/2009-04-04/meta-data/instance-id").unwrap(), "i-0000002a");
    assert_eq!(guest.metadata("/latest/meta-data/local-ipv4").unwrap(), "10.1.0.5");
    assert_eq!(guest.metadata("/latest/user-data").unwrap(), "#!/bin/sh\necho hi\n");
    assert_eq!(guest.metadata("/openstack/latest/nothing"), None);

    assert!(guest.text("busybox nslookup web.example.org 10.1.0.2").contains("10.1.0.5"));
    assert!(guest.text("busybox nslookup 10.1.0.5 10.1.0.2").contains("web.example.org"));
    assert!(lab.audit().is_empty());
}

#[test]
fn only_known_clients_are_served() {
    let lab = Lab::new();
    let net = network(1, "10.1.0.0/24");
    let mut stranger = port(2, &net, "10.1.0.5", &[]);
    stranger.port_security = false;
    lab.upsert(vec![Object::Network(net.clone()), Object::Port(stranger.clone())]);
    let guest = lab.guest(&stranger);
    guest.ip("link set eth0 address fa:16:99:99:99:99");
    assert!(!guest.run("busybox udhcpc -i eth0 -q -n -t 2 -T 1 -s /bin/true").status.success());
    guest.ip(&format!("link set eth0 address {}", stranger.mac));
    assert!(guest.run("busybox udhcpc -i eth0 -q -n -t 3 -T 1 -s /bin/true").status.success());
}

#[test]
fn a_guest_posts_its_password_once() {
    const PASSWORD: &str = "/openstack/2013-10-17/password";
    let lab = Lab::new();
    let net = network(1, "10.1.0.0/24");
    let web = port(2, &net, "10.1.0.5", &[]);
    lab.metadata.set_guest(metadata(&web));
    lab.upsert(vec![Object::Network(net), Object::Port(web.clone())]);
    let guest = lab.guest(&web);
    guest.ip("addr add 10.1.0.5/24 dev eth0");
    guest.ip("route add 169.254.169.254/32 via 10.1.0.2");
    let post = |path: &str, body: &str| guest.ask_metadata("POST", path, body).0;

    assert_eq!(guest.metadata(PASSWORD).as_deref(), Some(""));
    assert_eq!(post("/openstack/2012-08-10/password", "x"), "405", "it came with 2013-04-04");
    assert_eq!(post("/openstack/latest/meta_data.json", "x"), "405");
    assert_eq!(post(PASSWORD, &"x".repeat(1021)), "400");
    assert!(lab.passwords.lock().unwrap().is_empty());
    assert_eq!(post(PASSWORD, "c2VjcmV0"), "200");
    assert_eq!(*lab.passwords.lock().unwrap(), [(web.guest_id.clone(), "c2VjcmV0".to_owned())]);
    assert_eq!(post(PASSWORD, "other"), "409", "whoever keeps it says so");

    lab.metadata.set_guest(GuestMetadata { guest_password: "c2VjcmV0".into(), ..metadata(&web) });
    assert_eq!(guest.metadata(PASSWORD).as_deref(), Some("c2VjcmV0"));
    assert_eq!(post(PASSWORD, "other"), "409");
}
