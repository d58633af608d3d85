//! DHCPv6 (RFC 8415), as much as guests need: addresses for stateful subnets, name servers and domain for all. Known ports get
//! exactly their desired addresses; nobody else is answered.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use dhcproto::v6::{DhcpOption, IAAddr, IANA, Message, MessageType, OptionCode, Status, StatusCode, UnknownOption};
use dhcproto::{Decodable, Decoder, Encodable};
use tokio::net::UdpSocket;

use super::{Current, names};
use crate::mac::MacAddr;
use crate::model::Ipv6Mode;
use crate::plan::{Client, ServicePlan};

/// Larger than any Ethernet frame of a client.
const LARGEST: usize = 9216;
/// Option 24 (RFC 3646).
const DOMAIN_SEARCH: u16 = 24;

/// Serves until the task is ended.
pub(super) async fn serve(socket: UdpSocket, plan: Current, lease: Duration) {
    let mut buffer = vec![0; LARGEST];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let Ok(request) = Message::decode(&mut Decoder::new(&buffer[..length])) else { continue };
        let SocketAddr::V6(source) = from else { continue };
        let reply = respond(&plan.borrow(), &request, *source.ip(), lease);
        let Some(bytes) = reply.and_then(|reply| reply.to_vec().ok()) else { continue };
        if let Err(error) = socket.send_to(&bytes, from).await {
            tracing::debug!(%error, %from, "dhcpv6 reply lost");
        }
    }
}

/// The answer to a request; `None`: no answer.
pub(super) fn respond(plan: &ServicePlan, request: &Message, source: Ipv6Addr, lease: Duration) -> Option<Message> {
    let id = match request.opts().get(OptionCode::ClientId) {
        Some(DhcpOption::ClientId(id)) => id.clone(),
        _ => Vec::new(),
    };
    let (_, client) = plan
        .clients
        .iter()
        .find(|(mac, _)| mac.link_local() == source)
        .or_else(|| plan.clients.get_key_value(&duid_mac(&id)?))?;
    let server = server_id(plan.mac);
    match request.opts().get(OptionCode::ServerId) {
        Some(DhcpOption::ServerId(asked)) if *asked != server => return None,
        _ => {}
    }
    let rapid = request.opts().get(OptionCode::RapidCommit).is_some();
    let kind = match request.msg_type() {
        MessageType::Solicit if !rapid => MessageType::Advertise,
        MessageType::Solicit
        | MessageType::Request
        | MessageType::Confirm
        | MessageType::Renew
        | MessageType::Rebind
        | MessageType::Release
        | MessageType::Decline
        | MessageType::InformationRequest => MessageType::Reply,
        _ => return None,
    };
    let mut reply = Message::new_with_id(kind, request.xid());
    let opts = reply.opts_mut();
    if !id.is_empty() {
        opts.insert(DhcpOption::ClientId(id));
    }
    opts.insert(DhcpOption::ServerId(server));
    match request.msg_type() {
        MessageType::Release | MessageType::Decline | MessageType::Confirm => opts.insert(status(Status::Success)),
        MessageType::Solicit if rapid => opts.insert(DhcpOption::RapidCommit),
        _ => {}
    }
    if !matches!(request.msg_type(), MessageType::Release | MessageType::Decline | MessageType::Confirm) {
        for association in request.opts().iter() {
            if let DhcpOption::IANA(asked) = association {
                opts.insert(DhcpOption::IANA(associate(plan, client, asked.id, lease)));
            }
        }
        configure(plan, client, opts);
    }
    Some(reply)
}

/// The client's stateful addresses.
fn associate(plan: &ServicePlan, client: &Client, id: u32, lease: Duration) -> IANA {
    let seconds = u32::try_from(lease.as_secs()).unwrap_or(u32::MAX);
    let mut association = IANA { id, t1: seconds / 2, t2: seconds / 8 * 7, opts: Default::default() };
    for (subnet, address) in &client.addresses {
        let stateful = plan.subnets.get(subnet).is_some_and(|s| s.ipv6_mode == Some(Ipv6Mode::Dhcpv6Stateful));
        if let (IpAddr::V6(addr), true) = (*address, stateful) {
            let address = IAAddr { addr, preferred_life: seconds, valid_life: seconds, opts: Default::default() };
            association.opts.insert(DhcpOption::IAAddr(address));
        }
    }
    if association.opts.get(OptionCode::IAAddr).is_none() {
        association.opts.insert(status(Status::NoAddrsAvail));
    }
    association
}

fn configure(plan: &ServicePlan, client: &Client, opts: &mut dhcproto::v6::DhcpOptions) {
    let subnets = client.addresses.iter().filter_map(|(subnet, _)| plan.subnets.get(subnet));
    let mut servers: Vec<Ipv6Addr> = subnets
        .flat_map(|subnet| &subnet.dns_servers)
        .filter_map(|server| match server {
            IpAddr::V6(server) => Some(*server),
            IpAddr::V4(_) => None,
        })
        .collect();
    servers.dedup();
    if !servers.is_empty() {
        opts.insert(DhcpOption::DomainNameServers(servers));
    }
    let domain = UnknownOption::new(DOMAIN_SEARCH.into(), names::encode(&plan.domain));
    opts.insert(DhcpOption::Unknown(domain));
}

fn status(status: Status) -> DhcpOption {
    DhcpOption::StatusCode(StatusCode { status, msg: String::new() })
}

/// DUID-LL over Ethernet (RFC 8415, 11.4).
fn server_id(mac: MacAddr) -> Vec<u8> {
    [[0, 3, 0, 1].as_slice(), &mac.0].concat()
}

/// The hardware address in a DUID-LLT or DUID-LL over Ethernet.
fn duid_mac(id: &[u8]) -> Option<MacAddr> {
    let mac = match id {
        [0, 1, 0, 1, _, _, _, _, mac @ ..] | [0, 3, 0, 1, mac @ ..] => mac,
        _ => return None,
    };
    mac.try_into().ok().map(MacAddr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fixture;

    const LEASE: Duration = Duration::from_secs(3600);

    fn ask(kind: MessageType, mode: Ipv6Mode) -> Option<Message> {
        let (plan, mac) = fixture::plan(Some(mode));
        let mut request = Message::new_with_id(kind, [1, 2, 3]);
        request.opts_mut().insert(DhcpOption::ClientId(vec![0, 2, 9, 9]));
        request.opts_mut().insert(DhcpOption::IANA(IANA { id: 7, t1: 0, t2: 0, opts: Default::default() }));
        let reply = respond(&plan, &request, mac.link_local(), LEASE)?;
        // What is sent can be read.
        Message::decode(&mut Decoder::new(&reply.to_vec().unwrap())).ok()
    }

    fn address(reply: &Message) -> Option<Ipv6Addr> {
        let Some(DhcpOption::IANA(association)) = reply.opts().get(OptionCode::IANA) else { return None };
        match association.opts.get(OptionCode::IAAddr) {
            Some(DhcpOption::IAAddr(address)) => Some(address.addr),
            _ => None,
        }
    }

    #[test]
    fn stateful_subnets_give_the_desired_address() {
        for (asked, answered) in [
            (MessageType::Solicit, MessageType::Advertise),
            (MessageType::Request, MessageType::Reply),
            (MessageType::Renew, MessageType::Reply),
        ] {
            let reply = ask(asked, Ipv6Mode::Dhcpv6Stateful).unwrap();
            assert_eq!((reply.msg_type(), reply.xid()), (answered, [1, 2, 3]));
            assert_eq!(address(&reply), Some("2001:db8::5".parse().unwrap()));
        }
    }

    #[test]
    fn stateless_subnets_give_servers_only() {
        let reply = ask(MessageType::InformationRequest, Ipv6Mode::Dhcpv6Stateless).unwrap();
        assert_eq!(address(&reply), None);
        let servers = vec!["2001:db8::2".parse().unwrap()];
        assert_eq!(reply.opts().get(OptionCode::DomainNameServers), Some(&DhcpOption::DomainNameServers(servers)));
    }

    #[test]
    fn strangers_and_other_servers_clients_are_not_answered() {
        let (plan, mac) = fixture::plan(Some(Ipv6Mode::Dhcpv6Stateful));
        let mut request = Message::new(MessageType::Request);
        assert!(respond(&plan, &request, "fe80::1".parse().unwrap(), LEASE).is_none());
        request.opts_mut().insert(DhcpOption::ServerId(vec![1, 2, 3]));
        assert!(respond(&plan, &request, mac.link_local(), LEASE).is_none());
    }

    #[test]
    fn clients_are_also_known_by_their_duid() {
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        assert_eq!(duid_mac(&server_id(mac)), Some(mac));
        assert_eq!(duid_mac(&[0, 1, 0, 1, 9, 9, 9, 9, 2, 0, 0, 0, 0, 1]), Some(mac));
        assert_eq!(duid_mac(&[0, 2, 0, 1, 2, 0, 0, 0, 0, 1]), None);
        assert_eq!(duid_mac(&[]), None);
    }
}
