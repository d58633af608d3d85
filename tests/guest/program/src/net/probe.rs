//! Questions to other hosts on behalf of a test: does this address answer pings, does that port accept, what does this name mean.

use super::echo::buffered;
use crate::clock;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::dns::{self, GetQueryResultError, QueryHandle};
use smoltcp::socket::icmp;
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::wire::{DnsQueryType, Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, IpAddress, Ipv6Address};

/// Microseconds that a probe waits.
const PATIENCE: u64 = 5_000_000;
const BUFFER: usize = 512;
/// Bytes of a ping that names no other number, and the most there may be: no packet is cut into parts.
const PAYLOAD: usize = 16;
const LONGEST_PAYLOAD: usize = 1472;
const EPHEMERAL: u16 = 50_000;

/// Where the probe goes out.
pub struct Exit<'a> {
    /// The interface's stack.
    pub stack: &'a mut Interface,
    /// Its sockets.
    pub sockets: &'a mut SocketSet<'static>,
    /// The name servers of its lease.
    pub dns: &'a [IpAddress],
}

enum Kind {
    Connect,
    Ping,
    Resolve(QueryHandle),
}

/// A question that is under way.
pub struct Probe {
    socket: SocketHandle,
    kind: Kind,
    started: u64,
}

impl Probe {
    /// Asks `connect ADDRESS PORT`, `ping ADDRESS [BYTES]` or `resolve NAME`; `None` if the words are none of these.
    pub fn start(words: &[&str], exit: &mut Exit<'_>) -> Option<Result<Self, String>> {
        let address = |text: &str| text.parse::<IpAddress>().map_err(|()| "error no address".to_string());
        let result = match *words {
            ["connect", to, port] => address(to).and_then(|to| connect(to, port, exit)),
            ["ping", to] => address(to).and_then(|to| ping(to, PAYLOAD, exit)),
            ["ping", to, bytes] => match bytes.parse() {
                Ok(bytes) if bytes <= LONGEST_PAYLOAD => address(to).and_then(|to| ping(to, bytes, exit)),
                _ => Err("error no length".to_string()),
            },
            ["resolve", name] => resolve(name, exit),
            _ => return None,
        };
        Some(result.map(|(socket, kind)| Self { socket, kind, started: clock::now() }))
    }

    /// The answer, once there is one.
    pub fn answer(&self, exit: &mut Exit<'_>) -> Option<String> {
        let spent = clock::now() - self.started;
        let done = || format!("ok {} us", spent);
        let found = match self.kind {
            Kind::Connect => match exit.sockets.get_mut::<Socket<'_>>(self.socket).state() {
                State::SynSent => None,
                State::Closed => Some("error refused".to_string()),
                _ => Some(done()),
            },
            Kind::Ping => exit.sockets.get_mut::<icmp::Socket<'_>>(self.socket).recv().ok().map(|_| done()),
            Kind::Resolve(query) => {
                match exit.sockets.get_mut::<dns::Socket<'_>>(self.socket).get_query_result(query) {
                    Ok(addresses) => Some(addresses.iter().map(ToString::to_string).collect::<vec::Vec<_>>().join(" ")),
                    Err(GetQueryResultError::Pending) => None,
                    Err(GetQueryResultError::Failed) => Some("error no such name".to_string()),
                }
            }
        };
        found.or_else(|| (spent > PATIENCE).then(|| "error no answer".to_string()))
    }

    /// Ends the probe; returns its socket, which may go once the stack was polled: a connection is reset by then.
    pub fn end(self, exit: &mut Exit<'_>) -> SocketHandle {
        if matches!(self.kind, Kind::Connect) {
            exit.sockets.get_mut::<Socket<'_>>(self.socket).abort();
        }
        self.socket
    }
}

type Started = Result<(SocketHandle, Kind), String>;

fn connect(to: IpAddress, port: &str, exit: &mut Exit<'_>) -> Started {
    let port: u16 = port.parse().map_err(|_| "error no port")?;
    let mut socket = buffered(BUFFER);
    let own = EPHEMERAL + clock::entropy() as u16 % 10_000;
    socket.connect(exit.stack.context(), (to, port), own).map_err(|error| format!("error {error:?}"))?;
    Ok((exit.sockets.add(socket), Kind::Connect))
}

fn ping(to: IpAddress, bytes: usize, exit: &mut Exit<'_>) -> Started {
    let data: &[u8] = &vec![b'.'; bytes];
    let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY], vec![0; bytes + BUFFER]);
    let mut socket = icmp::Socket::new(buffer(), buffer());
    let ident = clock::entropy() as u16;
    socket.bind(icmp::Endpoint::Ident(ident)).map_err(|error| format!("error {error:?}"))?;
    let checksums = ChecksumCapabilities::default();
    match to {
        IpAddress::Ipv4(_) => {
            let request = Icmpv4Repr::EchoRequest { ident, seq_no: 1, data };
            let room = socket.send(request.buffer_len(), to).map_err(|error| format!("error {error:?}"))?;
            request.emit(&mut Icmpv4Packet::new_unchecked(room), &checksums);
        }
        IpAddress::Ipv6(address) => {
            let from: Ipv6Address = exit.stack.get_source_address_ipv6(&address);
            let request = Icmpv6Repr::EchoRequest { ident, seq_no: 1, data };
            let room = socket.send(request.buffer_len(), to).map_err(|error| format!("error {error:?}"))?;
            request.emit(&from, &address, &mut Icmpv6Packet::new_unchecked(room), &checksums);
        }
    }
    Ok((exit.sockets.add(socket), Kind::Ping))
}

fn resolve(name: &str, exit: &mut Exit<'_>) -> Started {
    let mut socket = dns::Socket::new(exit.dns, vec![]);
    let query = socket.start_query(exit.stack.context(), name, DnsQueryType::A);
    let query = query.map_err(|error| format!("error {error:?}"))?;
    Ok((exit.sockets.add(socket), Kind::Resolve(query)))
}
