//! Two hosts with an overlay network between them.

use std::sync::mpsc;
use std::thread;

use super::lab::*;
use crate::NetConfig;
use crate::model::*;

type Work = Box<dyn FnOnce(&Lab) + Send>;

/// A host on a thread of its own, which is in the host's namespaces.
struct Host {
    work: mpsc::Sender<Work>,
    thread: i32,
}

impl Host {
    fn new(underlay: &str) -> Self {
        let config = NetConfig { underlay_address: Some(underlay.parse().unwrap()), ..NetConfig::default() };
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

#[test]
fn guests_on_two_hosts_share_a_network_and_nothing_floods() {
    let (one, two) = (Host::new("192.0.2.1"), Host::new("192.0.2.2"));
    let peer = two.thread;
    one.run(move |_| {
        ip(&format!("link add under type veth peer name under netns {peer}"));
        ip("addr add 192.0.2.1/24 dev under");
        ip("link set under up");
    });
    two.run(|_| {
        ip("addr add 192.0.2.2/24 dev under");
        ip("link set under up");
    });
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
