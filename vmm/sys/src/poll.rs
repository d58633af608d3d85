//! epoll for the event loops.

#![expect(unsafe_code, reason = "epoll takes descriptors by number")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Which readiness wakes a loop. All of it is edge-triggered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// It became readable or was closed by the other side.
    Readable,
    /// It became writable.
    Writable,
    /// Either.
    Both,
}

/// Descriptors to wait for, each with a key.
pub struct Poll {
    fd: OwnedFd,
}

/// Events taken per wait.
const BATCH: usize = 32;

impl Poll {
    /// Nothing to wait for yet.
    ///
    /// # Errors
    /// Those of epoll_create1(2).
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointer is passed.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// From now on `fd`'s readiness is reported with `key`. A descriptor that is closed is forgotten by itself.
    ///
    /// # Errors
    /// Those of epoll_ctl(2), for instance when the descriptor is watched already or cannot be.
    pub fn watch(&self, fd: RawFd, watch: Watch, key: u64) -> io::Result<()> {
        let readiness = match watch {
            Watch::Readable => libc::EPOLLIN | libc::EPOLLRDHUP,
            Watch::Writable => libc::EPOLLOUT,
            Watch::Both => libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP,
        };
        let mut event = libc::epoll_event { events: (readiness | libc::EPOLLET) as u32, u64: key };
        // SAFETY: `event` is whole and only read; a wrong number is answered by an error.
        let result = unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Waits until something is ready and puts its keys into `keys`, replacing what was there.
    ///
    /// # Errors
    /// Those of epoll_wait(2) but the interruption by a signal, after which there are no keys.
    pub fn wait(&self, keys: &mut Vec<u64>) -> io::Result<()> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
        // SAFETY: the kernel writes at most BATCH events into the array.
        let count = unsafe { libc::epoll_wait(self.fd.as_raw_fd(), events.as_mut_ptr(), BATCH as libc::c_int, -1) };
        keys.clear();
        match usize::try_from(count) {
            Ok(count) => keys.extend(events[..count].iter().map(|event| event.u64)),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn an_edge_is_reported_once() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let (poll, mut keys) = (Poll::new().unwrap(), Vec::new());
        poll.watch(far.as_raw_fd(), Watch::Readable, 7).unwrap();
        poll.watch(near.as_raw_fd(), Watch::Writable, 8).unwrap();
        near.write_all(b"x").unwrap();
        poll.wait(&mut keys).unwrap();
        keys.sort_unstable();
        assert_eq!(keys, [7, 8]);
        near.write_all(b"y").unwrap();
        poll.wait(&mut keys).unwrap();
        assert_eq!(keys, [7]);
    }
}
