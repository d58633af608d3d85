//! The hosts as the network must know them: where their tunnels end, and which are up.

use controller_base::id::HostId;
use controller_ports::fleet::Host;
use std::collections::BTreeMap;

/// All members by id.
pub type Known = BTreeMap<HostId, Host>;
