//! Federation: users who prove elsewhere who they are. Keystone's OS-FEDERATION.
//!
//! ```text
//!  identity provider --assertion--> protocol --attributes--> mapping rules --> user, groups, projects --> unscoped token
//! ```
//!
//! `identity_provider`, `protocol`, `mapping` and `service_provider` keep what operators say; `mapping::rules` is the language of
//! mappings and knows nothing else of the cloud; `shadow` keeps who came as which user. `assertion` says what a protocol is, `oidc` is
//! one; `login` goes from an assertion to a token. `auth_api` is for clients, `websso_api` for browsers.
//!
//! Invariants: a token of federation counts as long as its provider is there and enabled; nothing that a provider sends chooses the
//! mapping, the domain of its own users or a local user, unless the operator's rules say so.

pub(crate) mod api;
pub mod assertion;
mod auth_api;
mod body;
pub(crate) mod identity_provider;
pub(crate) mod login;
pub mod mapping;
pub mod oidc;
pub(crate) mod policy;
mod projects;
pub(crate) mod protocol;
pub(crate) mod schema;
pub(crate) mod service_provider;
mod settings;
pub(crate) mod shadow;
mod websso;
mod websso_api;

pub use settings::{FederationConfig, FederationSettings};
