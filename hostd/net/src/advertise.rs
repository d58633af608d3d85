//! Router advertisements (RFC 4861), sent from inside the routers' namespaces: at the start, now and then, and when asked.
//!
//! Owns raw ICMPv6 sockets and a task per interface. The kernel fills in checksum and source address.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket, sockopt};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::error::NetError;
use crate::handle::Convergence;
use crate::ids::RouterId;
use crate::model::ObjectKey;
use crate::netns::Namespaces;
use crate::plan::{Advertisement, Plan, names};

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
/// Seconds for which the router is a default router; three intervals and more.
const LIFETIME: u16 = 1800;
/// Seconds for which a prefix may be used and preferred, as neutron's radvd has it.
const PREFIX_LIFETIME: u32 = 86_400;
const PREFERRED_LIFETIME: u32 = 14_400;
/// Between unasked advertisements.
const INTERVAL: Duration = Duration::from_secs(60);
/// Between the first ones; the link-local address may still be under test.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);
const FIRST: u32 = 4;
/// Between asked ones (MIN_DELAY_BETWEEN_RAS is 3 s for multicast; guests that boot together are few).
const PAUSE: Duration = Duration::from_millis(300);

/// The advertisers of all routers.
pub(crate) struct Advertisers {
    namespaces: Namespaces,
    running: BTreeMap<RouterId, Running>,
}

struct Running {
    advertisements: Arc<Vec<Advertisement>>,
    _tasks: JoinSet<()>,
}

impl Advertisers {
    pub(crate) fn new(namespaces: Namespaces) -> Self {
        Self { namespaces, running: BTreeMap::new() }
    }

    /// Ends what is not planned any more.
    pub(crate) fn stop_stale(&mut self, plan: &Plan) {
        self.running.retain(|router, running| plan.advertisements.get(router) == Some(&running.advertisements));
    }

    /// Starts what is planned.
    pub(crate) async fn converge(&mut self, plan: &Plan, outcome: &mut Convergence) {
        for (router, advertisements) in &plan.advertisements {
            if self.running.contains_key(router) {
                continue;
            }
            match self.start(router, advertisements).await {
                Ok(tasks) => {
                    let running = Running { advertisements: Arc::clone(advertisements), _tasks: tasks };
                    self.running.insert(router.clone(), running);
                }
                Err(error) => outcome.failures.push((Some(ObjectKey::Router(router.clone())), error)),
            }
        }
    }

    async fn start(&self, router: &RouterId, advertisements: &[Advertisement]) -> Result<JoinSet<()>, NetError> {
        let mut tasks = JoinSet::new();
        for advertisement in advertisements {
            let link = advertisement.link.clone();
            let opened = self.namespaces.enter(&names::router_namespace(router), move || Socket::open(&link)).await?;
            tasks.spawn(advertise(opened, message(advertisement)));
        }
        Ok(tasks)
    }
}

/// A raw ICMPv6 socket. The runtime's UDP socket only calls recvfrom and sendto, which raw sockets know as well.
struct Socket {
    inner: UdpSocket,
    all_nodes: SocketAddrV6,
}

impl Socket {
    fn open(link: &str) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Inet6, SockType::Raw, flags, SockProtocol::IcmpV6)?;
        setsockopt(&fd, sockopt::BindToDevice, &link.into())?;
        // Receivers take hop limit 255 as proof that the sender is a neighbour.
        setsockopt(&fd, sockopt::Ipv6Ttl, &255)?;
        setsockopt(&fd, sockopt::Ipv6MulticastHops, &255)?;
        let all_nodes = SocketAddrV6::new(ALL_NODES, 0, 0, if_nametoindex(link)?);
        Ok(Self { inner: UdpSocket::from_std(fd.into())?, all_nodes })
    }

    async fn send(&self, message: &[u8]) -> io::Result<()> {
        self.inner.send_to(message, SocketAddr::V6(self.all_nodes)).await?;
        Ok(())
    }

    /// Waits for a solicitation.
    async fn solicited(&self) -> io::Result<()> {
        let mut buffer = [0; 1500];
        loop {
            let (length, _) = self.inner.recv_from(&mut buffer).await?;
            if length >= 8 && buffer[0] == SOLICITATION {
                return Ok(());
            }
        }
    }
}

async fn advertise(socket: Socket, message: Vec<u8>) {
    let mut sent = 0;
    loop {
        if let Err(error) = socket.send(&message).await {
            tracing::debug!(%error, "router advertisement lost");
        }
        sent += 1;
        let last = Instant::now();
        let next = last + if sent < FIRST { FIRST_INTERVAL } else { INTERVAL };
        tokio::select! {
            () = sleep_until(next) => {}
            // A socket that fails would fail at once again: wait for the timer instead.
            asked = socket.solicited() => sleep_until(if asked.is_ok() { last + PAUSE } else { next }).await,
        }
    }
}

/// The ICMPv6 message.
fn message(plan: &Advertisement) -> Vec<u8> {
    let flags = u8::from(plan.managed) << 7 | u8::from(plan.other) << 6;
    let mut message = vec![ADVERTISEMENT, 0, 0, 0, 64, flags];
    message.extend(LIFETIME.to_be_bytes());
    message.extend([0; 8]);
    // Source link-layer address, MTU.
    message.extend([1, 1]);
    message.extend(plan.mac.0);
    message.extend([5, 1, 0, 0]);
    message.extend(plan.mtu.to_be_bytes());
    for prefix in &plan.prefixes {
        // On link; autonomous.
        let flags = 0x80 | u8::from(prefix.autonomous) << 6;
        message.extend([3, 4, prefix.prefix.prefix_len(), flags]);
        message.extend(PREFIX_LIFETIME.to_be_bytes());
        message.extend(PREFERRED_LIFETIME.to_be_bytes());
        message.extend([0; 4]);
        message.extend(prefix.prefix.network().octets());
    }
    // Recursive DNS servers (RFC 8106); the option's length is a byte in units of 8.
    let servers = &plan.dns_servers[..plan.dns_servers.len().min(100)];
    if let Some(units) = u8::try_from(servers.len() * 2 + 1).ok().filter(|_| !servers.is_empty()) {
        message.extend([25, units, 0, 0]);
        message.extend(u32::from(LIFETIME).to_be_bytes());
        message.extend(servers.iter().flat_map(Ipv6Addr::octets));
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::MacAddr;
    use crate::plan::Prefix;

    #[test]
    fn flags_prefixes_and_servers_are_told() {
        let plan = Advertisement {
            link: "in-1".into(),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu: 1450,
            managed: false,
            other: true,
            prefixes: vec![Prefix { prefix: "2001:db8::/64".parse().unwrap(), autonomous: true }],
            dns_servers: vec!["2001:db8::53".parse().unwrap()],
        };
        let message = message(&plan);
        assert_eq!(message.len(), 16 + 8 + 8 + 32 + 24);
        assert_eq!(message[5], 0x40);
        assert_eq!(message[28..32], [0, 0, 5, 0xaa]);
        assert_eq!(message[32..36], [3, 4, 64, 0xc0]);
        assert_eq!(message[64..66], [25, 3]);
    }
}
