//! Getting a token: what was proved, and on what the token shall be scoped.

use super::{
    find::find_scope,
    payload::{Origin, Payload, ScopeId},
    prove::Proven,
    provider::{Checked, audit_id},
    receipt::{self, Receipt},
};
use crate::{Identity, IdentityError, assignment::Target, trust::Trust, user::options};
use controller_base::{Secret, Timestamp, id::UserId};
use controller_db::Connection;
use controller_web::TokenInfo;

/// A user as a request names one.
#[derive(Clone, Debug)]
pub(crate) enum UserName {
    Id(String),
    Name(String, DomainName),
}

/// A domain as a request names one.
#[derive(Clone, Debug)]
pub(crate) enum DomainName {
    Id(String),
    Name(String),
}

/// A project as a request names one.
#[derive(Clone, Debug)]
pub(crate) enum ProjectName {
    Id(String),
    Name(String, DomainName),
}

/// What a request offers as proof.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    Password(UserName, Secret),
    /// A one-time password.
    Passcode(UserName, Secret),
    Token(Secret),
    ApplicationCredential(CredentialName, Secret),
}

/// An application credential as a request names one.
#[derive(Clone, Debug)]
pub(crate) enum CredentialName {
    Id(String),
    /// The user's, by its name.
    Name(UserName, String),
}

/// The wanted scope.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// The user's default project, or else none.
    Default,
    Unscoped,
    Project(ProjectName),
    Domain(DomainName),
    System,
    /// A trust's project, with its roles.
    Trust(String),
}

/// What came of a request for a token.
#[derive(Debug)]
pub(crate) enum Answer {
    Token(String, Box<TokenInfo>),
    /// More methods are wanted; this tells which were shown.
    More(Box<Receipt>),
}

impl Identity {
    /// A token for whoever proves to be somebody; with an earlier request's receipt, by both together.
    pub(crate) async fn authenticate_with(
        &self,
        proofs: Vec<Proof>,
        wanted: Wanted,
        receipt: Option<&str>,
    ) -> Result<Answer, IdentityError> {
        let mut proven = self.prove(proofs, &wanted).await?;
        if let Some(receipt) = receipt {
            let earlier = self.open_receipt(receipt, &proven.user.id)?;
            proven.methods.extend(earlier.into_iter().filter(|m| !proven.methods.contains(m)).collect::<Vec<_>>());
        }
        if !receipt::is_enough(&options::mfa_rules(&proven.user.options), &proven.methods) {
            let receipt = self.issue_receipt(proven.user, proven.methods).await?;
            return Ok(Answer::More(Box::new(receipt)));
        }
        let (text, info) = self.issue(proven, wanted).await?;
        Ok(Answer::Token(text, Box::new(info)))
    }

    /// A token of this scope for somebody who was proved.
    pub(crate) async fn issue(&self, proven: Proven, wanted: Wanted) -> Result<(String, TokenInfo), IdentityError> {
        let epoch = self.epoch().await?;
        let mut conn = self.db.read().await?;
        let default = proven.user.default_project_id.clone();
        let mut payload = self.first_payload(proven);
        // A token's seal knows whole seconds.
        let now = Timestamp(self.clock.now().0 / 1_000_000 * 1_000_000);
        let mut trust = None;
        match wanted {
            // An application credential brings its scope along.
            _ if payload.scope != ScopeId::Unscoped => {}
            Wanted::Default if payload.origin == Origin::Own => {
                let scope = default.map(ScopeId::Project);
                let scoped = scope.map(|scope| Payload { scope, ..payload.clone() });
                if let Some(scoped) = scoped
                    // A default project that is gone, or where the user has no role any more, is passed over in silence.
                    && let Ok(checked) = self.resolve(&mut conn, &scoped, now, epoch).await
                {
                    return Ok(self.issued(&scoped, checked, epoch));
                }
            }
            Wanted::Trust(id) => trust = Some(self.scope_by_trust(&mut conn, &mut payload, &id).await?),
            wanted => payload.scope = find_scope(&mut conn, wanted).await?,
        }
        let checked = self.resolve(&mut conn, &payload, now, epoch).await?;
        drop(conn);
        if let Some(trust) = trust {
            self.consume_trust(&trust).await?;
        }
        Ok(self.issued(&payload, checked, epoch))
    }

    /// A new token's text. It was checked just now: whoever shows it first need not wait for that.
    fn issued(&self, payload: &Payload, checked: Checked, epoch: i64) -> (String, TokenInfo) {
        let text = self.seal_token(payload);
        self.cache.put(&text, epoch, checked.info.clone(), checked.until);
        (text, checked.info)
    }

    /// The payload of a token whose scope is not known yet.
    fn first_payload(&self, proven: Proven) -> Payload {
        let (end, audit_ids) = match proven.chain {
            Some((end, first)) => (end, vec![audit_id(), first]),
            None => (self.clock.now().plus_seconds(self.token_seconds), vec![audit_id()]),
        };
        Payload {
            user_id: proven.user.id,
            methods: proven.methods,
            scope: proven.scope.unwrap_or(ScopeId::Unscoped),
            origin: proven.origin,
            expires_at: proven.until.map_or(end, |until| until.min(end)),
            audit_ids,
        }
    }

    /// The token ends no later than the trust.
    async fn scope_by_trust(
        &self,
        conn: &mut Connection,
        payload: &mut Payload,
        id: &str,
    ) -> Result<Trust, IdentityError> {
        let trust = self.usable_trust(conn, id).await.map_err(|error| match error {
            IdentityError::NotFound { .. } => IdentityError::Unauthorized("the trust is gone, over or used up"),
            other => other,
        })?;
        payload.origin = Origin::Trust(trust.id.clone());
        payload.scope = trust.project_id.clone().map_or(ScopeId::Unscoped, ScopeId::Project);
        payload.expires_at = trust.expires_at.map_or(payload.expires_at, |end| end.min(payload.expires_at));
        Ok(trust)
    }

    /// Whether a user could get a token on this target.
    pub(crate) async fn has_roles(&self, user: &UserId, target: &Target) -> Result<bool, IdentityError> {
        let mut conn = self.db.read().await?;
        let actor = crate::assignment::Actor::User(user.clone());
        Ok(!crate::assignment::effective_roles(&mut conn, &actor, target).await?.is_empty())
    }
}
