//! Traits by which services ask each other, in process. A service implements its own port and holds the others' as
//! `Arc<dyn ...>`; the binary wires them. No service imports another one.
//!
//! Every port speaks domain types only: no REST bodies, no protobuf, no SQL. A method that takes part in the caller's
//! transaction takes its `Tx`; all others open their own and may be repeated safely.
//!
//! To add one: a file here with the trait, its types and its error enum; the implementation goes into the service's `port.rs`.

pub mod fleet;
pub mod image;
pub mod legacy_network;
pub mod network;
pub mod placement;

/// The service behind a port failed for a reason that the caller cannot act on.
#[derive(Debug, thiserror::Error)]
#[error("{service} is unavailable")]
pub struct Unavailable {
    /// The service that was asked.
    pub service: &'static str,
    /// What happened there.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
