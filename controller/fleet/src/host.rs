//! A member host as the fleet keeps it.
//!
//! ```text
//! enrolled --stream opens--> up --stream ends--> down --stream opens--> up
//! any --forget--> gone (its certificate opens nothing any more)
//! ```

pub use controller_ports::fleet::{Host, HostResources};
