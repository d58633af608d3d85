//! Rules of application credentials.

use super::{ApplicationCredential, store};
use crate::{
    Identity, IdentityError,
    assignment::{Actor, Target},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use controller_base::{Secret, id::UserId};
use controller_db::Connection;
use controller_web::{
    Params,
    token::{AccessRule, ApplicationCredentialRef, RoleRef},
};
use sha2::{Digest, Sha256};

/// Before the SHA-256 of a secret that was made here.
const RANDOM: &str = "$sha256$";

impl Identity {
    /// A credential by its id.
    pub(crate) async fn application_credential(&self, id: &str) -> Result<ApplicationCredential, IdentityError> {
        let found = store::get(&mut *self.db.read().await?, id).await?;
        found.ok_or_else(|| IdentityError::not_found("Application Credential", id))
    }

    /// A user's credentials.
    pub(crate) async fn application_credentials(
        &self,
        user: &UserId,
        params: &Params,
    ) -> Result<Vec<ApplicationCredential>, IdentityError> {
        Ok(store::list(&mut *self.db.read().await?, user, params).await?)
    }

    /// Stores a new credential with this secret, or a random one. Tells the credential and the secret.
    pub(crate) async fn create_application_credential(
        &self,
        mut credential: ApplicationCredential,
        secret: Option<Secret>,
    ) -> Result<(ApplicationCredential, Secret), IdentityError> {
        let secret = match secret.filter(|secret| !secret.reveal().is_empty()) {
            Some(secret) => {
                credential.secret_hash = self.passwords.hash(&secret).await?;
                secret
            }
            None => {
                let secret = random_secret();
                credential.secret_hash = random_hash(secret.reveal());
                secret
            }
        };
        let mut tx = self.db.begin().await?;
        let (actor, target) = (Actor::User(credential.user_id.clone()), Target::Project(credential.project_id.clone()));
        let have = crate::assignment::effective_roles(&mut tx, &actor, &target).await?;
        if let Some(role) = credential.roles.iter().find(|role| !have.iter().any(|one| one.id == **role)) {
            return Err(IdentityError::invalid(format!(
                "Invalid application credential: Could not find role assignment with role: {role}, user or group: {}, \
                 project, domain, or system: {}.",
                credential.user_id, credential.project_id
            )));
        }
        credential.access_rules = store::insert(&mut tx, &credential)
            .await
            .map_err(|error| IdentityError::duplicate_name(error, "application_credential", &credential.name, None))?;
        tx.commit().await?;
        Ok((credential, secret))
    }

    /// Deletes a credential; its tokens end.
    pub(crate) async fn delete_application_credential(&self, id: &str) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        store::delete(&mut tx, id).await?;
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Whether this is the credential's secret.
    pub(crate) async fn is_secret_of(
        &self,
        credential: &ApplicationCredential,
        secret: &Secret,
    ) -> Result<bool, IdentityError> {
        if credential.secret_hash.starts_with(RANDOM) {
            return Ok(Secret::new(random_hash(secret.reveal())) == Secret::new(credential.secret_hash.as_str()));
        }
        self.passwords.verify(secret, Some(credential.secret_hash.clone())).await
    }

    /// What a credential gives: those of its roles that its user has still.
    pub(crate) async fn granted_by_credential(
        &self,
        conn: &mut Connection,
        id: &str,
        user: &UserId,
        target: Option<&Target>,
    ) -> Result<(Vec<RoleRef>, ApplicationCredentialRef), IdentityError> {
        let gone = || IdentityError::Unauthorized("the application credential is gone or has expired");
        let credential = store::get(conn, id).await?.ok_or_else(gone)?;
        let in_time = credential.expires_at.is_none_or(|end| end > self.clock.now());
        let target = target.filter(|target| **target == Target::Project(credential.project_id.clone()));
        let target = target.filter(|_| in_time && credential.user_id == *user).ok_or_else(gone)?;
        let mut roles = crate::assignment::effective_roles(conn, &Actor::User(user.clone()), target).await?;
        roles.retain(|role| credential.roles.contains(&role.id));
        let ApplicationCredential { id, name, unrestricted, access_rules, .. } = credential;
        Ok((roles, ApplicationCredentialRef { id, name, unrestricted, access_rules }))
    }

    /// A user's access rules.
    pub(crate) async fn access_rules(&self, user: &UserId, params: &Params) -> Result<Vec<AccessRule>, IdentityError> {
        Ok(store::rules(&mut *self.db.read().await?, user, params).await?)
    }

    /// A user's access rule.
    pub(crate) async fn access_rule(&self, user: &UserId, id: &str) -> Result<AccessRule, IdentityError> {
        let found = store::rule(&mut *self.db.read().await?, user, id).await?;
        found.ok_or_else(|| IdentityError::not_found("Access Rule", id))
    }

    /// Deletes an access rule that no credential has.
    pub(crate) async fn delete_access_rule(&self, id: &str) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        if !store::delete_rule(&mut tx, id).await? {
            return Err(IdentityError::forbidden_action("May not delete access rule in use"));
        }
        Ok(tx.commit().await?)
    }
}

/// 64 random bytes, as Keystone makes them.
fn random_secret() -> Secret {
    let (first, second): ([u8; 32], [u8; 32]) = (rand::random(), rand::random());
    Secret::new(URL_SAFE_NO_PAD.encode([first, second].concat()))
}

/// Nothing slower is needed: nobody guesses 512 random bits.
fn random_hash(secret: &str) -> String {
    format!("{RANDOM}{}", URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes())))
}
