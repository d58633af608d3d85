//! What an operator says of a provider.

use controller_base::Secret;
use serde::Deserialize;
use std::path::PathBuf;

/// A provider that users may come by with one protocol: a section `identity.oidc.<name>`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OidcConfig {
    /// The identity provider whose users these are, as `openstack identity provider create` called it.
    pub identity_provider: String,
    /// The protocol of that provider.
    pub protocol: String,
    /// The issuer, exactly as the provider writes it into its tokens.
    pub issuer: String,
    /// Where its discovery document is; empty: `/.well-known/openid-configuration` below the issuer.
    pub discovery_url: String,
    /// The client's id with the provider; tokens must be meant for it.
    pub client_id: String,
    /// The client's secret, for the code flow and introspection; empty: a public client.
    pub client_secret: Secret,
    /// What the code flow asks for.
    pub scopes: Vec<String>,
    /// Further audiences for which access tokens may be meant.
    pub audiences: Vec<String>,
    /// How access tokens that are no JWT are checked.
    pub opaque_tokens: OpaqueTokens,
    /// Asks the provider for the claims that an access token does not hold itself.
    pub userinfo: bool,
    /// Stands before the claims' names in the attributes.
    pub claim_prefix: String,
    /// The claim that names the user where the mapping does not.
    pub remote_user_claim: String,
    /// Further certificate authorities, PEM; those of the system are always trusted.
    pub ca_file: Option<PathBuf>,
}

/// What becomes of access tokens that only the provider can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpaqueTokens {
    /// They are refused.
    #[default]
    Refuse,
    /// The provider's introspection says what they are; they must be meant for this client.
    Introspection,
    /// The provider's userinfo says whose they are. It does not say for whom they are meant: any client's token of this provider counts.
    Userinfo,
}

impl Default for OidcConfig {
    fn default() -> Self {
        Self {
            identity_provider: String::new(),
            protocol: "openid".to_owned(),
            issuer: String::new(),
            discovery_url: String::new(),
            client_id: String::new(),
            client_secret: Secret::default(),
            scopes: ["openid", "email", "profile"].map(str::to_owned).to_vec(),
            audiences: Vec::new(),
            opaque_tokens: OpaqueTokens::default(),
            userinfo: false,
            claim_prefix: "OIDC-".to_owned(),
            remote_user_claim: "sub".to_owned(),
            ca_file: None,
        }
    }
}

impl OidcConfig {
    /// What is missing or malformed.
    pub(super) fn check(&self) -> Result<(), String> {
        for (name, text) in
            [("identity_provider", &self.identity_provider), ("issuer", &self.issuer), ("client_id", &self.client_id)]
        {
            if text.is_empty() {
                return Err(format!("an OpenID Connect provider needs {name}"));
            }
        }
        super::fetch::address(&self.discovery()).map(drop)
    }

    /// Where the discovery document is.
    pub(super) fn discovery(&self) -> String {
        if self.discovery_url.is_empty() {
            return format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        }
        self.discovery_url.clone()
    }
}
