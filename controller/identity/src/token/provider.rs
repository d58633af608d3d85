//! From a token's text to what services see of it, and from what somebody proved to a token's text.

use super::{
    cache::{Entry, Standing},
    fernet,
    granted::{self, Granted},
    payload::{Origin, Payload, ScopeId},
};
use crate::{Identity, IdentityError, assignment::Target};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use controller_base::{Timestamp, id::UserId};
use controller_db::Connection;
use controller_web::{
    AuthError, Authenticator, Scope, TokenInfo,
    token::{Delegation, DomainRef, ProjectRef, UserRef},
};
use std::sync::Arc;

/// What a payload means now, and until when it does at most.
#[derive(Debug)]
pub(crate) struct Checked {
    pub info: TokenInfo,
    pub until: Timestamp,
}

#[async_trait]
impl Authenticator for Identity {
    async fn authenticate(&self, token: &str) -> Result<Arc<TokenInfo>, AuthError> {
        Ok(self.validate(token).await?)
    }
}

impl Identity {
    /// Makes the staged key of tokens the primary, and keeps so many.
    ///
    /// # Errors
    /// The key repository cannot be written.
    pub fn rotate_token_keys(&self, most: usize) -> std::io::Result<()> {
        self.keys.rotate(most)
    }

    /// What a token says, if it is valid now.
    pub(crate) async fn validate(&self, token: &str) -> Result<Arc<TokenInfo>, IdentityError> {
        Ok(self.checked(token).await?.info.clone())
    }

    /// The same with what is kept beside it.
    pub(crate) async fn checked(&self, token: &str) -> Result<Arc<Entry>, IdentityError> {
        let epoch = self.epoch().await?;
        if let Some(known) = self.cache.get(token, epoch, self.clock.now()) {
            return Ok(known);
        }
        let (payload, issued_at) = self.open_token(token, 0)?;
        let mut conn = self.db.read().await?;
        let Checked { info, until } = self.resolve(&mut conn, &payload, issued_at, epoch).await?;
        Ok(self.cache.put(token, epoch, info, until))
    }

    /// What a token says that may have ended so long ago: long work that began with it may go on.
    pub(crate) async fn validate_late(&self, token: &str, seconds: i64) -> Result<Arc<TokenInfo>, IdentityError> {
        let (payload, issued_at) = self.open_token(token, seconds)?;
        let epoch = self.epoch().await?;
        let mut conn = self.db.read().await?;
        Ok(Arc::new(self.resolve(&mut conn, &payload, issued_at, epoch).await?.info))
    }

    /// Seals a payload that was resolved before.
    pub(crate) fn seal_token(&self, payload: &Payload) -> String {
        match &self.signer {
            // Signing fails only without randomness, and then so does sealing.
            Some(signer) => signer.sign(payload, self.clock.now()).unwrap_or_default(),
            None => self.seal(&payload.encode()),
        }
    }

    /// Seals bytes with the primary key.
    pub(crate) fn seal(&self, bytes: &[u8]) -> String {
        let keys = self.keys.keys();
        let seconds = u64::try_from(self.clock.now().0 / 1_000_000).unwrap_or(0);
        // A repository is never empty.
        keys.first().map_or_else(String::new, |key| fernet::seal(key, bytes, seconds, rand::random()))
    }

    fn open_token(&self, token: &str, late: i64) -> Result<(Payload, Timestamp), IdentityError> {
        let bad = || IdentityError::Unauthorized("the token cannot be opened");
        let (payload, issued_at) = match &self.signer {
            Some(signer) => signer.open_token(token).ok_or_else(bad)?,
            None => self.open_fernet(token).ok_or_else(bad)?,
        };
        if payload.expires_at.plus_seconds(late) <= self.clock.now() {
            return Err(IdentityError::Unauthorized("the token has ended"));
        }
        Ok((payload, issued_at))
    }

    fn open_fernet(&self, token: &str) -> Option<(Payload, Timestamp)> {
        let opened = fernet::open(&self.keys.keys(), token);
        // Another controller may have sealed it with a key that came after the last look.
        let again = || self.keys.refresh().then(|| fernet::open(&self.keys.keys(), token)).flatten();
        let (bytes, seconds) = opened.or_else(again)?;
        let issued_at = i64::try_from(seconds).ok()?.checked_mul(1_000_000)?;
        Some((Payload::decode(&bytes)?, Timestamp(issued_at)))
    }

    /// Looks everything up that a payload names. Fails like a wrong password where the user or the scope is gone, disabled or
    /// without roles, and where the token was revoked. The epoch is that from before `conn` was asked for: to ask for it may take a
    /// connection too.
    pub(crate) async fn resolve(
        &self,
        conn: &mut Connection,
        payload: &Payload,
        issued_at: Timestamp,
        epoch: i64,
    ) -> Result<Checked, IdentityError> {
        let standing = self.standing(conn, payload, epoch).await?;
        if self.is_revoked(conn, payload, &payload.user_id, issued_at).await? {
            return Err(IdentityError::Unauthorized("the token was revoked"));
        }
        let target = target_of(&payload.scope);
        let granted = match payload.origin {
            Origin::Own => Granted { roles: standing.roles.clone(), ..Granted::default() },
            _ => self.granted(conn, payload, target.as_ref()).await?,
        };
        if target.is_some() && granted.roles.is_empty() {
            return Err(IdentityError::Unauthorized("the user has no role in the scope"));
        }
        let mut user = standing.user.clone();
        if let Some(Delegation::Trust(trust)) = granted.delegation.as_ref()
            && trust.impersonation
        {
            user = self.token_user(conn, &trust.trustor).await?;
            if self.is_revoked(conn, payload, &trust.trustor, issued_at).await? {
                return Err(IdentityError::Unauthorized("the trustor's tokens were revoked"));
            }
        }
        let until = granted.until.map_or(payload.expires_at, |until| until.min(payload.expires_at));
        let info = TokenInfo {
            user,
            scope: standing.scope.clone(),
            roles: granted.roles,
            delegation: granted.delegation,
            federation: granted.federation,
            methods: payload.methods.clone(),
            audit_ids: payload.audit_ids.clone(),
            issued_at,
            expires_at: payload.expires_at,
        };
        Ok(Checked { info, until })
    }

    /// The user and the scope that a payload names, and the roles that the user has there without anybody's help.
    async fn standing(
        &self,
        conn: &mut Connection,
        payload: &Payload,
        epoch: i64,
    ) -> Result<Arc<Standing>, IdentityError> {
        let key = (payload.user_id.clone(), payload.scope.clone());
        if let Some(known) = self.cache.standings.get(&key, epoch) {
            return Ok(known);
        }
        let user = self.token_user(conn, &payload.user_id).await?;
        let scope = token_scope(conn, &payload.scope).await?;
        let roles = granted::own(conn, &payload.user_id, target_of(&payload.scope).as_ref()).await?;
        Ok(self.cache.standings.put(key, epoch, Arc::new(Standing { user, scope, roles })))
    }

    async fn token_user(&self, conn: &mut Connection, id: &UserId) -> Result<UserRef, IdentityError> {
        let gone = || IdentityError::Unauthorized("the user is gone or disabled");
        let user = crate::user::store::get(conn, id).await?.filter(|user| user.enabled).ok_or_else(gone)?;
        let domain = crate::project::store::get_domain(conn, &user.domain_id).await?;
        let domain = domain.filter(|domain| domain.enabled).ok_or_else(gone)?;
        Ok(UserRef {
            id: user.id,
            name: user.name,
            domain: DomainRef { id: user.domain_id, name: domain.name },
            password_expires_at: user.password_expires_at,
        })
    }
}

/// What roles are looked for on.
fn target_of(scope: &ScopeId) -> Option<Target> {
    match scope {
        ScopeId::Unscoped => None,
        ScopeId::System => Some(Target::System),
        ScopeId::Domain(id) => Some(Target::Domain(id.clone())),
        ScopeId::Project(id) => Some(Target::Project(id.clone())),
    }
}

async fn token_scope(conn: &mut Connection, scope: &ScopeId) -> Result<Scope, IdentityError> {
    let gone = || IdentityError::Unauthorized("the scope is gone or disabled");
    match scope {
        ScopeId::Unscoped => Ok(Scope::Unscoped),
        ScopeId::System => Ok(Scope::System),
        ScopeId::Domain(id) => {
            let domain = crate::project::store::get_domain(conn, id).await?.filter(|d| d.enabled).ok_or_else(gone)?;
            Ok(Scope::Domain(DomainRef { id: id.clone(), name: domain.name }))
        }
        ScopeId::Project(id) => {
            let project = crate::project::store::get(conn, id).await?.filter(|p| p.enabled).ok_or_else(gone)?;
            let domain_id = project.owning_domain();
            let domain = crate::project::store::get_domain(conn, &domain_id).await?;
            let domain = domain.filter(|domain| domain.enabled).ok_or_else(gone)?;
            Ok(Scope::Project(ProjectRef {
                id: project.id,
                name: project.name,
                domain: DomainRef { id: domain_id, name: domain.name },
                is_domain: project.is_domain,
            }))
        }
    }
}

/// A new audit id: 16 random bytes.
pub(crate) fn audit_id() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
}
