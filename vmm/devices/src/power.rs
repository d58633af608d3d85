//! What a guest asks of the machine as a whole.

/// A request from guest software through a power or reset register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerRequest {
    /// Reset the machine.
    Reset,
    /// Power the machine off (ACPI S5).
    Off,
}

/// Takes power requests. Called from a vCPU thread inside a port access: it must not wait for vCPUs.
pub trait PowerSink: Send + Sync {
    /// Notes the request; the machine carries it out soon after.
    fn request(&self, request: PowerRequest);
}
