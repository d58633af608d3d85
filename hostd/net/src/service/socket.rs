//! Sockets of a service namespace. Opened on a thread that is inside it.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket, sockopt};
use tokio::net::{TcpListener, UdpSocket};

use crate::plan::METADATA_V4;
use crate::plan::METADATA_V6;
use crate::plan::names::SERVICE_LINK;

/// All_DHCP_Relay_Agents_and_Servers.
const ALL_DHCP_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// All sockets of a network's services.
pub(super) struct Sockets {
    pub(super) dhcp4: UdpSocket,
    /// `None` on a kernel without IPv6.
    pub(super) dhcp6: Option<UdpSocket>,
    pub(super) dns: Vec<(UdpSocket, TcpListener)>,
    pub(super) metadata: Vec<TcpListener>,
}

impl Sockets {
    /// Opens them in the calling thread's namespace; needs the runtime's context.
    pub(super) fn open(servers: &BTreeSet<IpAddr>) -> io::Result<Self> {
        let index = if_nametoindex(SERVICE_LINK)?;
        let dns = servers.iter().map(|server| {
            let address = SocketAddr::new(*server, 53);
            Ok((udp(address)?, tcp(address)?))
        });
        let dns = dns.collect::<io::Result<_>>()?;
        let mut metadata = vec![tcp((METADATA_V4, 80).into())?];
        metadata.extend(if_ipv6(tcp(SocketAddrV6::new(METADATA_V6, 80, 0, index).into()))?);
        Ok(Self { dhcp4: dhcp4()?, dhcp6: if_ipv6(dhcp6(index))?, dns, metadata })
    }
}

/// `None` on a kernel without IPv6.
fn if_ipv6<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    match opened {
        Err(e) if e.raw_os_error() == Some(libc::EAFNOSUPPORT) => Ok(None),
        opened => opened.map(Some),
    }
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = std::net::TcpListener::bind(address)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

/// Hears broadcasts on the service link, whatever addresses are on it.
fn dhcp4() -> io::Result<UdpSocket> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    setsockopt(&fd, sockopt::Broadcast, &true)?;
    setsockopt(&fd, sockopt::BindToDevice, &SERVICE_LINK.into())?;
    bind(fd.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, 67))?;
    UdpSocket::from_std(fd.into())
}

/// Hears what is sent to all DHCPv6 servers on the service link.
fn dhcp6(index: u32) -> io::Result<UdpSocket> {
    let socket = udp(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 547))?;
    socket.join_multicast_v6(&ALL_DHCP_SERVERS, index)?;
    Ok(socket)
}
