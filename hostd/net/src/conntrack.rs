//! Ends tracked connections, so that they are judged anew by what is allowed now (ctnetlink).
//!
//! The kernel lists all connections; those that match are deleted one by one with the tuple, zone and id that it gave.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::sys::Socket;

use crate::netfilter::{ACK, DONE, DUMP, ERROR, REQUEST, attributes, code, message, messages, open};

/// `NFNL_SUBSYS_CTNETLINK << 8`.
const SUBSYSTEM: u16 = 1 << 8;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;
const TUPLE_ORIG: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const ID: u16 = 12;
const ZONE: u16 = 18;

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
    let socket = open()?;
    let doomed: Vec<Connection> = list(&socket)?.into_iter().filter(matches).collect();
    for connection in &doomed {
        socket.send(&message(DELETE, REQUEST | ACK, 0, [connection.family, 0, 0, 0], &connection.key), 0)?;
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
    socket.send(&message(GET, REQUEST | DUMP, 0, [0; 4], &[]), 0)?;
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
    use crate::netfilter::attribute;

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
        let message = [message(GET, 0, 0, [2, 0, 0, 0], &body[4..]), message(DONE, 0, 0, [0; 4], &[])].concat();
        let found = messages(&message);
        assert_eq!(found.len(), 2);
        let connection = parse(found[0].1).unwrap();
        assert_eq!((connection.family, connection.zone), (2, 0x1234));
        assert!(connection.touches("203.0.113.50".parse().unwrap()));
        assert!(!connection.touches("203.0.113.51".parse().unwrap()));
        let kinds: Vec<u16> = attributes(&connection.key).iter().map(|(kind, ..)| *kind).collect();
        assert_eq!(kinds, [TUPLE_ORIG, ZONE], "the status is not part of its name");
    }
}
