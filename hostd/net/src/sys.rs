//! The two places where the kernel has no safe interface: making a tap, and link-layer addresses of packet sockets.
#![expect(unsafe_code, reason = "TUNSETIFF takes a structure, and sockaddr_ll has no safe constructor")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, sendto, socket,
};

mod ioctl {
    nix::ioctl_write_ptr_bad!(set_interface, libc::TUNSETIFF, libc::ifreq);
}

/// Makes a tap of this name (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR), or attaches to one that nobody holds. It is not persistent.
pub(crate) fn open_tap(name: &str) -> io::Result<OwnedFd> {
    let file: File = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    // SAFETY: ifreq is plain data for which all zeroes is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).map_err(io::Error::other)?;
    // SAFETY: TUNSETIFF reads and writes one ifreq, which `request` is and which outlives the call.
    unsafe { ioctl::set_interface(file.as_raw_fd(), &raw const request) }?;
    Ok(file.into())
}

/// Sends one Ethernet frame out of the interface with this index, in the caller's namespace.
pub(crate) fn send_frame(index: u32, frame: &[u8]) -> io::Result<()> {
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None::<SockProtocol>)?;
    // SAFETY: sockaddr_ll is plain data for which all zeroes is valid.
    let mut raw: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    raw.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    raw.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
    // SAFETY: the pointer is to a sockaddr_ll of the given length whose family is AF_PACKET.
    let address = unsafe { LinkAddr::from_raw((&raw const raw).cast(), Some(length)) };
    let address = address.ok_or(io::ErrorKind::InvalidInput)?;
    sendto(socket.as_raw_fd(), frame, &address, MsgFlags::empty())?;
    Ok(())
}
