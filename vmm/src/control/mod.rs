//! The control socket: hostd connects, asks, is told of changes, attaches to the console.
//!
//! It owns connections and their buffers; what a request does to the machine is the [`Operator`]'s. It runs on the main thread
//! and never blocks: a client that does not read its replies is dropped, a request that cannot be decoded ends its connection.
//!
//! ```text
//! connected --Hello--> greeted --AttachConsole--> console (raw bytes both ways) --> closed
//!     '--anything else--> closed
//! ```

mod connection;
mod server;

pub use server::Server;

use std::sync::Arc;
use vmm_control::message::{DeviceCounters, Status};
use vmm_devices::terminal::Terminal;

/// The machine as requests see it. Called on the main thread; each call is complete when it returns.
pub trait Operator {
    /// The guest's id.
    fn id(&self) -> &str;
    /// The run state.
    fn status(&self) -> Status;
    /// Presses the power button.
    ///
    /// # Errors
    /// For people, why not.
    fn power_button(&mut self) -> Result<(), String>;
    /// Resets the machine; the vCPUs run when it returns.
    ///
    /// # Errors
    /// For people, why not; the machine has crashed then.
    fn reset(&mut self) -> Result<(), String>;
    /// Lets all vCPUs stand. Harmless when they do.
    ///
    /// # Errors
    /// For people, why not.
    fn pause(&mut self) -> Result<(), String>;
    /// Lets all vCPUs run. Harmless when they do.
    ///
    /// # Errors
    /// For people, why not.
    fn resume(&mut self) -> Result<(), String>;
    /// Ends the process as soon as the request is served.
    fn quit(&mut self);
    /// What the devices moved.
    fn counters(&self) -> Vec<DeviceCounters>;
    /// The console's terminal.
    fn terminal(&self) -> &Arc<Terminal>;
}
