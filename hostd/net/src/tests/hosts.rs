//! Two hosts with an overlay network between them.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;

use super::lab::*;
use super::routers::{floating, interface, router};
use crate::model::*;
use crate::{NetConfig, PhysicalNetwork};

type Work = Box<dyn FnOnce(&Lab) + Send>;

/// A host on a thread of its own, which is in the host's namespaces.
struct Host {
    work: mpsc::Sender<Work>,
    thread: i32,
}

impl Host {
    fn new(underlay: &str) -> Self {
        let public = PhysicalNetwork { interface: "br-ex".into(), create: true, ..PhysicalNetwork::default() };
        let config = NetConfig {
            underlay_address: Some(underlay.parse().unwrap()),
            physical_networks: BTreeMap::from([("public".to_owned(), public)]),
            ..NetConfig::default()
        };
        let (work, queue) = mpsc::channel::<Work>();
        let (started, thread) = mpsc::channel();
        thread::spawn(move || {
            let lab = Lab::with_config(config);
            started.send(nix::unistd::gettid().as_raw()).unwrap();
            queue.into_iter().for_each(|work| work(&lab));
        });
        Self { work, thread: thread.recv().unwrap() }
    }

    fn run<T: Send + 'static>(&self, work: impl FnOnce(&Lab) -> T + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        self.work.send(Box::new(move |lab| done.send(work(lab)).unwrap())).unwrap();
        result.recv().expect("the host's thread did not panic")
    }
}

fn remote(port: &Port, host: &str) -> RemotePort {
    let addresses = port.fixed_ips.iter().map(|fixed| fixed.address).collect();
    RemotePort { mac: port.mac, addresses, host_address: host.parse().unwrap() }
}

fn with_remotes(net: &Network, remotes: Vec<RemotePort>) -> Object {
    Object::Network(Network { segment: Segment::Overlay { vni: 77, remotes }, ..net.clone() })
}

/// Two hosts on one underlay, and on one external network.
fn pair() -> (Host, Host) {
    let (one, two) = (Host::new("192.0.2.1"), Host::new("192.0.2.2"));
    let peer = two.thread;
    one.run(move |_| {
        ip(&format!("link add under type veth peer name under netns {peer}"));
        ip(&format!("link add ext type veth peer name ext netns {peer}"));
        ip("addr add 192.0.2.1/24 dev under");
    });
    two.run(|_| ip("addr add 192.0.2.2/24 dev under"));
    for host in [&one, &two] {
        host.run(|_| {
            ip("link set under up");
            ip("link set ext master br-ex up");
        });
    }
    (one, two)
}

#[test]
fn guests_on_two_hosts_share_a_network_and_nothing_floods() {
    let (one, two) = pair();
    let (net, group) = (network(1, "10.1.0.0/24"), group(9, open()));
    let (a, b) = (port(0x11, &net, "10.1.0.5", &[&group]), port(0x12, &net, "10.1.0.6", &[&group]));
    let start = |port: Port, remotes: Vec<RemotePort>| {
        let objects =
            vec![with_remotes(&net, remotes), Object::SecurityGroup(group.clone()), Object::Port(port.clone())];
        move |lab: &Lab| {
            lab.upsert(objects);
            lab.addressed_guest(&port, 24, None)
        }
    };
    let guest = one.run(start(a.clone(), vec![remote(&b, "192.0.2.2")]));
    two.run(start(b, vec![remote(&a, "192.0.2.1")]));

    let guest =
        one.run(move |_| guest.reaches("10.1.0.6").then_some(guest)).expect("the guest on the other host answers");
    let received = || two.run(|_| std::fs::read_to_string("/proc/thread-self/net/dev").unwrap());
    let packets = |text: String| -> u64 {
        let line = text.lines().find(|line| line.contains("hx-")).unwrap().to_owned();
        line.split_whitespace().nth(2).unwrap().parse().unwrap()
    };
    let before = packets(received());
    let guest = one.run(move |_| (!guest.pings("10.1.0.99")).then_some(guest)).expect("nobody is there");
    assert_eq!(packets(received()), before, "a question for an unknown address crossed the underlay");

    let alone = with_remotes(&net, Vec::new());
    one.run(move |lab| {
        lab.upsert(vec![alone]);
        assert!(!guest.pings("10.1.0.6"), "the other host has nobody any more");
        assert!(!lab.inventory().iter().any(|item| item.to_string().contains("hx-")));
    });
}

/// A router's part of the desired state: it is on both hosts, and this one holds its shared address or the other does.
fn seen_from(router: &Router, holder: Option<&str>) -> Router {
    let mut router = router.clone();
    if let Some(gateway) = &mut router.gateway {
        gateway.snat_here = holder.is_none();
        gateway.snat_host = holder.map(|address| address.parse().unwrap());
        gateway.snat_for_others = holder.is_none();
    }
    router
}

#[test]
fn guests_leave_by_the_host_that_holds_the_shared_address() {
    const OUTSIDE: &str = "203.0.113.200";
    let (one, two) = pair();
    let outside = one.run(|lab| {
        let outside = lab.outside(OUTSIDE);
        outside.serve(80);
        outside
    });
    let (net1, net2, group) = (network(1, "10.1.0.0/24"), network(2, "10.2.0.0/24"), group(9, open()));
    let (here, there, far) = (
        port(0x11, &net1, "10.1.0.5", &[&group]),
        port(0x12, &net1, "10.1.0.6", &[&group]),
        port(0x13, &net2, "10.2.0.6", &[&group]),
    );
    let router = Router { interfaces: vec![interface(0x31, &net1), interface(0x32, &net2)], ..router(&net1) };
    // The first host has a guest in the first network alone, the second host in both.
    let with = |net: &Network, vni, remotes| {
        Object::Network(Network { segment: Segment::Overlay { vni, remotes }, ..net.clone() })
    };
    let common = vec![Object::Network(public()), Object::SecurityGroup(group.clone())];
    let on_one = [
        vec![
            with(&net1, 77, vec![remote(&there, "192.0.2.2")]),
            with(&net2, 78, vec![remote(&far, "192.0.2.2")]),
            Object::Port(here.clone()),
            Object::Router(seen_from(&router, None)),
        ],
        common.clone(),
    ]
    .concat();
    let on_two = [
        vec![
            with(&net1, 77, vec![remote(&here, "192.0.2.1")]),
            with(&net2, 78, Vec::new()),
            Object::Port(there.clone()),
            Object::Port(far.clone()),
            Object::Router(seen_from(&router, Some("192.0.2.1"))),
        ],
        common,
    ]
    .concat();
    let guest = here.clone();
    let here_guest = one.run(move |lab| {
        lab.upsert(on_one);
        lab.addressed_guest(&guest, 24, Some("10.1.0.1"))
    });
    let guest = there.clone();
    let (there_guest, far_guest) = two.run(move |lab| {
        lab.upsert(on_two);
        (lab.addressed_guest(&guest, 24, Some("10.1.0.1")), lab.addressed_guest(&far, 24, Some("10.2.0.1")))
    });
    // The machine may be busy.
    let leaves = |guest: &Guest| (0..5).find_map(|_| guest.tcp(OUTSIDE, 80));
    let (there_guest, far_guest) = two.run(move |_| {
        assert_eq!(leaves(&there_guest).as_deref(), Some("203.0.113.10"), "by the other host");
        assert_eq!(
            leaves(&far_guest).as_deref(),
            Some("203.0.113.10"),
            "also from a network where that one has no guest"
        );
        assert!(far_guest.reaches("10.1.0.5"), "routed to a guest on the other host");
        (there_guest, far_guest)
    });

    // A floating address leaves where its guest is; the others as before.
    let mut floats = seen_from(&router, Some("192.0.2.1"));
    floats.floating_ips = vec![floating(0x50, "203.0.113.50", &there)];
    let (there_guest, far_guest) = two.run(move |lab| {
        lab.upsert(vec![Object::Router(floats)]);
        assert_eq!(leaves(&there_guest).as_deref(), Some("203.0.113.50"), "its own way");
        assert_eq!(leaves(&far_guest).as_deref(), Some("203.0.113.10"), "the shared way");
        assert!(far_guest.reaches("10.1.0.5"), "inside stays inside");
        lab.converge();
        assert_eq!(leaves(&there_guest).as_deref(), Some("203.0.113.50"), "after a look at the kernel");
        there_guest.serve(80);
        (there_guest, far_guest)
    });
    let mut holds = seen_from(&router, None);
    holds.floating_ips = vec![floating(0x51, "203.0.113.51", &here)];
    let outside = one.run(move |lab| {
        assert_eq!(outside.tcp("203.0.113.50", 80).as_deref(), Some(OUTSIDE), "in");
        lab.upsert(vec![Object::Router(holds)]);
        here_guest.serve(80);
        assert_eq!(outside.tcp("203.0.113.51", 80).as_deref(), Some(OUTSIDE), "in to the holder's guest");
        outside
    });

    // The holder is missed, and knows nothing of it; this host becomes it.
    one.run(|_| ip("link set under down"));
    let mut held = seen_from(&router, None);
    held.floating_ips = vec![floating(0x50, "203.0.113.50", &there)];
    two.run(move |lab| {
        lab.upsert(vec![Object::Router(held)]);
        assert_eq!(leaves(&far_guest).as_deref(), Some("203.0.113.10"), "here now");
        assert_eq!(leaves(&there_guest).as_deref(), Some("203.0.113.50"));
        assert_eq!(lab.audit(), []);
    });
    let reached = one.run(move |_| outside.tcp("203.0.113.51", 80));
    assert_eq!(reached.as_deref(), Some(OUTSIDE), "the old holder's guests keep their floating addresses");
}
