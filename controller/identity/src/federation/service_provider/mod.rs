//! Service providers: clouds that trust this one. Tokens list the enabled ones, so that clients find them.

pub(crate) mod api;
pub(crate) mod store;
pub(crate) mod wire;

use controller_base::id::ServiceProviderId;

/// A service provider.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServiceProvider {
    pub id: ServiceProviderId,
    /// Where one gets a token there.
    pub auth_url: String,
    /// Where assertions are sent.
    pub sp_url: String,
    pub description: Option<String>,
    pub enabled: bool,
    pub relay_state_prefix: Option<String>,
    pub generation: i64,
}
