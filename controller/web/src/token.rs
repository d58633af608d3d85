//! Who is asking: what identity says about a token.

use async_trait::async_trait;
use controller_base::{
    Timestamp,
    id::{DomainId, GroupId, ProjectId, RoleId, UserId},
};
use std::sync::Arc;

/// A domain as tokens name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainRef {
    /// Its id.
    pub id: DomainId,
    /// Its name.
    pub name: String,
}

/// A project as tokens name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectRef {
    /// Its id.
    pub id: ProjectId,
    /// Its name.
    pub name: String,
    /// The domain that owns it.
    pub domain: DomainRef,
    /// Whether it stands for a domain.
    pub is_domain: bool,
}

/// A user as tokens name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRef {
    /// The id.
    pub id: UserId,
    /// The name.
    pub name: String,
    /// The domain that owns the user.
    pub domain: DomainRef,
    /// When the password ends, if it does.
    pub password_expires_at: Option<Timestamp>,
}

/// A role as tokens name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRef {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: String,
}

/// On what a token's roles hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On nothing.
    Unscoped,
    /// On a project.
    Project(ProjectRef),
    /// On a domain.
    Domain(DomainRef),
    /// On the whole cloud.
    System,
}

/// A trust as tokens name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRef {
    /// Its id.
    pub id: String,
    /// Who delegates.
    pub trustor: UserId,
    /// Who acts.
    pub trustee: UserId,
    /// Whether the token's user is the trustor.
    pub impersonation: bool,
}

/// What an application credential may be used for, beyond its roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// Its id.
    pub id: String,
    /// The service's type, as the catalog has it.
    pub service: String,
    /// A path with `*`, `**` and `{names}`.
    pub path: String,
    /// The method.
    pub method: String,
}

/// An application credential as tokens name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationCredentialRef {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it may make further credentials and trusts.
    pub unrestricted: bool,
    /// The only requests that it may be used for; `None` for all, none for an empty list.
    pub access_rules: Option<Vec<AccessRule>>,
}

/// Where a federated user comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederationRef {
    /// The identity provider.
    pub identity_provider: String,
    /// Its protocol.
    pub protocol: String,
    /// The groups that its mapping gave.
    pub groups: Vec<GroupId>,
}

/// On whose behalf a token acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delegation {
    /// A trust's.
    Trust(TrustRef),
    /// An application credential's.
    ApplicationCredential(ApplicationCredentialRef),
}

/// A valid token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// Whose it is.
    pub user: UserRef,
    /// Its scope.
    pub scope: Scope,
    /// The user's roles in that scope, those implied by others included.
    pub roles: Vec<RoleRef>,
    /// How it was got: `password`, `token`, ...
    pub methods: Vec<String>,
    /// The token's own audit id, then that of the first token of its chain.
    pub audit_ids: Vec<String>,
    /// When it was made.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What delegated the roles, if they are not the user's own.
    pub delegation: Option<Delegation>,
    /// Where the user comes from, if not from here.
    pub federation: Option<FederationRef>,
}

impl TokenInfo {
    /// The trust behind the token.
    #[must_use]
    pub fn trust(&self) -> Option<&TrustRef> {
        match &self.delegation {
            Some(Delegation::Trust(trust)) => Some(trust),
            Some(Delegation::ApplicationCredential(_)) | None => None,
        }
    }

    /// The application credential behind the token.
    #[must_use]
    pub fn application_credential(&self) -> Option<&ApplicationCredentialRef> {
        match &self.delegation {
            Some(Delegation::ApplicationCredential(credential)) => Some(credential),
            Some(Delegation::Trust(_)) | None => None,
        }
    }

    /// Whether access rules let this token be used for a request; tokens without such rules may be used for all.
    #[must_use]
    pub fn may_request(&self, service: &str, method: &str, paths: &[&str]) -> bool {
        let Some(rules) = self.application_credential().and_then(|credential| credential.access_rules.as_ref()) else {
            return true;
        };
        let fits = |rule: &AccessRule| {
            rule.service == service
                && rule.method == method
                && paths.iter().any(|path| crate::access_rule::matches(&rule.path, path))
        };
        rules.iter().any(fits)
    }

    /// The project of a project-scoped token.
    #[must_use]
    pub fn project(&self) -> Option<&ProjectRef> {
        match &self.scope {
            Scope::Project(project) => Some(project),
            Scope::Unscoped | Scope::Domain(_) | Scope::System => None,
        }
    }

    /// The domain of a domain-scoped token.
    #[must_use]
    pub fn domain(&self) -> Option<&DomainRef> {
        match &self.scope {
            Scope::Domain(domain) => Some(domain),
            Scope::Unscoped | Scope::Project(_) | Scope::System => None,
        }
    }

    /// Whether the user has this role in the token's scope; role names do not tell case apart.
    #[must_use]
    pub fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.name.eq_ignore_ascii_case(name))
    }
}

/// Why a token tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// It is none, has ended or was revoked.
    #[error("the token is not valid")]
    Invalid,
    /// It could not be checked.
    #[error("tokens cannot be checked now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Checks tokens; implemented by identity, called in process for each request that carries one.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// What the token says, if it is valid at this moment.
    async fn authenticate(&self, token: &str) -> Result<Arc<TokenInfo>, AuthError>;
}
