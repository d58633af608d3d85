//! A host in a network namespace, and guests behind its taps. All of it goes with the test's process: network and mount
//! namespaces are the test thread's own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use tokio::runtime::Runtime;

use crate::metadata::{GuestMetadata, Keep, MetadataTable, NotKept};
use crate::model::*;
use crate::netns::Namespaces;
use crate::{Convergence, Item, NetConfig, NetHandle, PhysicalNetwork};

/// A host.
pub(super) struct Lab {
    pub(super) runtime: Runtime,
    pub(super) net: NetHandle,
    pub(super) metadata: Arc<MetadataTable>,
    /// Passwords that guests made.
    pub(super) passwords: Arc<Mutex<Vec<(String, String)>>>,
    config: NetConfig,
}

impl Lab {
    /// A host with nothing on it but an empty complete state.
    pub(super) fn new() -> Self {
        Self::with_config(NetConfig::default())
    }

    /// With the physical network `public` on bridge `br-ex`, the host being 203.0.113.1 on it.
    pub(super) fn with_outside() -> Self {
        let public = PhysicalNetwork {
            interface: "br-ex".into(),
            create: true,
            host_addresses: vec!["203.0.113.1/24".parse().unwrap()],
            masquerade: true,
        };
        Self::with_config(NetConfig {
            physical_networks: BTreeMap::from([("public".to_owned(), public)]),
            ..NetConfig::default()
        })
    }

    pub(super) fn with_config(config: NetConfig) -> Self {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("tests of hostd-net run as root");
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
        ip("link set lo up");
        let config = NetConfig { resolvers: vec!["127.0.0.1:5353".parse().unwrap()], ..config };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let passwords = Arc::new(Mutex::default());
        let metadata = Arc::new(MetadataTable::new(keeper(Arc::clone(&passwords))));
        let net = runtime.block_on(NetHandle::start(config.clone(), Arc::clone(&metadata) as _)).unwrap();
        let lab = Self { runtime, net, metadata, passwords, config };
        lab.complete(Vec::new());
        lab
    }

    /// Ends the actor and takes all away, twice.
    pub(super) fn dismantle(self) {
        drop(self.net);
        self.runtime.block_on(crate::dismantle(&self.config)).unwrap();
        self.runtime.block_on(crate::dismantle(&self.config)).unwrap();
    }

    /// As after a restart of the daemon: another actor, no memory.
    pub(super) fn restart(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        self.net = runtime.block_on(NetHandle::start(self.config.clone(), Arc::clone(&self.metadata) as _)).unwrap();
        let old = std::mem::replace(&mut self.runtime, runtime);
        old.shutdown_timeout(Duration::from_secs(2));
    }

    pub(super) fn complete(&self, upserts: Vec<Object>) {
        self.clean(self.change(Changes { complete: true, upserts, removals: Vec::new() }));
    }

    pub(super) fn upsert(&self, upserts: Vec<Object>) {
        self.clean(self.change(Changes { complete: false, upserts, removals: Vec::new() }));
    }

    pub(super) fn remove(&self, removals: Vec<ObjectKey>) {
        self.clean(self.change(Changes { complete: false, upserts: Vec::new(), removals }));
    }

    pub(super) fn change(&self, changes: Changes) -> Convergence {
        self.runtime.block_on(self.net.apply(changes)).unwrap()
    }

    fn clean(&self, outcome: Convergence) {
        assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    }

    pub(super) fn converge(&self) {
        self.clean(self.runtime.block_on(self.net.converge()).unwrap());
    }

    pub(super) fn inventory(&self) -> Vec<Item> {
        self.runtime.block_on(self.net.inventory()).unwrap()
    }

    pub(super) fn audit(&self) -> Vec<Item> {
        self.runtime.block_on(self.net.audit()).unwrap()
    }

    /// Starts the port's guest: a namespace with an interface `eth0` behind the port's tap.
    pub(super) fn guest(&self, port: &Port) -> Guest {
        let prepared = self.runtime.block_on(self.net.prepare_port(&port.id)).unwrap();
        let namespace = format!("guest-{}", &port.id.as_str()[..8]);
        ip(&format!("netns add {namespace}"));
        let namespaces = Namespaces::new(PathBuf::from("/run/netns"));
        let open = || crate::sys::open_tap("eth0");
        let inside = self.runtime.block_on(namespaces.enter(&namespace, open)).unwrap();
        cable(prepared.tap, inside);
        let guest = Guest { namespace, name: port.id.clone() };
        guest.ip(&format!("link set eth0 address {} mtu {}", prepared.mac, prepared.mtu));
        guest.ip("link set lo up");
        guest.ip("link set eth0 up");
        guest
    }

    /// A guest with its first address set by hand.
    pub(super) fn addressed_guest(&self, port: &Port, prefix: u8, gateway: Option<&str>) -> Guest {
        let guest = self.guest(port);
        let address = port.fixed_ips[0].address;
        let nodad = if address.is_ipv6() { "nodad" } else { "" };
        guest.ip(&format!("addr add {address}/{prefix} dev eth0 {nodad}"));
        if let Some(gateway) = gateway {
            guest.ip(&format!("route add default via {gateway}"));
        }
        guest
    }

    /// Somebody on the physical network.
    pub(super) fn outside(&self, address: &str) -> Guest {
        ip("netns add outside");
        ip("link add out0 type veth peer name eth0 netns outside");
        ip("link set out0 master br-ex up");
        let outside = Guest { namespace: "outside".into(), name: "outside".into() };
        outside.ip("link set lo up");
        outside.ip("link set eth0 up");
        outside.ip(&format!("addr add {address}/24 dev eth0"));
        outside
    }
}

/// Somebody beyond the host: 198.51.100.9, who knows the host as 198.51.100.1 and nobody else.
pub(super) fn world() -> Guest {
    ip("netns add world");
    ip("link add world0 type veth peer name eth0 netns world");
    ip("link set world0 up");
    ip("addr add 198.51.100.1/24 dev world0");
    let world = Guest { namespace: "world".into(), name: "world".into() };
    world.ip("link set eth0 up");
    world.ip("addr add 198.51.100.9/24 dev eth0");
    world
}

/// Copies frames, header and all, between two taps until either is gone.
fn cable(one: OwnedFd, other: OwnedFd) {
    let (one, other) = (File::from(one), File::from(other));
    for (mut from, mut to) in [(one.try_clone().unwrap(), other.try_clone().unwrap()), (other, one)] {
        thread::spawn(move || {
            let mut frame = vec![0; 70_000];
            loop {
                let mut fds = [PollFd::new(std::os::fd::AsFd::as_fd(&from), PollFlags::POLLIN)];
                if poll(&mut fds, PollTimeout::NONE).is_err() {
                    return;
                }
                match from.read(&mut frame) {
                    Ok(length) => drop(to.write(&frame[..length])),
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                    // The link is down; it may come up again.
                    Err(e) if e.raw_os_error() == Some(libc::EIO) => thread::sleep(Duration::from_millis(5)),
                    Err(_) => return,
                }
            }
        });
    }
}

/// A namespace that plays a machine.
pub(super) struct Guest {
    namespace: String,
    pub(super) name: PortId,
}

impl Guest {
    pub(super) fn ip(&self, arguments: &str) {
        ip(&format!("-n {} {arguments}", self.namespace));
    }

    pub(super) fn run(&self, command: &str) -> Output {
        let output = Command::new("ip").args(["netns", "exec", &self.namespace, "sh", "-c", command]).output();
        output.unwrap()
    }

    /// Standard output of a command that succeeds.
    pub(super) fn text(&self, command: &str) -> String {
        let output = self.run(command);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {command}: {errors}", self.name);
        String::from_utf8(output.stdout).unwrap()
    }

    pub(super) fn pings(&self, address: &str) -> bool {
        self.run(&format!("busybox ping -c 1 -W 1 {address}")).status.success()
    }

    /// Pings until there is an answer, for five seconds: the machine may be busy.
    pub(super) fn reaches(&self, address: &str) -> bool {
        (0..5).any(|_| self.pings(address))
    }

    /// What a TCP server says; `None` if there is no connection.
    pub(super) fn tcp(&self, address: &str, port: u16) -> Option<String> {
        let to = SocketAddr::new(address.parse().unwrap(), port);
        self.inside(move || {
            let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(1)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).ok()?;
            Some(text)
        })
    }

    /// A TCP server that tells each client its address.
    pub(super) fn serve(&self, port: u16) {
        let listener = self.inside(move || TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut stream = stream;
                let from = stream.peer_addr().unwrap().ip().to_canonical();
                drop(write!(stream, "{from}"));
            }
        });
    }

    /// A TCP server that says what it is told.
    pub(super) fn echo(&self, port: u16) {
        let listener = self.inside(move || TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            drop(std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
        });
    }

    /// Runs the work in the guest's namespace.
    pub(super) fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.namespace)).unwrap();
        let inside = move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        };
        thread::spawn(inside).join().unwrap()
    }

    /// The body at the path of the metadata service; `None` if it is not 200.
    pub(super) fn metadata(&self, path: &str) -> Option<String> {
        let (status, body) = self.ask_metadata("GET", path, "");
        (status == "200").then_some(body)
    }

    /// Status and body of what the metadata service says to a request.
    pub(super) fn ask_metadata(&self, method: &str, path: &str, body: &str) -> (String, String) {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n");
        let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
        let answer = self.inside(move || {
            let to = SocketAddr::from(([169, 254, 169, 254], 80));
            let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(2)).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
    }
}

/// Whether an echo answers on the connection.
pub(super) fn talks(connection: &mut TcpStream) -> bool {
    let mut answer = [0; 2];
    connection.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    connection.write_all(b"hi").is_ok() && connection.read_exact(&mut answer).is_ok() && answer == *b"hi"
}

/// Waits at most five seconds.
pub(super) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within 5 s");
        thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

pub(super) fn nft(command: &str) -> String {
    let output = Command::new("nft").arg(command).output().unwrap();
    assert!(output.status.success(), "nft {command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// An id that is a UUID in form; `number` makes it unlike others in its first bytes.
pub(super) fn id(number: u32) -> String {
    format!("{number:08x}-1111-4222-8333-444444444444")
}

pub(super) fn network(number: u32, cidr: &str) -> Network {
    Network {
        id: id(number).into(),
        name: format!("net{number}"),
        mtu: 1450,
        segment: Segment::Overlay { vni: number, remotes: Vec::new() },
        subnets: vec![subnet(number, cidr)],
        dns_domain: "example.org.".into(),
        external: false,
    }
}

/// The gateway is the first address, the service address the second.
pub(super) fn subnet(number: u32, cidr: &str) -> Subnet {
    let cidr: ipnet::IpNet = cidr.parse().unwrap();
    let mut hosts = cidr.hosts();
    if cidr.addr().is_ipv6() {
        hosts.next();
    }
    let ipv6 = cidr.addr().is_ipv6().then_some(Ipv6Mode::Slaac);
    Subnet {
        id: id(number + 0x1000).into(),
        cidr,
        gateway: hosts.next(),
        dhcp: true,
        service_address: hosts.next(),
        dns_servers: Vec::new(),
        host_routes: Vec::new(),
        ipv6_address_mode: ipv6,
        ipv6_ra_mode: ipv6,
    }
}

pub(super) fn public() -> Network {
    Network {
        segment: Segment::Flat { physical_network: "public".into() },
        subnets: vec![Subnet { dhcp: false, service_address: None, ..subnet(0xee, "203.0.113.0/24") }],
        mtu: 1500,
        external: true,
        ..network(0xee, "203.0.113.0/24")
    }
}

pub(super) fn port(number: u32, network: &Network, address: &str, groups: &[&SecurityGroup]) -> Port {
    let [a, b, c, d] = number.to_be_bytes();
    Port {
        id: id(number).into(),
        network: network.id.clone(),
        mac: MacAddr([0xfa, 0x16, a ^ b, c, d, 1]),
        fixed_ips: vec![FixedIp { subnet: network.subnets[0].id.clone(), address: address.parse().unwrap() }],
        port_security: true,
        security_groups: groups.iter().map(|group| group.id.clone()).collect(),
        allowed_address_pairs: Vec::new(),
        admin_up: true,
        guest_id: format!("guest-{number}"),
        extra_dhcp_options: BTreeMap::new(),
        dns_name: String::new(),
    }
}

pub(super) fn group(number: u32, rules: Vec<SecurityRule>) -> SecurityGroup {
    SecurityGroup {
        id: id(number).into(),
        name: format!("group{number}"),
        rules,
        stateful: true,
        member_addresses: Vec::new(),
    }
}

pub(super) fn rule(direction: Direction, protocol: Option<u8>, port: Option<u16>, remote: Remote) -> SecurityRule {
    SecurityRule { id: String::new(), direction, ipv6: false, protocol, port_min: port, port_max: port, remote }
}

/// Everything out, nothing in: what neutron's default group has for strangers.
pub(super) fn outgoing() -> Vec<SecurityRule> {
    let v4 = rule(Direction::Egress, None, None, Remote::Any);
    vec![SecurityRule { ipv6: true, ..v4.clone() }, v4]
}

/// Everything both ways.
pub(super) fn open() -> Vec<SecurityRule> {
    let v4 = rule(Direction::Ingress, None, None, Remote::Any);
    [outgoing(), vec![SecurityRule { ipv6: true, ..v4.clone() }, v4]].concat()
}

/// Keeps one password of each guest.
fn keeper(kept: Arc<Mutex<Vec<(String, String)>>>) -> Box<Keep> {
    Box::new(move |guest, password| {
        let mut kept = kept.lock().unwrap();
        let known = kept.iter().any(|(other, _)| *other == guest);
        if !known {
            kept.push((guest, password));
        }
        Box::pin(std::future::ready(if known { Err(NotKept::AlreadySet) } else { Ok(()) }))
    })
}

pub(super) fn metadata(port: &Port) -> GuestMetadata {
    GuestMetadata {
        uuid: port.guest_id.clone(),
        hostname: "web".into(),
        ec2_instance_id: "i-0000002a".into(),
        user_data: b"#!/bin/sh\necho hi\n".to_vec(),
        ports: vec![port.id.clone()],
        ..GuestMetadata::default()
    }
}
