//! To be written.

/// A transaction.
pub struct Tx;
