//! The life of a device apart from its registers.

/// What the machine does with every device. The machine calls these from its control thread while all vCPUs stand.
pub trait Device: Send {
    /// A name unique within the machine, for logs, counters and saved state.
    fn id(&self) -> &str;

    /// Stops all work on guest memory and on the backend. When it returns, nothing is in flight; what arrives later waits.
    fn pause(&mut self) {}

    /// Takes the work up again after [`Device::pause`], including what arrived meanwhile.
    fn resume(&mut self) {}

    /// Puts the device into the state it has at power-on. Works on a paused and on a running device.
    fn reset(&mut self);
}
