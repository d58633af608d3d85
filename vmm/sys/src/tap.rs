//! A tap that hostd made and opened.

#![expect(unsafe_code, reason = "ioctls of the tun driver")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Requests of include/uapi/linux/if_tun.h.
const TUNSETOFFLOAD: libc::c_ulong = 0x4004_54d0;
const TUNSETVNETHDRSZ: libc::c_ulong = 0x4004_54d8;

/// The bits of TUNSETOFFLOAD: what the reader of the tap copes with.
pub mod offload {
    /// Packets without a checksum.
    pub const CHECKSUM: u32 = 1;
    /// TCP over IPv4 that is not segmented.
    pub const TSO4: u32 = 2;
    /// TCP over IPv6 that is not segmented.
    pub const TSO6: u32 = 4;
}

/// An open tap, non-blocking.
pub struct Tap {
    fd: OwnedFd,
}

impl Tap {
    /// Takes an inherited tap, whose packets carry headers of `header` bytes from now on.
    ///
    /// # Errors
    /// When the descriptor is no tap or the header has a size that the kernel does not know.
    pub fn adopt(fd: OwnedFd, header: u8) -> io::Result<Self> {
        let size = libc::c_int::from(header);
        // SAFETY: the request reads one int, which lives during the call; a descriptor of another kind is answered by ENOTTY.
        let result = unsafe { libc::ioctl(fd.as_raw_fd(), TUNSETVNETHDRSZ, &raw const size) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: no pointer is passed.
        let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
        // SAFETY: no pointer is passed.
        if flags == -1 || unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { fd })
    }

    /// Tells the kernel what the guest copes with: bits of [`offload`].
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_offload(&self, bits: u32) -> io::Result<()> {
        // SAFETY: this request takes its bits as a number; no pointer is passed.
        let result = unsafe { libc::ioctl(self.fd.as_raw_fd(), TUNSETOFFLOAD, libc::c_ulong::from(bits)) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_tap_is_refused() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Tap::adopt(file.into(), 12).err().unwrap().raw_os_error(), Some(libc::ENOTTY));
    }
}
