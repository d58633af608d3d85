//! DHCPv4 (RFC 2131): known hardware addresses get exactly their desired address; nobody else is answered.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use dhcproto::v4::{DhcpOption, Flags, Message, MessageType, Opcode, OptionCode, UnknownOption};
use dhcproto::{Decodable, Decoder, Encodable};
use ipnet::IpNet;
use tokio::net::UdpSocket;

use super::{Current, options};
use crate::mac::MacAddr;
use crate::plan::{Client, DhcpSubnet, METADATA_V4, ServicePlan};

const CLIENT_PORT: u16 = 68;
/// Larger than any Ethernet frame of a client.
const LARGEST: usize = 9216;

/// Serves until the task is ended.
pub(super) async fn serve(socket: UdpSocket, plan: Current, lease: Duration) {
    let mut buffer = vec![0; LARGEST];
    loop {
        let length = match socket.recv_from(&mut buffer).await {
            Ok((length, _)) => length,
            Err(error) => {
                tracing::debug!(%error, "dhcp request lost");
                continue;
            }
        };
        let Ok(request) = Message::decode(&mut Decoder::new(&buffer[..length])) else { continue };
        let reply = respond(&plan.borrow(), &request, lease);
        let Some((reply, to)) = reply else { continue };
        let Ok(bytes) = reply.to_vec() else { continue };
        if let Err(error) = socket.send_to(&padded(bytes), to).await {
            tracing::debug!(%error, %to, "dhcp reply lost");
        }
    }
}

/// Some clients drop replies shorter than BOOTP's 300 bytes.
fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().max(300), 0);
    bytes
}

/// A client's address with all that goes with it.
struct Lease<'a> {
    plan: &'a ServicePlan,
    client: &'a Client,
    subnet: &'a DhcpSubnet,
    server: Ipv4Addr,
    address: Ipv4Addr,
    duration: Duration,
}

/// The answer to a request and where it goes; `None`: no answer.
pub(super) fn respond(plan: &ServicePlan, request: &Message, duration: Duration) -> Option<(Message, SocketAddr)> {
    if request.opcode() != Opcode::BootRequest || !request.giaddr().is_unspecified() {
        return None;
    }
    let mac = MacAddr(request.chaddr().try_into().ok()?);
    let client = plan.clients.get(&mac)?;
    let lease = lease(plan, client, request, duration)?;
    match request.opts().msg_type()? {
        MessageType::Discover => Some(lease.answer(request, MessageType::Offer)),
        MessageType::Request => lease.answer_request(request),
        MessageType::Inform => Some(lease.answer(request, MessageType::Ack)),
        _ => None,
    }
}

/// The client's first address, or the one that it asks for among its own.
fn lease<'a>(plan: &'a ServicePlan, client: &'a Client, request: &Message, duration: Duration) -> Option<Lease<'a>> {
    let asked = asked_for(request);
    let leases = || {
        client.addresses.iter().filter_map(|(id, address)| {
            let subnet = plan.subnets.get(id)?;
            match (*address, subnet.server) {
                (IpAddr::V4(address), IpAddr::V4(server)) => {
                    Some(Lease { plan, client, subnet, server, address, duration })
                }
                _ => None,
            }
        })
    };
    leases().find(|lease| Some(lease.address) == asked).or_else(|| leases().next())
}

fn asked_for(request: &Message) -> Option<Ipv4Addr> {
    match request.opts().get(OptionCode::RequestedIpAddress) {
        Some(DhcpOption::RequestedIpAddress(address)) => Some(*address),
        _ => Some(request.ciaddr()).filter(|address| !address.is_unspecified()),
    }
}

impl Lease<'_> {
    /// SELECTING another server is not ours to answer; any other state asks for the right address or is told no.
    fn answer_request(&self, request: &Message) -> Option<(Message, SocketAddr)> {
        if let Some(DhcpOption::ServerIdentifier(server)) = request.opts().get(OptionCode::ServerIdentifier)
            && *server != self.server
        {
            return None;
        }
        if asked_for(request) == Some(self.address) {
            return Some(self.answer(request, MessageType::Ack));
        }
        Some(self.refuse(request))
    }

    fn answer(&self, request: &Message, kind: MessageType) -> (Message, SocketAddr) {
        let inform = request.opts().has_msg_type(MessageType::Inform);
        let mut reply = reply(request);
        reply.set_siaddr(self.server).set_flags(request.flags());
        if !inform {
            reply.set_yiaddr(self.address);
        }
        if kind == MessageType::Ack {
            reply.set_ciaddr(request.ciaddr());
        }
        let mut all = self.options();
        if inform {
            all.remove(&51);
            all.remove(&58);
            all.remove(&59);
        }
        if let Some(Ok(file)) = all.get(&67).map(|file| std::str::from_utf8(file)) {
            reply.set_fname_str(file);
        }
        reply.opts_mut().insert(DhcpOption::MessageType(kind));
        for (code, value) in all {
            reply.opts_mut().insert(DhcpOption::Unknown(UnknownOption::new(code.into(), value)));
        }
        let broadcast = request.flags().broadcast() && request.ciaddr().is_unspecified();
        let to = match request.ciaddr() {
            _ if broadcast => Ipv4Addr::BROADCAST,
            known if !known.is_unspecified() => known,
            _ => self.address,
        };
        (reply, SocketAddr::new(to.into(), CLIENT_PORT))
    }

    fn refuse(&self, request: &Message) -> (Message, SocketAddr) {
        let mut reply = reply(request);
        reply.set_flags(Flags::default().set_broadcast());
        reply.opts_mut().insert(DhcpOption::MessageType(MessageType::Nak));
        reply.opts_mut().insert(DhcpOption::ServerIdentifier(self.server));
        (reply, SocketAddr::new(Ipv4Addr::BROADCAST.into(), CLIENT_PORT))
    }

    fn options(&self) -> BTreeMap<u8, Vec<u8>> {
        let seconds = u32::try_from(self.duration.as_secs()).unwrap_or(u32::MAX);
        let mut all = BTreeMap::from([
            (15, self.plan.domain.clone().into_bytes()),
            (26, self.plan.mtu.to_be_bytes().to_vec()),
            (51, seconds.to_be_bytes().to_vec()),
            (54, self.server.octets().to_vec()),
            (58, (seconds / 2).to_be_bytes().to_vec()),
            (59, (seconds / 8 * 7).to_be_bytes().to_vec()),
            (121, self.routes()),
        ]);
        if let IpNet::V4(net) = self.subnet.cidr {
            all.insert(1, net.netmask().octets().to_vec());
            all.insert(28, net.broadcast().octets().to_vec());
        }
        if let Some(IpAddr::V4(gateway)) = self.subnet.gateway {
            all.insert(3, gateway.octets().to_vec());
        }
        let servers: Vec<u8> = self.subnet.dns_servers.iter().filter_map(v4).flat_map(|ip| ip.octets()).collect();
        if !servers.is_empty() {
            all.insert(6, servers);
        }
        if !self.client.hostname.is_empty() {
            all.insert(12, self.client.hostname.clone().into_bytes());
        }
        all.extend(self.client.options.iter().filter_map(|(name, value)| options::parse(name, value)));
        all.retain(|_, value| value.len() <= 255);
        all
    }

    /// RFC 3442. Clients that take it ignore the router option, so the default route is in it too.
    fn routes(&self) -> Vec<u8> {
        let metadata = ipnet::Ipv4Net::from(METADATA_V4);
        let told = self.subnet.routes.iter().filter_map(|route| match (route.destination, route.next_hop) {
            (IpNet::V4(to), IpAddr::V4(by)) => Some((to.trunc(), by)),
            _ => None,
        });
        let default = self.subnet.gateway.as_ref().and_then(v4).map(|by| (ipnet::Ipv4Net::default(), by));
        let mut bytes = Vec::new();
        for (to, by) in [(metadata, self.server)].into_iter().chain(told).chain(default) {
            bytes.push(to.prefix_len());
            bytes.extend(&to.network().octets()[..usize::from(to.prefix_len()).div_ceil(8)]);
            bytes.extend(by.octets());
        }
        bytes
    }
}

fn v4(address: &IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    }
}

fn reply(request: &Message) -> Message {
    let mut reply = Message::new_with_id(
        request.xid(),
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::UNSPECIFIED,
        request.chaddr(),
    );
    reply.set_opcode(Opcode::BootReply);
    reply
}
