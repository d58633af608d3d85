//! Links, addresses, routes and neighbours of one network namespace over one netlink socket.
//!
//! Every function compares before it changes, or is refused by the kernel without harm when there is nothing to change.

mod address;
mod link;
mod neighbour;
mod route;
mod rule;

use std::io;

use rtnetlink::Handle;
use tokio::task::JoinHandle;

pub(crate) use link::{Link, LinkChange, difference};

/// A netlink socket in the namespace in which it was opened.
#[derive(Debug)]
pub(crate) struct Netlink {
    handle: Handle,
    connection: JoinHandle<()>,
}

impl Netlink {
    /// Opens the socket in the calling thread's namespace; needs the runtime's context.
    pub(crate) fn open() -> io::Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        Ok(Self { handle, connection: tokio::spawn(connection) })
    }
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// The errno of the kernel's refusal, positive.
fn errno(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.code.map(|code| -code.get()),
        _ => None,
    }
}

/// Takes a refusal with this errno for success.
fn unless(result: Result<(), rtnetlink::Error>, harmless: &[i32]) -> Result<(), rtnetlink::Error> {
    match result {
        Err(e) if errno(&e).is_some_and(|code| harmless.contains(&code)) => Ok(()),
        other => other,
    }
}
