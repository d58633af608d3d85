//! Federation: users who prove elsewhere who they are. Keystone's OS-FEDERATION.
//!
//! ```text
//!  identity provider --assertion--> protocol --attributes--> mapping rules --> user, groups, projects --> unscoped token
//! ```
//!
//! `identity_provider`, `protocol`, `mapping` and `service_provider` keep what operators say; `mapping::rules` is the language of
//! mappings and knows nothing else of the cloud; `shadow` keeps who came as which user.

pub(crate) mod api;
mod body;
pub(crate) mod identity_provider;
pub mod mapping;
pub(crate) mod policy;
pub(crate) mod protocol;
pub(crate) mod schema;
pub(crate) mod service_provider;
pub(crate) mod shadow;
