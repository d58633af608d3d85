//! One ICMP echo request.

use anyhow::{Context, Result, bail};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, setsockopt, socket,
    sockopt::ReceiveTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

const REQUEST: u8 = 8;
const REPLY: u8 = 0;
const ATTEMPTS: u16 = 5;

/// Asks up to five times, a second each.
pub(super) fn ping(address: Ipv4Addr) -> Result<Duration> {
    let socket = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp)?;
    setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(1))?;
    let [a, b, c, d] = address.octets();
    for sequence in 0..ATTEMPTS {
        let start = Instant::now();
        sendto(socket.as_raw_fd(), &request(sequence), &SockaddrIn::new(a, b, c, d, 0), MsgFlags::empty())?;
        let mut packet = [0; 128];
        while let Ok(length) = recv(socket.as_raw_fd(), &mut packet, MsgFlags::empty()) {
            if is_reply(&packet[..length], sequence).context("a packet is cut short")? {
                return Ok(start.elapsed());
            }
        }
    }
    bail!("{address} does not answer pings")
}

fn request(sequence: u16) -> [u8; 16] {
    let mut packet = [0; 16];
    packet[0] = REQUEST;
    packet[6..8].copy_from_slice(&sequence.to_be_bytes());
    packet[8..].copy_from_slice(b"humilis!");
    let words = packet.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum = words.sum::<u32>();
    let folded = (sum & 0xffff) + (sum >> 16);
    packet[2..4].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    packet
}

fn is_reply(packet: &[u8], sequence: u16) -> Option<bool> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let message = packet.get(header..header + 16)?;
    Some(message[0] == REPLY && message[6..8] == sequence.to_be_bytes() && message[8..] == *b"humilis!")
}
