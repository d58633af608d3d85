//! LDAP and Active Directory as where a domain's users and groups live.
//!
//! ```text
//!  domain's configuration (API or file) --> LdapConfig --> Ldap (pool) --search--> entries
//!                                                                                    | attribute options
//!                                                                                    v
//!                            tables of users, groups, memberships  <--sync--  Person, Team
//! ```
//!
//! What the directory says is written down as users, groups and memberships of this cloud when it is asked for, at a login and now
//! and then, so that roles, tokens, trusts and lists are the same for all users. Passwords are never written down: a login is a bind.
//!
//! Invariants:
//! - Nothing is ever written to the directory; writes to users and groups of such a domain are refused (403, as Keystone does).
//! - No text of a client reaches a filter or a name unescaped; an empty password is never tried (a server takes it for an anonymous bind).
//! - Ids are Keystone's: SHA-256 of domain, local id and kind; `store` keeps which is which.
//!
//! Options have Keystone's names and defaults (`[ldap]` of keystone.conf).

mod config;
mod connection;
mod entry;
mod files;
mod filter;
mod options;
mod service;
mod source;
pub(crate) mod store;
mod sync;

pub(crate) use service::Directories;

/// Why a directory gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LdapError {
    /// The configuration makes no sense.
    #[error("LDAP option {option}: {reason}")]
    Config {
        /// Which one.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// No server answers.
    #[error("no LDAP server answers: {0}")]
    Down(String),
    /// A server refuses the controller's own account, or a search.
    #[error("the LDAP server refuses: {0}")]
    Refused(String),
}

impl From<LdapError> for crate::IdentityError {
    fn from(error: LdapError) -> Self {
        Self::Internal(error.to_string())
    }
}
