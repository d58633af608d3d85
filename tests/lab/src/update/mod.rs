//! The story of an update: two machines with guests get a new version from their controller, one after the other, while clients use the
//! API; a broken one goes back by itself, a forged one is refused; and the power is cut at random moments of updates and installs.
//!
//! ```text
//! this machine, in a namespace:   controller update add, controller host update   curl in a loop   ping in a loop
//!                                          | :8447                                   | :8443          | floating addresses
//! QEMU (emulation):               node-1: controller, hostd, a guest        node-2: hostd, a guest
//! ```
//! The machines are installed once, in a folder that may be kept; what follows happens on layers over their disks.

mod cuts;
mod load;
mod story;

pub use story::{Subjects, run};
