//! The walls around one guest's process: namespaces, an empty root, identity, limits, system call filters; and the cgroup that
//! hostd puts the process into.
//!
//! It owns what the process may still do to the host. It knows no VM concept: callers say which descriptors stay and which
//! kind of thread asks.
//!
//! Invariants:
//! - [`enter`] is called by a process with one thread, before it looks at anything of the guest's; there is no way back.
//! - Each thread takes its filter ([`seccomp`]) before its first work; the rules are data, each with its reason.
//!
//! ```text
//! hostd: cgroup::create, spawn, cgroup.add --> process: close the rest -> namespaces -> empty root -> identity -> limits
//!                                                       -> each thread: seccomp
//! ```

pub mod cgroup;
mod enter;
pub mod handover;
mod root;
pub mod seccomp;

pub use enter::{Jail, JailError, enter};
