//! Passwords of users: checking one, with lockout and age; giving a new one, with history and strength.
//!
//! Owns the tables `identity_password` (earlier passwords) and `identity_user_activity` (failures, last use). The password itself
//! stands with its user.

mod service;
pub(crate) mod store;

pub(crate) use service::By;

use controller_base::Timestamp;

/// What an account went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Activity {
    /// Wrong passwords in a row.
    pub failures: i64,
    pub failed_at: Option<Timestamp>,
    pub active_at: Option<Timestamp>,
    /// Whether the user chose the password, and not an administrator.
    pub self_service: bool,
}
