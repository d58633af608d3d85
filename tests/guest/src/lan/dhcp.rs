//! A DHCP server for a handful of guests: the address follows from the hardware address.

use super::{BRIDGE, GATEWAY, GLANCE, METADATA, MTU};
use anyhow::Result;
use dhcproto::v4::{DhcpOption, Message, MessageType, Opcode};
use dhcproto::{Decodable, Decoder, Encodable};
use ipnet::Ipv4Net;
use nix::sys::socket::{setsockopt, sockopt::BindToDevice};
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};

const CLIENT: (Ipv4Addr, u16) = (Ipv4Addr::BROADCAST, 68);
const LEASE: u32 = 3600;

/// The server.
pub(super) struct Server(UdpSocket);

impl Server {
    /// Binds in the caller's namespace.
    pub(super) fn bind() -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 67))?;
        socket.set_broadcast(true)?;
        socket.set_read_timeout(Some(GLANCE))?;
        setsockopt(&socket, BindToDevice, &BRIDGE.into())?;
        Ok(Self(socket))
    }

    /// Serves until it is over.
    pub(super) fn serve(&self, over: &AtomicBool) {
        let mut packet = [0; 1500];
        while !over.load(Ordering::Relaxed) {
            let Ok((length, _)) = self.0.recv_from(&mut packet) else { continue };
            let answer = Message::decode(&mut Decoder::new(&packet[..length])).ok().and_then(|asked| answer(&asked));
            if let Some(bytes) = answer.and_then(|answer| answer.to_vec().ok()) {
                // A lost answer is asked for again.
                let _ = self.0.send_to(&bytes, CLIENT);
            }
        }
    }
}

fn answer(asked: &Message) -> Option<Message> {
    let kind = match asked.opts().msg_type()? {
        MessageType::Discover => MessageType::Offer,
        MessageType::Request => MessageType::Ack,
        _ => return None,
    };
    let [.., number] = *asked.chaddr() else { return None };
    let [a, b, c, _] = GATEWAY.octets();
    let mut message = Message::default();
    message.set_opcode(Opcode::BootReply).set_xid(asked.xid()).set_flags(asked.flags()).set_chaddr(asked.chaddr());
    message.set_yiaddr(Ipv4Addr::new(a, b, c, 100 + number)).set_siaddr(GATEWAY);
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    options.insert(DhcpOption::ServerIdentifier(GATEWAY));
    options.insert(DhcpOption::AddressLeaseTime(LEASE));
    options.insert(DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)));
    options.insert(DhcpOption::Router(vec![GATEWAY]));
    options.insert(DhcpOption::DomainNameServer(vec![GATEWAY]));
    options.insert(DhcpOption::InterfaceMtu(MTU));
    let everywhere = (Ipv4Net::default(), GATEWAY);
    options.insert(DhcpOption::ClasslessStaticRoute(vec![(Ipv4Net::from(METADATA), GATEWAY), everywhere]));
    Some(message)
}
