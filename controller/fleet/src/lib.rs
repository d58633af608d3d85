//! The only gRPC side of the controller: the federation's certificate authority, enrolment of hosts, and one stream per host.
//!
//! It owns who is a member (`fleet_host`, `fleet_join_token`), new versions for them ([`update`]) and the comparison of what a host was sent with what it shall
//! be; what that is, services tell through [`controller_ports::fleet::DesiredState`]. It knows no REST and no service.
//!
//! Invariants:
//! - A call without a member's certificate reaches nothing but enrolment.
//! - A touch that is lost costs time only: every stream compares everything at its start and once a minute.
//! - A host has at most one stream; a newer one of the same process, or of one whose predecessor is silent, ends the older.
//! - Of a host's certificates the newest counts; every call asks whether its host still is a member.
//!
//! ```text
//! join token --Enrol--> member (certificate) --Session--> connected --stream ends--> away --Session--> connected
//!                          \--Renew--> member (newer certificate)
//! ```

pub mod authority;
mod change;
mod clock;
mod convert;
mod enrolment;
mod holders;
pub mod host;
mod hub;
pub mod join;
mod listener;
mod session;
mod store;
pub mod update;

pub use authority::Authority;
pub use hub::{Hub, Sources};
pub use listener::{ListenError, serve};
pub use store::MIGRATIONS;
