//! Messages of the kernel's packet filter (nfnetlink): how they are framed.

use std::io;

use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

pub(crate) const DONE: u16 = 3;
pub(crate) const ERROR: u16 = 2;
pub(crate) const REQUEST: u16 = 0x1;
pub(crate) const ACK: u16 = 0x4;
pub(crate) const DUMP: u16 = 0x300;
pub(crate) const CREATE: u16 = 0x400;
/// Flag of an attribute that holds attributes.
pub(crate) const NESTED: u16 = 0x8000;
const TYPE_MASK: u16 = 0x3fff;
/// netlink header and nfgenmsg.
const HEADER: usize = 20;

/// A socket in the calling thread's namespace.
pub(crate) fn open() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

/// A message of this kind; the attributes follow nfgenmsg: family, version, resource.
pub(crate) fn message(kind: u16, flags: u16, sequence: u32, general: [u8; 4], attributes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + attributes.len()).unwrap_or_default();
    let mut bytes = Vec::with_capacity(HEADER + attributes.len());
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(general);
    bytes.extend(attributes);
    bytes
}

/// The messages in a buffer: kind and what follows the netlink header.
pub(crate) fn messages(mut buffer: &[u8]) -> Vec<(u16, &[u8])> {
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
pub(crate) fn attributes(mut buffer: &[u8]) -> Vec<(u16, &[u8], &[u8])> {
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

/// The errno of an answer, negative; 0: it is well.
pub(crate) fn code(body: &[u8]) -> i32 {
    body.first_chunk().map_or(-libc::EBADMSG, |bytes| i32::from_ne_bytes(*bytes))
}

/// An attribute with its padding.
pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(value.len() + 4).unwrap_or_default().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torn_messages_are_not_read_past_their_end() {
        let whole = message(1, 0, 0, [2, 0, 0, 0], &attribute(1, &[1; 9]));
        for length in 0..whole.len() {
            assert!(messages(&whole[..length]).is_empty(), "{length}");
        }
        assert!(attributes(&[0, 0, 1, 0]).is_empty(), "a length of zero does not loop");
    }
}
