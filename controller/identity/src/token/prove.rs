//! What somebody proves to be who they are: a password, a token, an application credential.

use super::{
    authenticate::{CredentialName, Proof, UserName, Wanted},
    find::find_user,
    payload::{Federation, Origin, ScopeId},
};
use crate::{Identity, IdentityError, app_credential, user::User};
use controller_base::{Secret, Timestamp};
use controller_web::{Params, Scope, TokenInfo};

/// What the proofs showed.
#[derive(Debug)]
pub(crate) struct Proven {
    pub user: User,
    pub methods: Vec<String>,
    /// The end and the chain of the token that was offered.
    pub chain: Option<(Timestamp, String)>,
    /// What gives the roles.
    pub origin: Origin,
    /// The scope, where the proof brings it along.
    pub scope: Option<ScopeId>,
    /// When what was proved ends.
    pub until: Option<Timestamp>,
}

impl Proven {
    /// A user by this method.
    pub(crate) fn new(user: User, method: &str) -> Self {
        Self { user, methods: vec![method.to_owned()], chain: None, origin: Origin::Own, scope: None, until: None }
    }

    /// This and another: both must show the same user.
    fn and(self, next: Self) -> Result<Self, IdentityError> {
        if self.user.id != next.user.id {
            return Err(IdentityError::Unauthorized("the methods name different users"));
        }
        let mut methods = self.methods;
        methods.extend(next.methods.into_iter().filter(|method| !methods.contains(method)).collect::<Vec<_>>());
        Ok(Self {
            user: next.user,
            methods,
            chain: self.chain.or(next.chain),
            origin: if self.origin == Origin::Own { next.origin } else { self.origin },
            scope: self.scope.or(next.scope),
            until: self.until.into_iter().chain(next.until).min(),
        })
    }
}

impl Identity {
    pub(super) async fn prove(&self, proofs: Vec<Proof>, wanted: &Wanted) -> Result<Proven, IdentityError> {
        let mut found: Option<Proven> = None;
        for proof in proofs {
            let next = match proof {
                Proof::Password(user, password) => self.prove_password(user, &password).await?,
                Proof::Passcode(user, passcode) => self.prove_passcode(user, &passcode).await?,
                Proof::Token(token) => self.prove_token(token.reveal(), wanted).await?,
                Proof::ApplicationCredential(name, secret) => {
                    self.prove_application_credential(name, &secret, wanted).await?
                }
            };
            found = Some(match found {
                None => next,
                Some(before) => before.and(next)?,
            });
        }
        found.ok_or_else(|| IdentityError::invalid("Expecting to find methods in identity."))
    }

    async fn prove_password(&self, name: UserName, password: &Secret) -> Result<Proven, IdentityError> {
        self.look_for(&name).await?;
        let user = {
            let mut conn = self.db.read().await?;
            find_user(&mut conn, name).await?
        };
        Ok(Proven::new(self.check_password(user, password).await?, "password"))
    }

    async fn prove_passcode(&self, name: UserName, passcode: &Secret) -> Result<Proven, IdentityError> {
        let wrong = || IdentityError::Unauthorized("wrong user or passcode");
        let user = {
            let mut conn = self.db.read().await?;
            find_user(&mut conn, name).await?
        };
        let user = user.ok_or_else(wrong)?;
        let activity = self.activity(&user).await?;
        self.check_account(&user, &activity)?;
        let whose = format!("totp {}", user.id);
        self.may_guess(&whose)?;
        let wanted = Params::parse(&format!("user_id={}&type=totp", user.id));
        let secrets = self.credentials(&wanted).await?;
        let now = self.clock.now();
        if !secrets.iter().any(|secret| super::totp::fits(&secret.blob, passcode.reveal(), now)) {
            self.guesses.wrong(&whose, now);
            return Err(wrong());
        }
        Ok(Proven::new(user, "totp"))
    }

    async fn prove_token(&self, token: &str, wanted: &Wanted) -> Result<Proven, IdentityError> {
        let info = self.validate(token).await.map_err(|error| match error {
            // Keystone's answer is 404 here.
            IdentityError::Unauthorized(_) => IdentityError::Missing("Failed to validate token".to_owned()),
            other => other,
        })?;
        self.may_rescope(&info, wanted)?;
        let gone = IdentityError::Unauthorized("the user is gone");
        let mut conn = self.db.read().await?;
        let user = crate::user::store::get(&mut conn, &info.user.id).await?.ok_or(gone)?;
        let mut proven = Proven::new(user, "token");
        proven.methods = info.methods.iter().cloned().chain(["token".to_owned()]).collect();
        proven.methods.dedup();
        proven.chain = Some((info.expires_at, info.audit_ids.last().cloned().unwrap_or_default()));
        if let Some(credential) = info.application_credential() {
            proven.origin = Origin::ApplicationCredential(credential.id.clone());
            proven.scope = info.project().map(|project| ScopeId::Project(project.id.clone()));
        }
        if let Some(federation) = &info.federation {
            proven.origin = Origin::Federated(Federation {
                idp_id: federation.identity_provider.clone(),
                protocol_id: federation.protocol.clone(),
                group_ids: federation.groups.clone(),
            });
        }
        Ok(proven)
    }

    /// A token of a delegation gives no other, and one of the system none below it.
    fn may_rescope(&self, info: &TokenInfo, wanted: &Wanted) -> Result<(), IdentityError> {
        let refuse = |reason: &str| Err(IdentityError::forbidden_action(reason));
        if info.trust().is_some() {
            return refuse("Using trust-scoped token to create another token. Create a new trust-scoped token instead");
        }
        if info.scope == Scope::System && matches!(wanted, Wanted::Project(_) | Wanted::Domain(_)) {
            return refuse(
                "Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed.",
            );
        }
        if info.application_credential().is_some() && !matches!(wanted, Wanted::Default) {
            return refuse("Using an application credential token to create a scoped token is not allowed.");
        }
        if !self.allow_rescope && info.scope != Scope::Unscoped {
            return refuse("rescope a scoped token");
        }
        Ok(())
    }

    async fn prove_application_credential(
        &self,
        name: CredentialName,
        secret: &Secret,
        wanted: &Wanted,
    ) -> Result<Proven, IdentityError> {
        if !matches!(wanted, Wanted::Default) {
            return Err(IdentityError::Unauthorized("application credentials cannot request a scope"));
        }
        let wrong = || IdentityError::Unauthorized("wrong application credential or secret");
        let found = {
            let mut conn = self.db.read().await?;
            match name {
                CredentialName::Id(id) => match app_credential::store::get(&mut conn, &id).await? {
                    // Keystone tells.
                    None => return Err(IdentityError::not_found("Application Credential", id)),
                    found => found,
                },
                CredentialName::Name(user, name) => {
                    let user = find_user(&mut conn, user).await?.ok_or_else(wrong)?;
                    app_credential::store::find(&mut conn, &user.id, &name).await?
                }
            }
        };
        let credential = found.ok_or_else(wrong)?;
        let right = self.is_secret_of(&credential, secret).await?;
        let in_time = credential.expires_at.is_none_or(|end| end > self.clock.now());
        if !right || !in_time {
            return Err(wrong());
        }
        let mut conn = self.db.read().await?;
        let user = crate::user::store::get(&mut conn, &credential.user_id).await?.ok_or_else(wrong)?;
        let mut proven = Proven::new(user, "application_credential");
        proven.origin = Origin::ApplicationCredential(credential.id);
        proven.scope = Some(ScopeId::Project(credential.project_id));
        proven.until = credential.expires_at;
        Ok(proven)
    }
}
