//! What of ours is in the kernel.

use std::fmt;

/// Something in the kernel that carries our prefixes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A link in the host's namespace: bridge, tap, veth, VXLAN or VLAN device.
    Link(String),
    /// A named network namespace.
    Namespace(String),
    /// A chain, set or map element of the packet filter.
    Filter(String),
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(name) => write!(f, "link {name}"),
            Self::Namespace(name) => write!(f, "network namespace {name}"),
            Self::Filter(name) => write!(f, "filter {name}"),
        }
    }
}
