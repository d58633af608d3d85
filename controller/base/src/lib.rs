//! Words that the whole controller shares: typed ids, time, secrets, generations, pages. No I/O; changes rarely.

pub mod clock;
pub mod generation;
pub mod id;
pub mod page;
pub mod request;
pub mod secret;

pub use clock::{Clock, Timestamp};
pub use generation::Generation;
pub use page::{Marker, Page};
pub use secret::Secret;
