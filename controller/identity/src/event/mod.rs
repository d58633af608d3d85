//! The log of events: who changed what and who got or was refused a token, in the form of CADF (DMTF DSP0262) as Keystone notifies.
//!
//! Owns `identity_event`, a table that keeps the newest events up to a bound. A change's event is stored before the change is
//! acknowledged; authentications, which are many, are stored in batches up to a quarter of a second later ([`EventLog::flush`] waits for them).
//!
//! ```text
//!  request --> web's audit layer --> describe (what was done to what) --> cadf --> table --> controller events
//!                                                                           \--> authentications: queue, batches
//! ```

mod cadf;
mod describe;
mod follow;
mod log;
mod store;

pub use follow::{FollowError, Follower};
pub use log::EventLog;
pub use store::Cursor;

use controller_base::Timestamp;
use serde_json::Value;

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// When.
    pub moment: Timestamp,
    /// Keystone's name of the notification: `identity.user.created`.
    pub event_type: String,
    /// Whether it came about.
    pub success: bool,
    /// The user who asked; empty where nobody knows.
    pub initiator_id: String,
    /// The id of what it was done to; empty where it has none.
    pub target_id: String,
    /// All of it, CADF.
    pub body: Value,
}

/// What of the log is wanted.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Events of this type, or whose type begins with this and a dot.
    pub event_type: Option<String>,
    /// By this user.
    pub initiator_id: Option<String>,
    /// On this thing.
    pub target_id: Option<String>,
    /// Only those that came about, or only the others.
    pub success: Option<bool>,
    /// Not older.
    pub since: Option<Timestamp>,
    /// Behind this place, oldest first; without it the newest are taken.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: u32,
}
