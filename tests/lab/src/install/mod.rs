//! The story of two bare machines: each is installed from a stick with answers; the first becomes controller and host, the second joins
//! by the token that the first shows on its console. Then OpenStack's own client, which sees nothing but the controller's port, starts
//! a guest on each.
//!
//! ```text
//! this machine, in a namespace:   under 10.79.0.1            outer 172.24.4.1 -- openstack, ping
//!                                   |          |               |          |
//! QEMU (emulation):               .11        .12             br-ex      br-ex
//!                                 controller, hostd          hostd
//! KVM in it:                      a guest                    a guest
//! ```
//! The first machine has one disk for all, the second one for its guests alone. When all is well, the first is switched off: what the second
//! runs goes on, also after a power cut of its own.
//!
//! The guests are the small ones of our own: one that starts in a second says as much of the overlay as one that takes minutes. Two more,
//! Debian's kernel with iperf3, tell what the overlay carries.

mod carry;
mod disk;
pub(crate) mod machine;
pub(crate) mod story;
pub(crate) mod wire;

pub use story::{Subjects, run};
