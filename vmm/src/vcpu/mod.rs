//! vCPUs: their processor model, their power-on state, their threads and what they do on an exit.
//!
//! Owns CPUID and MSR policy ([`cpuid`], [`power_on`]), the exit loop ([`thread`]) and the order of standing and running
//! ([`gate`]). It knows the buses and no device behind them.
//!
//! Invariants:
//! - A vCPU is touched by its own thread alone; others pass it a job through the [`gate::Gate`].
//! - A vCPU stands only when its last exit is complete: its state can then be read, replaced or saved.
//!
//! ```text
//!            hold()                    release()
//! running ----------> settling --> standing ----------> running
//!    |                               | each(job): runs on every vCPU's own thread
//!    '--- stop() ---> ended <--------'
//! ```

pub mod cpuid;
pub mod gate;
pub mod power_on;
pub mod thread;
