//! The guests of a host: one actor per guest that makes, starts, stops, adopts and removes it.
//!
//! It owns `<state>/guests`, the guests' processes and their cgroups. It must not know the federation protocol; the network it
//! knows as [`GuestPorts`], images and disks as the crates for them.
//!
//! Invariants:
//! - A guest's process survives the end of hostd, and is adopted by the next run: same number, same start, same guest.
//! - What to do is decided by [`driver::decide`] from what shall be and what is; every step may be repeated.
//! - A guest that crashed is started again as its policy says, whether or not a controller is there; one that was stopped or powered
//!   itself off is not taken for one that crashed.
//! - Nothing is removed because hostd does not know it, until a complete desired state came in.
//!
//! ```text
//! GuestsHandle::apply --watch--> actor of each guest --(driver)--> prepare -> launch -> live + control
//!                                     |                                                     |
//!                                     v                                                     v
//!                                   Board <------------------ states ---------------- exit, replies
//! ```

mod actor;
mod board;
mod cgroup;
mod config;
mod config_drive;
pub mod console;
mod context;
pub mod driver;
mod handle;
pub mod inventory;
mod launch;
pub mod model;
mod ports;
mod prepare;
mod process;
mod record;
mod restart;
pub mod shutdown;
mod uids;
mod usage;

pub use board::Board;
pub use config::GuestsConfig;
pub use handle::{Changes, GuestsHandle, StartError};
pub use ports::GuestPorts;
pub use usage::GuestUsage;
