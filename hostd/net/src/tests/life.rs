//! Restart, removal, leftovers.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::lab::*;
use crate::model::*;
use crate::{Item, NetError};

fn small_cloud() -> (Vec<Object>, Port, Port) {
    let (net, group) = (network(1, "10.1.0.0/24"), group(9, open()));
    let (a, b) = (port(2, &net, "10.1.0.5", &[&group]), port(3, &net, "10.1.0.6", &[&group]));
    let objects =
        vec![Object::Network(net), Object::SecurityGroup(group), Object::Port(a.clone()), Object::Port(b.clone())];
    (objects, a, b)
}

/// All links with their indexes: one that was made anew has another.
fn links() -> String {
    let output = std::process::Command::new("ip").args(["-o", "link"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn converging_again_changes_nothing() {
    let lab = Lab::new();
    let (objects, a, _) = small_cloud();
    lab.upsert(objects.clone());
    let _guest = lab.guest(&a);
    let before = (lab.inventory(), links());
    lab.converge();
    lab.complete(objects);
    assert_eq!((lab.inventory(), links()), before);
}

#[test]
fn a_restart_disturbs_nobody() {
    let mut lab = Lab::new();
    let (objects, a, b) = small_cloud();
    lab.upsert(objects.clone());
    let (client, server) = (lab.addressed_guest(&a, 24, None), lab.addressed_guest(&b, 24, None));
    server.echo(7);
    let mut connection = client.inside(|| TcpStream::connect(SocketAddr::from(([10, 1, 0, 6], 7))).unwrap());
    let before = links();
    let mut talks = || talks(&mut connection);
    assert!(talks());
    lab.restart();
    assert!(talks(), "before anything is known");
    assert_eq!(links(), before, "nothing is removed before the state is known to be complete");
    lab.complete(objects.clone());
    assert!(talks(), "adopted");
    assert_eq!(links(), before);

    let closed: Vec<Object> = objects
        .into_iter()
        .map(|object| match object {
            Object::SecurityGroup(g) => Object::SecurityGroup(SecurityGroup { rules: outgoing(), ..g }),
            other => other,
        })
        .collect();
    lab.complete(closed);
    assert!(!client.pings("10.1.0.6"), "what is new is not let through");
    assert!(!talks(), "nor is what was let through before");
}

#[test]
fn services_come_back_after_a_restart() {
    let mut lab = Lab::new();
    let (objects, a, _) = small_cloud();
    lab.metadata.set_guest(metadata(&a));
    lab.upsert(objects.clone());
    let guest = lab.addressed_guest(&a, 24, Some("10.1.0.2"));
    assert_eq!(guest.metadata("/latest/meta-data/instance-id").as_deref(), Some("i-0000002a"));
    lab.restart();
    lab.complete(objects);
    assert_eq!(guest.metadata("/latest/meta-data/instance-id").as_deref(), Some("i-0000002a"));
}

#[test]
fn nothing_is_left_behind() {
    let lab = Lab::new();
    let (objects, a, _) = small_cloud();
    let clean = links();
    lab.upsert(objects.clone());
    let guest = lab.guest(&a);
    assert!(lab.inventory().len() > 10);
    lab.runtime.block_on(lab.net.release_port(&a.id)).unwrap();
    lab.runtime.block_on(lab.net.release_port(&a.id)).unwrap();
    assert!(!links().contains("ht-"), "the tap goes even if it is held");
    let keys = objects.iter().map(|object| match object {
        Object::Network(o) => ObjectKey::Network(o.id.clone()),
        Object::Port(o) => ObjectKey::Port(o.id.clone()),
        Object::SecurityGroup(o) => ObjectKey::SecurityGroup(o.id.clone()),
        Object::Router(o) => ObjectKey::Router(o.id.clone()),
    });
    lab.remove(keys.collect());
    assert_eq!(lab.inventory(), [], "by removals");
    assert_eq!(links(), clean);
    drop(guest);

    lab.upsert(objects);
    lab.complete(Vec::new());
    assert_eq!(lab.inventory(), [], "by an empty complete state");
}

#[test]
fn nothing_stays_of_a_host_that_is_dismantled() {
    let lab = Lab::with_outside();
    let (objects, a, _) = small_cloud();
    lab.upsert(objects);
    let _guest = lab.guest(&a);
    ip("link add mine type bridge");
    lab.dismantle();
    let left: Vec<_> = links().lines().map(|line| line.split(": ").nth(1).unwrap().to_owned()).collect();
    assert_eq!(left, ["lo", "mine"]);
    let tables = std::process::Command::new("nft").args(["list", "tables"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&tables.stdout), "");
}

#[test]
fn planted_leftovers_are_found_and_swept() {
    let lab = Lab::new();
    let (objects, ..) = small_cloud();
    lab.upsert(objects.clone());
    ip("link add hb-planted type bridge");
    ip("netns add hr-planted");
    ip("link add mine type bridge");
    nft("add chain bridge humilis pi-planted");
    nft("add element bridge humilis egress { \"ht-planted\" : accept }");
    nft("add element bridge humilis own-v4 { \"ht-planted\" . fa:16:3e:00:00:01 . 10.1.0.66 }");
    let planted = [
        Item::Link("hb-planted".into()),
        Item::Namespace("hr-planted".into()),
        Item::Filter("ht-planted".into()),
        Item::Filter("own-v4 \"ht-planted\" . fa:16:3e:00:00:01 . 10.1.0.66".into()),
        Item::Filter("pi-planted".into()),
    ];
    assert_eq!(lab.audit(), planted);
    lab.converge();
    assert_eq!(lab.audit(), []);
    assert!(links().contains(": mine:"), "what is not ours stays");
}

#[test]
fn what_others_tear_down_is_mended() {
    let lab = Lab::new();
    let (objects, a, b) = small_cloud();
    lab.metadata.set_guest(metadata(&a));
    lab.upsert(objects);
    let (client, _server) = (lab.addressed_guest(&a, 24, Some("10.1.0.2")), lab.addressed_guest(&b, 24, None));
    nft("flush ruleset");
    ip("link del hs-00000001-11");
    lab.converge();
    assert!(client.reaches("10.1.0.6"));
    assert_eq!(client.metadata("/latest/meta-data/instance-id").as_deref(), Some("i-0000002a"));
    client.ip("addr add 10.1.0.7/24 dev eth0");
    assert!(!client.run("busybox ping -c 1 -W 1 -I 10.1.0.7 10.1.0.6").status.success(), "the filter is back");
    client.ip("addr del 10.1.0.7/24 dev eth0");
    nft("flush set bridge humilis own-mac");
    assert!(!client.pings("10.1.0.6"));
    lab.converge();
    assert!(client.reaches("10.1.0.6"));
}

/// The actor is ended at any moment of making and of removing; the next one mends what it finds.
#[test]
fn an_end_at_any_moment_is_mended() {
    let mut lab = Lab::with_outside();
    let (mut objects, a, b) = small_cloud();
    objects.extend([Object::Network(public()), Object::Router(super::routers::router(&network(1, "10.1.0.0/24")))]);
    for round in 0..24 {
        let upserts = if round % 2 == 0 { objects.clone() } else { Vec::new() };
        let net = lab.net.clone();
        lab.runtime.spawn(async move { net.apply(Changes { complete: true, upserts, removals: Vec::new() }).await });
        std::thread::sleep(Duration::from_millis(round * 4));
        lab.restart();
        // Names of namespaces without a namespace are what an end between two system calls leaves.
        std::fs::write(format!("/run/netns/hn-{}", id(1)), "").ok();
        if round % 4 > 1 {
            lab.complete(Vec::new());
            assert_eq!(lab.inventory(), [], "round {round}");
        }
    }
    lab.complete(objects);
    assert_eq!(lab.audit(), []);
    let (one, _two) = (lab.addressed_guest(&a, 24, Some("10.1.0.1")), lab.addressed_guest(&b, 24, None));
    assert!(one.reaches("10.1.0.6"), "the network");
    assert!(one.reaches("203.0.113.1"), "the way out");
}

#[test]
fn a_tap_is_given_once() {
    let lab = Lab::new();
    let (objects, a, _) = small_cloud();
    lab.upsert(objects);
    let prepare = |port: &PortId| lab.runtime.block_on(lab.net.prepare_port(port));
    let first = prepare(&a.id).unwrap();
    assert_eq!((first.mac, first.mtu), (a.mac, 1450));
    assert!(matches!(prepare(&a.id), Err(NetError::TapBusy(_))));
    assert!(matches!(prepare(&"nobody".into()), Err(NetError::UnknownPort(_))));
    drop(first);
    assert!(!links().contains("ht-"), "the tap goes with its process");
    prepare(&a.id).unwrap();
}

#[test]
fn a_port_that_is_down_is_down() {
    let lab = Lab::new();
    let (objects, a, b) = small_cloud();
    lab.upsert(objects);
    let (one, _two) = (lab.addressed_guest(&a, 24, None), lab.addressed_guest(&b, 24, None));
    lab.upsert(vec![Object::Port(Port { admin_up: false, ..a.clone() })]);
    assert!(!one.pings("10.1.0.6"));
    lab.upsert(vec![Object::Port(a)]);
    until("the port is up again", || one.pings("10.1.0.6"));
}

#[test]
fn ports_are_ready_quickly() {
    let lab = Lab::new();
    let (objects, a, _) = small_cloud();
    let start = Instant::now();
    lab.upsert(objects.clone());
    let first = start.elapsed();
    let more = Port { id: id(0x77).into(), mac: MacAddr([0xfa, 0x16, 9, 9, 9, 9]), ..a.clone() };
    let start = Instant::now();
    lab.upsert(vec![Object::Port(more)]);
    let port = start.elapsed();
    let start = Instant::now();
    let _prepared = lab.runtime.block_on(lab.net.prepare_port(&a.id)).unwrap();
    let tap = start.elapsed();
    eprintln!("network {first:?}, port {port:?}, tap {tap:?}");
    // Generous, since tests share the machine; alone it is about a tenth of it.
    assert!(port < Duration::from_millis(200) && tap < Duration::from_millis(100), "{port:?} {tap:?}");
}
