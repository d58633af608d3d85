//! Getting a token: what was proved, and on what the token shall be scoped.

use super::{
    payload::{Federation, Origin, Payload, ScopeId},
    provider::audit_id,
};
use crate::{Identity, IdentityError, assignment::Target, user::User};
use controller_base::{
    Secret, Timestamp,
    id::{DomainId, ProjectId, UserId},
};
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
    Token(Secret),
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
}

/// What the proofs showed.
struct Proven {
    user: User,
    methods: Vec<String>,
    /// The end and the chain of the token that was offered.
    chain: Option<(Timestamp, String)>,
    /// What gives the roles.
    origin: Origin,
}

impl Identity {
    /// A token for whoever proves to be somebody.
    pub(crate) async fn authenticate_with(
        &self,
        proofs: Vec<Proof>,
        wanted: Wanted,
    ) -> Result<(String, TokenInfo), IdentityError> {
        let proven = self.prove(proofs).await?;
        let mut conn = self.db.read().await?;
        let (expires_at, audit_ids) = match proven.chain {
            Some((end, first)) => (end, vec![audit_id(), first]),
            None => (self.clock.now().plus_seconds(self.token_seconds), vec![audit_id()]),
        };
        let mut payload = Payload {
            user_id: proven.user.id.clone(),
            methods: proven.methods,
            scope: ScopeId::Unscoped,
            origin: proven.origin,
            expires_at,
            audit_ids,
        };
        let now = Timestamp(self.clock.now().0 / 1_000_000 * 1_000_000);
        if matches!(wanted, Wanted::Default) {
            if let Some(project) = proven.user.default_project_id {
                let scoped = Payload { scope: ScopeId::Project(project), ..payload.clone() };
                // A default project that is gone, or where the user has no role any more, is passed over in silence.
                if let Ok(info) = self.resolve(&mut conn, &scoped, now).await {
                    return Ok((self.seal_token(&scoped), info));
                }
            }
        } else {
            payload.scope = find_scope(&mut conn, wanted).await?;
        }
        let info = self.resolve(&mut conn, &payload, now).await?;
        Ok((self.seal_token(&payload), info))
    }

    async fn prove(&self, proofs: Vec<Proof>) -> Result<Proven, IdentityError> {
        let mut found: Option<Proven> = None;
        for proof in proofs {
            let next = match proof {
                Proof::Password(user, password) => self.prove_password(user, &password).await?,
                Proof::Token(token) => self.prove_token(token.reveal()).await?,
            };
            found = Some(match found {
                None => next,
                Some(before) if before.user.id == next.user.id => Proven {
                    methods: before.methods.into_iter().chain(next.methods).collect(),
                    chain: before.chain.or(next.chain),
                    origin: if before.origin == Origin::Own { next.origin } else { before.origin },
                    user: next.user,
                },
                Some(_) => return Err(IdentityError::Unauthorized("the methods name different users")),
            });
        }
        found.ok_or_else(|| IdentityError::invalid("Expecting to find methods in identity."))
    }

    async fn prove_password(&self, name: UserName, password: &Secret) -> Result<Proven, IdentityError> {
        let user = {
            let mut conn = self.db.read().await?;
            find_user(&mut conn, name).await?
        };
        let hash = user.as_ref().and_then(|user| user.password_hash.clone());
        let right = self.passwords.verify(password, hash).await?;
        let user = user.filter(|_| right).ok_or(IdentityError::Unauthorized("wrong user or password"))?;
        if user.password_expires_at.is_some_and(|end| end <= self.clock.now()) {
            return Err(IdentityError::Unauthorized("the password has expired"));
        }
        Ok(Proven { user, methods: vec!["password".to_owned()], chain: None, origin: Origin::Own })
    }

    async fn prove_token(&self, token: &str) -> Result<Proven, IdentityError> {
        let info = self.validate(token).await?;
        let gone = IdentityError::Unauthorized("the user is gone");
        let mut conn = self.db.read().await?;
        let user = crate::user::store::get(&mut conn, &info.user.id).await?.ok_or(gone)?;
        let mut methods = info.methods.clone();
        if !methods.iter().any(|method| method == "token") {
            methods.push("token".to_owned());
        }
        let first = info.audit_ids.last().cloned().unwrap_or_default();
        let origin = match &info.federation {
            None => Origin::Own,
            Some(federation) => Origin::Federated(Federation {
                idp_id: federation.identity_provider.clone(),
                protocol_id: federation.protocol.clone(),
                group_ids: federation.groups.clone(),
            }),
        };
        Ok(Proven { user, methods, chain: Some((info.expires_at, first)), origin })
    }

    /// Whether a user could get a token on this target.
    pub(crate) async fn has_roles(&self, user: &UserId, target: &Target) -> Result<bool, IdentityError> {
        let mut conn = self.db.read().await?;
        let actor = crate::assignment::Actor::User(user.clone());
        Ok(!crate::assignment::effective_roles(&mut conn, &actor, target).await?.is_empty())
    }
}

async fn find_user(conn: &mut Connection, name: UserName) -> Result<Option<User>, IdentityError> {
    match name {
        UserName::Id(id) => match id.parse::<UserId>() {
            Ok(id) => Ok(crate::user::store::get(conn, &id).await?),
            Err(_) => Ok(None),
        },
        UserName::Name(name, domain) => match find_domain(conn, domain).await? {
            Some(domain) => Ok(crate::user::store::find(conn, &domain, &name).await?),
            None => Ok(None),
        },
    }
}

async fn find_domain(conn: &mut Connection, domain: DomainName) -> Result<Option<DomainId>, IdentityError> {
    match domain {
        DomainName::Id(id) => Ok(id.parse().ok()),
        DomainName::Name(name) => {
            let found = crate::project::store::find_domain(conn, &name).await?;
            Ok(found.and_then(|domain| domain.id.as_str().parse().ok()))
        }
    }
}

async fn find_scope(conn: &mut Connection, wanted: Wanted) -> Result<ScopeId, IdentityError> {
    let missing = || IdentityError::Unauthorized("the wanted scope does not exist");
    match wanted {
        Wanted::Default | Wanted::Unscoped => Ok(ScopeId::Unscoped),
        Wanted::System => Ok(ScopeId::System),
        Wanted::Domain(name) => find_domain(conn, name).await?.map(ScopeId::Domain).ok_or_else(missing),
        Wanted::Project(ProjectName::Id(id)) => id.parse::<ProjectId>().map(ScopeId::Project).map_err(|_| missing()),
        Wanted::Project(ProjectName::Name(name, domain)) => {
            let domain = find_domain(conn, domain).await?.ok_or_else(missing)?;
            let project = crate::project::store::find(conn, &domain, &name).await?.ok_or_else(missing)?;
            Ok(ScopeId::Project(project.id))
        }
    }
}
