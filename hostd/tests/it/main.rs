//! hostd as a whole: the real program against a scripted controller, with real guests where this machine has /dev/kvm.
//!
//! Run as root. Each story has a network namespace, a state directory and a cgroup of its own and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod controller;
mod daemon;
mod membership;
mod programs;
mod sharing;
mod stories;
mod world;
