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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fixture;

    const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);

    fn request(
        kind: MessageType,
        ciaddr: Option<Ipv4Addr>,
        asked: Option<Ipv4Addr>,
        server: Option<Ipv4Addr>,
    ) -> Message {
        let (_, mac) = fixture::plan(None);
        let any = Ipv4Addr::UNSPECIFIED;
        let mut request = Message::new_with_id(42, ciaddr.unwrap_or(any), any, any, any, &mac.0);
        request.opts_mut().insert(DhcpOption::MessageType(kind));
        for option in [asked.map(DhcpOption::RequestedIpAddress), server.map(DhcpOption::ServerIdentifier)] {
            option.map(|option| request.opts_mut().insert(option));
        }
        request
    }

    fn answer(request: &Message) -> Option<(Message, SocketAddr)> {
        respond(&fixture::plan(None).0, request, Duration::from_secs(3600))
    }

    #[test]
    fn each_state_of_a_client_gets_its_answer() {
        use MessageType::{Ack, Decline, Discover, Inform, Nak, Offer, Release, Request};
        for (what, request, expected) in [
            ("init", request(Discover, None, None, None), Some((Offer, OURS))),
            ("init with a wish", request(Discover, None, Some(OTHER), None), Some((Offer, OURS))),
            ("selecting", request(Request, None, Some(OURS), Some(SERVER)), Some((Ack, OURS))),
            ("selecting another server", request(Request, None, Some(OURS), Some(OTHER)), None),
            (
                "selecting a wrong address",
                request(Request, None, Some(OTHER), Some(SERVER)),
                Some((Nak, Ipv4Addr::BROADCAST)),
            ),
            ("init-reboot", request(Request, None, Some(OURS), None), Some((Ack, OURS))),
            ("init-reboot elsewhere", request(Request, None, Some(OTHER), None), Some((Nak, Ipv4Addr::BROADCAST))),
            ("renewing", request(Request, Some(OURS), None, None), Some((Ack, OURS))),
            (
                "renewing what is not its own",
                request(Request, Some(OTHER), None, None),
                Some((Nak, Ipv4Addr::BROADCAST)),
            ),
            ("inform", request(Inform, Some(OURS), None, None), Some((Ack, OURS))),
            ("release", request(Release, Some(OURS), None, Some(SERVER)), None),
            ("decline", request(Decline, None, Some(OURS), Some(SERVER)), None),
        ] {
            let got = answer(&request).map(|(reply, to)| (reply.opts().msg_type().unwrap(), to.ip()));
            assert_eq!(got, expected.map(|(kind, to)| (kind, to.into())), "{what}");
        }
    }

    #[test]
    fn a_reply_has_all_that_a_guest_needs() {
        let (reply, _) = answer(&request(MessageType::Request, None, Some(OURS), Some(SERVER))).unwrap();
        let reply = Message::decode(&mut Decoder::new(&reply.to_vec().unwrap())).unwrap();
        assert_eq!((reply.xid(), reply.yiaddr(), reply.siaddr()), (42, OURS, SERVER));
        let opts = reply.opts();
        assert_eq!(opts.get(OptionCode::SubnetMask), Some(&DhcpOption::SubnetMask([255, 255, 255, 0].into())));
        assert_eq!(opts.get(OptionCode::Router), Some(&DhcpOption::Router(vec![[10, 0, 0, 1].into()])));
        assert_eq!(opts.get(OptionCode::InterfaceMtu), Some(&DhcpOption::InterfaceMtu(1450)));
        assert_eq!(opts.get(OptionCode::AddressLeaseTime), Some(&DhcpOption::AddressLeaseTime(3600)));
        assert_eq!(opts.get(OptionCode::BootfileName), Some(&DhcpOption::BootfileName(b"pxe.0".to_vec())));
    }

    #[test]
    fn classless_routes_include_metadata_and_the_default() {
        let (plan, mac) = fixture::plan(None);
        let request = request(MessageType::Discover, None, None, None);
        let lease = lease(&plan, &plan.clients[&mac], &request, Duration::from_secs(1)).unwrap();
        let expected = [32, 169, 254, 169, 254, 10, 0, 0, 2, 12, 172, 16, 10, 0, 0, 9, 0, 10, 0, 0, 1];
        assert_eq!(lease.routes(), expected);
    }

    #[test]
    fn strangers_relays_and_replies_are_not_answered() {
        let good = request(MessageType::Discover, None, None, None);
        let mut stranger = good.clone();
        stranger.set_chaddr(&[2, 9, 9, 9, 9, 9]);
        let mut relayed = good.clone();
        relayed.set_giaddr(OTHER);
        let mut reply = good.clone();
        reply.set_opcode(Opcode::BootReply);
        for bad in [stranger, relayed, reply] {
            assert!(answer(&bad).is_none());
        }
    }

    #[test]
    fn who_cannot_hear_unicast_is_answered_by_broadcast() {
        let mut request = request(MessageType::Discover, None, None, None);
        request.set_flags(Flags::default().set_broadcast());
        assert_eq!(answer(&request).unwrap().1.ip(), Ipv4Addr::BROADCAST);
    }
}
