//! Ends tracked connections, so that they are judged anew by what is allowed now (ctnetlink).
//!
//! The kernel lists all connections; those that match are deleted one by one with the tuple, zone and id that it gave.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

/// `NFNL_SUBSYS_CTNETLINK << 8`.
const SUBSYSTEM: u16 = 1 << 8;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;
const DONE: u16 = 3;
const ERROR: u16 = 2;
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;
const TUPLE_ORIG: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const ID: u16 = 12;
const ZONE: u16 = 18;
const TYPE_MASK: u16 = 0x3fff;
/// netlink header and nfgenmsg.
const HEADER: usize = 20;

/// A tracked connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    family: u8,
    pub(crate) zone: u16,
    /// Source and destination of the first direction, then of the answers.
    pub(crate) original: (Option<IpAddr>, Option<IpAddr>),
    pub(crate) reply: (Option<IpAddr>, Option<IpAddr>),
    /// The attributes that name it.
    key: Vec<u8>,
}

impl Connection {
    /// Whether it has the address on any side, before or after translation.
    pub(crate) fn touches(&self, address: IpAddr) -> bool {
        let sides = [self.original.0, self.original.1, self.reply.0, self.reply.1];
        sides.contains(&Some(address))
    }
}

/// Ends the connections of the calling thread's namespace that match. Returns how many.
pub(crate) fn cut(matches: impl Fn(&Connection) -> bool) -> io::Result<usize> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let doomed: Vec<Connection> = list(&socket)?.into_iter().filter(matches).collect();
    for connection in &doomed {
        socket.send(&message(DELETE, REQUEST | ACK, connection.family, &connection.key), 0)?;
        let (answer, _) = socket.recv_from_full()?;
        match acknowledged(&answer) {
            // It ended by itself.
            Some(0) | None => {}
            Some(code) if code == -libc::ENOENT => {}
            Some(code) => return Err(io::Error::from_raw_os_error(-code)),
        }
    }
    Ok(doomed.len())
}

fn list(socket: &Socket) -> io::Result<Vec<Connection>> {
    socket.send(&message(GET, REQUEST | DUMP, 0, &[]), 0)?;
    let mut found = Vec::new();
    loop {
        let (buffer, _) = socket.recv_from_full()?;
        for (kind, body) in messages(&buffer) {
            match kind {
                DONE => return Ok(found),
                ERROR => return Err(io::Error::from_raw_os_error(-code(body))),
                _ => found.extend(parse(body)),
            }
        }
    }
}

fn message(kind: u16, flags: u16, family: u8, attributes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + attributes.len()).unwrap_or_default();
    let mut bytes = Vec::with_capacity(HEADER + attributes.len());
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, 0, 0, 0]);
    bytes.extend(attributes);
    bytes
}

/// The messages in a buffer: kind and what follows the netlink header.
fn messages(mut buffer: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let Some(&[a, b, c, d, e, f, ..]) = buffer.first_chunk::<16>() {
        let length = u32::from_ne_bytes([a, b, c, d]) as usize;
        let Some(body) = buffer.get(16..length) else { break };
        found.push((u16::from_ne_bytes([e, f]), body));
        buffer = buffer.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// The attributes in a buffer: kind, value, and the whole with its padding.
fn attributes(mut buffer: &[u8]) -> Vec<(u16, &[u8], &[u8])> {
    let mut found = Vec::new();
    while let Some(&[a, b, c, d]) = buffer.first_chunk() {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let Some(value) = buffer.get(4..length) else { break };
        let end = length.next_multiple_of(4).min(buffer.len());
        found.push((u16::from_ne_bytes([c, d]) & TYPE_MASK, value, &buffer[..end]));
        buffer = &buffer[end..];
    }
    found
}

fn code(body: &[u8]) -> i32 {
    body.first_chunk().map_or(-libc::EBADMSG, |bytes| i32::from_ne_bytes(*bytes))
}

fn acknowledged(buffer: &[u8]) -> Option<i32> {
    messages(buffer).first().filter(|(kind, _)| *kind == ERROR).map(|(_, body)| code(body))
}

/// A connection from nfgenmsg and attributes.
fn parse(body: &[u8]) -> Option<Connection> {
    let (&family, rest) = (body.first()?, body.get(4..)?);
    let mut connection = Connection { family, zone: 0, original: (None, None), reply: (None, None), key: Vec::new() };
    for (kind, value, whole) in attributes(rest) {
        match kind {
            TUPLE_ORIG => connection.original = addresses(value),
            TUPLE_REPLY => connection.reply = addresses(value),
            ZONE => connection.zone = value.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes)),
            _ => {}
        }
        if matches!(kind, TUPLE_ORIG | ZONE | ID) {
            connection.key.extend(whole);
        }
    }
    Some(connection)
}

/// Source and destination of a tuple; CTA_TUPLE_IP is its first part.
fn addresses(tuple: &[u8]) -> (Option<IpAddr>, Option<IpAddr>) {
    let mut found = (None, None);
    let addresses = attributes(tuple).into_iter().filter(|(kind, ..)| *kind == 1);
    for (kind, value, _) in addresses.flat_map(|(_, value, _)| attributes(value)) {
        let address = match value.len() {
            4 => value.first_chunk::<4>().map(|ip| IpAddr::V4(Ipv4Addr::from(*ip))),
            _ => value.first_chunk::<16>().map(|ip| IpAddr::V6(Ipv6Addr::from(*ip))),
        };
        match kind {
            1 | 3 => found.0 = address,
            2 | 4 => found.1 = address,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn tuple(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
        attribute(0x8001, &[attribute(1, &source), attribute(2, &destination)].concat())
    }

    #[test]
    fn a_listed_connection_is_read() {
        let body = [
            vec![2, 0, 0, 0],
            attribute(0x8000 | TUPLE_ORIG, &tuple([10, 0, 0, 5], [203, 0, 113, 9])),
            attribute(0x8000 | TUPLE_REPLY, &tuple([203, 0, 113, 9], [203, 0, 113, 50])),
            attribute(3, &[0, 0, 0, 8]),
            attribute(ZONE, &[0x12, 0x34]),
        ]
        .concat();
        let message = [message(GET, 0, 2, &body[4..]), message(DONE, 0, 0, &[])].concat();
        let found = messages(&message);
        assert_eq!(found.len(), 2);
        let connection = parse(found[0].1).unwrap();
        assert_eq!((connection.family, connection.zone), (2, 0x1234));
        assert!(connection.touches("203.0.113.50".parse().unwrap()));
        assert!(!connection.touches("203.0.113.51".parse().unwrap()));
        let kinds: Vec<u16> = attributes(&connection.key).iter().map(|(kind, ..)| *kind).collect();
        assert_eq!(kinds, [TUPLE_ORIG, ZONE], "the status is not part of its name");
    }

    #[test]
    fn torn_messages_are_not_read_past_their_end() {
        let whole = message(GET, 0, 2, &attribute(TUPLE_ORIG, &tuple([1; 4], [2; 4])));
        for length in 0..whole.len() {
            assert!(messages(&whole[..length]).is_empty(), "{length}");
        }
        assert!(attributes(&[0, 0, 1, 0]).is_empty(), "a length of zero does not loop");
    }
}
