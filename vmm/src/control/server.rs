//! The listening socket and all connections.

use super::Operator;
use super::connection::Connection;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixListener;
use vmm_control::message::Status;
use vmm_devices::terminal::Terminal;

/// Connections at a time; the oldest goes when one more comes.
const MAX_CONNECTIONS: usize = 16;

/// Serves the control socket.
pub struct Server {
    listener: UnixListener,
    first_key: u64,
    next_key: u64,
    connections: BTreeMap<u64, Connection>,
}

impl Server {
    /// Serves `listener`; `watch` has the event loop report a descriptor's readiness with a key from `first_key` on.
    ///
    /// # Errors
    /// When the listener cannot be watched.
    pub fn new(
        listener: UnixListener,
        first_key: u64,
        watch: impl FnOnce(RawFd, u64) -> io::Result<()>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        watch(listener.as_raw_fd(), first_key)?;
        Ok(Self { listener, first_key, next_key: first_key + 1, connections: BTreeMap::new() })
    }

    /// Something with `key` is ready.
    pub fn serve(
        &mut self,
        key: u64,
        operator: &mut dyn Operator,
        mut watch: impl FnMut(RawFd, u64) -> io::Result<()>,
    ) {
        if key == self.first_key {
            while let Ok((stream, _)) = self.listener.accept() {
                let connection = Connection::new(stream);
                if let Ok(connection) = connection.and_then(|new| watch(new.fd(), self.next_key).map(|()| new)) {
                    self.connections.insert(self.next_key, connection);
                    self.next_key += 1;
                }
            }
            self.make_room(operator.terminal());
        } else if let Some(connection) = self.connections.get_mut(&key)
            && connection.serve(operator).is_err()
        {
            connection.leave(operator.terminal());
            self.connections.remove(&key);
        }
    }

    fn make_room(&mut self, terminal: &Terminal) {
        while self.connections.len() > MAX_CONNECTIONS
            && let Some((_, oldest)) = self.connections.pop_first()
        {
            oldest.leave(terminal);
        }
    }

    /// Offers typed bytes again that the guest had no room for. Called after each turn of the event loop.
    pub fn retry_input(&mut self, terminal: &Terminal) {
        self.connections.retain(|_, connection| {
            let stays = connection.retry_input(terminal).is_ok();
            if !stays {
                connection.leave(terminal);
            }
            stays
        });
    }

    /// Tells all greeted clients of a change. One that cannot be told is dropped when it is served next.
    pub fn announce(&mut self, status: Status) {
        for connection in self.connections.values_mut() {
            let _told = connection.announce(status);
        }
    }
}
