//! A machine from its spec to its end.
//!
//! Owns the order of building ([`plan`], [`build`]), the devices by name ([`registry`]), the threads and the event loop
//! ([`reactor`], [`life`]). It must not know a device's inside: devices are built here and then only paused, resumed, reset.
//!
//! Invariants:
//! - Each phase is a type and consumes the one before: nothing runs before the jail, nothing is built twice.
//! - The main thread alone changes the machine; vCPU threads leave [`notice`]s.
//!
//! ```text
//! Plan (spec checked, descriptors adopted) --jail--> Built (memory, KVM, devices, vCPUs) --start--> Machine --run--> ExitStatus
//!
//! Running <--pause/resume--> Paused      reset: hold, devices and chips to power-on, load again, release
//!    |--> PoweredOff (S5), quit -> Clean           '--> Crashed (KVM error, triple faults without end)
//! ```

pub mod build;
mod filters;
pub mod life;
mod notice;
pub mod plan;
mod processors;
mod reactor;
mod registry;

pub use life::Machine;

/// Threads call no deep functions, and a stack's touched pages count.
const THREAD_STACK: usize = 256 << 10;
