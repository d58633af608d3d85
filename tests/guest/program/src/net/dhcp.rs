//! The DHCP client's lease: address, routes (options 3 and 121), MTU (option 26), name servers.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use smoltcp::iface::{Interface, Route};
use smoltcp::socket::dhcpv4::{Config, Event, Socket};
use smoltcp::time::Duration;
use smoltcp::wire::{IpAddress, IpCidr, Ipv4Address, Ipv4Cidr};

const MTU: u8 = 26;
const CLASSLESS_ROUTES: u8 = 121;
/// Mask, router, name servers, host name, MTU, routes.
const WANTED: &[u8] = &[1, 3, 6, 12, MTU, CLASSLESS_ROUTES];
const MESSAGE: usize = 1500;

/// What a server gave.
pub struct Lease {
    address: Ipv4Cidr,
    routes: Vec<(Ipv4Cidr, Ipv4Address)>,
    /// The name servers.
    pub dns: Vec<IpAddress>,
    /// The MTU, if the server names one.
    pub mtu: Option<usize>,
}

impl fmt::Display for Lease {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} gw ", self.address)?;
        match self.routes.iter().find(|(to, _)| to.prefix_len() == 0) {
            Some((_, gateway)) => write!(out, "{gateway}")?,
            None => write!(out, "-")?,
        }
        write!(out, " dns {}", self.dns.first().map_or_else(|| "-".into(), alloc::string::ToString::to_string))?;
        for (to, via) in self.routes.iter().filter(|(to, _)| to.prefix_len() != 0) {
            write!(out, " route {to} via {via}")?;
        }
        Ok(())
    }
}

/// A client that asks anew every two seconds.
pub fn socket() -> Socket<'static> {
    let mut socket = Socket::new();
    let mut retry = socket.get_retry_config();
    retry.discover_timeout = Duration::from_secs(2);
    retry.initial_request_timeout = Duration::from_secs(2);
    socket.set_retry_config(retry);
    socket.set_parameter_request_list(WANTED);
    socket.set_receive_packet_buffer(vec![0; MESSAGE].leak());
    socket
}

/// A new lease, or that it is lost; `None` while nothing changed.
pub fn change(socket: &mut Socket<'static>) -> Option<Option<Lease>> {
    match socket.poll()? {
        Event::Configured(config) => Some(Some(read(&config))),
        Event::Deconfigured => Some(None),
    }
}

fn read(config: &Config<'_>) -> Lease {
    let option = |kind: u8| {
        let packet = config.packet.as_ref()?;
        packet.options().find(|option| option.kind == kind).map(|option| option.data.to_vec())
    };
    // RFC 3442: whoever sends classless routes means them instead of the router option.
    let routes = match option(CLASSLESS_ROUTES) {
        Some(data) => classless_routes(&data),
        None => config.router.iter().map(|router| (Ipv4Cidr::new(Ipv4Address::UNSPECIFIED, 0), *router)).collect(),
    };
    let mtu = option(MTU).and_then(|data| Some(usize::from(u16::from_be_bytes(data.try_into().ok()?))));
    Lease {
        address: config.address,
        routes,
        dns: config.dns_servers.iter().copied().map(IpAddress::Ipv4).collect(),
        mtu,
    }
}

/// Routes as RFC 3442 writes them: prefix length, the prefix's significant octets, router.
fn classless_routes(mut data: &[u8]) -> Vec<(Ipv4Cidr, Ipv4Address)> {
    let mut routes = Vec::new();
    while let Some((&length, rest)) = data.split_first() {
        let octets = usize::from(length).div_ceil(8);
        if length > 32 || rest.len() < octets + 4 {
            break;
        }
        let mut prefix = [0; 4];
        prefix[..octets].copy_from_slice(&rest[..octets]);
        let router: [u8; 4] = core::array::from_fn(|at| rest[octets + at]);
        routes.push((Ipv4Cidr::new(prefix.into(), length), router.into()));
        data = &rest[octets + 4..];
    }
    routes
}

/// Gives the stack the lease's address and routes.
pub fn apply(stack: &mut Interface, lease: &Lease) {
    forget(stack);
    stack.update_ip_addrs(|addresses| addresses.insert(0, IpCidr::Ipv4(lease.address)).unwrap_or(()));
    stack.routes_mut().update(|routes| {
        for (to, via) in &lease.routes {
            // A router of zeros means that the destination is on the link: then it is its own router.
            let via = if via.is_unspecified() { to.address() } else { *via };
            let route = Route {
                cidr: IpCidr::Ipv4(*to),
                via_router: IpAddress::Ipv4(via),
                preferred_until: None,
                expires_at: None,
            };
            if routes.push(route).is_err() {
                crate::say!("route {to} left out: too many");
            }
        }
    });
}

/// Takes IPv4 addresses and routes away.
pub fn forget(stack: &mut Interface) {
    stack.update_ip_addrs(|addresses| addresses.retain(|cidr| !matches!(cidr, IpCidr::Ipv4(_))));
    stack.routes_mut().update(|routes| routes.retain(|route| !matches!(route.cidr, IpCidr::Ipv4(_))));
}
