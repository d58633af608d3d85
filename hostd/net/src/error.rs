//! What can go wrong.

use std::io;

use crate::ids::{NetworkId, PortId};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The desired state has no such port.
    #[error("port {0} is not part of the desired state")]
    UnknownPort(PortId),
    /// The desired state has no such network.
    #[error("network {0} is not part of the desired state")]
    UnknownNetwork(NetworkId),
    /// The configuration has no such physical network.
    #[error("physical network {0:?} is not configured on this host")]
    UnknownPhysicalNetwork(String),
    /// The bridge of a flat network is not there.
    #[error("there is no bridge {interface:?}")]
    NoBridge {
        /// The interface that the configuration names.
        interface: String,
    },
    /// An overlay network has ports on other hosts but this host has no underlay address.
    #[error("network {0} spans hosts, but no underlay address is configured")]
    NoUnderlay(NetworkId),
    /// The port's tap is held by a running guest.
    #[error("the tap of port {0} is in use")]
    TapBusy(PortId),
    /// The kernel refused a change of links, addresses or routes.
    #[error("cannot {action}")]
    Netlink {
        /// What was tried.
        action: String,
        /// The kernel's answer.
        #[source]
        source: Box<rtnetlink::Error>,
    },
    /// The packet filter was refused.
    #[error("nft refused the rules: {0}")]
    Nft(String),
    /// A system call or file operation failed.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The actor has ended.
    #[error("the network actor has ended")]
    Closed,
}

impl NetError {
    /// For `map_err`: an [`NetError::Io`] with what was tried.
    pub(crate) fn io<E: Into<io::Error>>(action: impl Into<String>) -> impl FnOnce(E) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source: source.into() }
    }

    /// For `map_err`: an [`NetError::Netlink`] with what was tried.
    pub(crate) fn netlink(action: impl Into<String>) -> impl FnOnce(rtnetlink::Error) -> Self {
        let action = action.into();
        move |source| Self::Netlink { action, source: Box::new(source) }
    }
}
