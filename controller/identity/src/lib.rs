//! Identity: who there is, what they may do where, and where the services are. Keystone's v3 API.
//!
//! Owns users, groups, projects, domains, roles, assignments, the catalog, credentials and tokens, and the tables `identity_*`. Checks
//! tokens for all services, in process ([`controller_web::Authenticator`]). Knows no other service.
//!
//! ```text
//!  password / token --> authenticate --> Payload --Fernet--> token text (nothing is stored)
//!                                                               |
//!  request --> Authenticator --> cache --miss--> open, expiry, user and scope enabled, not revoked, roles
//! ```
//!
//! Invariants:
//! - A token means what the database says now: disabling, deleting, taking a role away and revoking hold from the commit on. The
//!   cache is keyed by an epoch that every such change moves ([`Identity::touch`]).
//! - Passwords are stored as Argon2id (bcrypt of an older Keystone is understood); hashing never runs on the threads that
//!   serve requests, and only as many at once as memory is meant for.
//! - What a wrong password, a missing user and a disabled user look like from outside is the same.

mod api;
mod app_credential;
mod assignment;
mod bootstrap;
mod catalog;
mod compliance;
mod consumer;
mod core;
mod counts;
mod credential;
mod domain_config;
mod ec2;
mod endpoint_filter;
mod endpoint_policy;
mod error;
mod event;
pub mod federation;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod group;
mod guesses;
mod json_home;
mod ldap;
mod limit;
mod listing;
mod password;
pub mod policy;
mod project;
mod role;
mod schema;
mod schema_authentication;
mod schema_resources;
mod store;
pub mod token;
mod trust;
mod user;
mod wire;

#[cfg(test)]
mod tests;

pub use self::core::{Identity, LimitModel, Settings, TokenFormat};
pub use api::{INFO, routes, service};
pub use bootstrap::{Bootstrap, CatalogEntry};
pub use compliance::{Compliance, Strength};
pub use domain_config::Options as DomainOptions;
pub use error::IdentityError;
pub use event::{Cursor, Event, EventLog, EventQuery, FollowError, Follower};
pub use schema::MIGRATIONS;
