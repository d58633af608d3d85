//! Rules of credentials: sealing, and whose they are.

use super::{Credential, PolicyBlob, store};
use crate::{Identity, IdentityError, token::fernet};
use controller_web::Params;
use ring::digest;

/// How many keys of credentials stay, as in Keystone.
const CREDENTIAL_KEYS: usize = 3;

impl Identity {
    /// A credential by its id, opened.
    pub(crate) async fn credential(&self, id: &str) -> Result<Credential, IdentityError> {
        let found = store::get(&mut *self.db.read().await?, id).await?;
        self.unseal(found.ok_or_else(|| IdentityError::not_found("credential", id))?)
    }

    /// Credentials, opened.
    pub(crate) async fn credentials(&self, params: &Params) -> Result<Vec<Credential>, IdentityError> {
        let found = store::list(&mut *self.db.read().await?, params).await?;
        found.into_iter().map(|credential| self.unseal(credential)).collect()
    }

    /// Stores a new or changed credential.
    pub(crate) async fn put_credential(&self, credential: &Credential, new: bool) -> Result<(), IdentityError> {
        let (sealed, hash) = self.seal_credential(credential)?;
        let mut tx = self.db.begin().await?;
        if new {
            if crate::user::store::get(&mut tx, &credential.user_id).await?.is_none() {
                return Err(IdentityError::not_found("user", &credential.user_id));
            }
            store::insert(&mut tx, &sealed, &hash).await.map_err(|error| match error {
                controller_db::DbError::UniqueViolation { .. } => {
                    IdentityError::Conflict { kind: "credential", details: format!("Duplicate ID, {}", credential.id) }
                }
                other => IdentityError::Db(other),
            })?;
        } else {
            store::update(&mut tx, &sealed, &hash).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Deletes a credential.
    pub(crate) async fn delete_credential(&self, id: &str) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        store::delete(&mut tx, id).await?;
        Ok(tx.commit().await?)
    }

    /// A policy blob by its id.
    pub(crate) async fn policy_blob(&self, id: &str) -> Result<PolicyBlob, IdentityError> {
        let found = store::get_policy(&mut *self.db.read().await?, id).await?;
        found.ok_or_else(|| IdentityError::not_found("policy", id))
    }

    /// Stores a policy blob.
    pub(crate) async fn put_policy_blob(&self, policy: &PolicyBlob) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        store::put_policy(&mut tx, policy).await?;
        Ok(tx.commit().await?)
    }

    /// Deletes a policy blob.
    pub(crate) async fn delete_policy_blob(&self, id: &str) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        store::delete_policy(&mut tx, id).await?;
        Ok(tx.commit().await?)
    }

    /// Makes the staged key of credentials the primary and seals all of them with it. Tells how many there were.
    ///
    /// # Errors
    /// The key repository's or the database's.
    pub async fn rotate_credential_keys(&self) -> Result<usize, IdentityError> {
        // What is sealed with the oldest key must not outlive it.
        self.migrate_credentials().await?;
        let failed = |error| IdentityError::Internal(format!("the credential keys: {error}"));
        self.credential_keys.rotate(CREDENTIAL_KEYS).map_err(failed)?;
        self.migrate_credentials().await
    }

    /// Seals anew what was sealed with an older key, so that older keys can be forgotten. Tells how many there were.
    ///
    /// # Errors
    /// The database's, or a credential that no key opens.
    pub async fn migrate_credentials(&self) -> Result<usize, IdentityError> {
        let hash = primary_hash(&self.credential_keys.keys());
        let mut tx = self.db.begin().await?;
        let old = store::sealed_otherwise(&mut tx, &hash).await?;
        for credential in &old {
            let credential = self.unseal(credential.clone())?;
            let (sealed, hash) = self.seal_credential(&credential)?;
            store::update(&mut tx, &sealed, &hash).await?;
        }
        tx.commit().await?;
        Ok(old.len())
    }

    /// Sealed, and the hash of the key.
    fn seal_credential(&self, credential: &Credential) -> Result<(Credential, String), IdentityError> {
        let keys = self.credential_keys.keys();
        let key = keys.first().ok_or_else(|| IdentityError::Internal("there is no credential key".to_owned()))?;
        let seconds = u64::try_from(self.clock.now().0 / 1_000_000).unwrap_or(0);
        let blob = fernet::seal(key, credential.blob.as_bytes(), seconds, rand::random());
        Ok((Credential { blob, ..credential.clone() }, primary_hash(&keys)))
    }

    fn unseal(&self, credential: Credential) -> Result<Credential, IdentityError> {
        let lost = || IdentityError::Internal(format!("credential {} cannot be opened by any key", credential.id));
        let (bytes, _) = fernet::open(&self.credential_keys.keys(), &credential.blob).ok_or_else(lost)?;
        let blob = String::from_utf8(bytes).map_err(|_| lost())?;
        Ok(Credential { blob, ..credential })
    }
}

/// As Keystone marks what it sealed: the SHA-1 of the primary key's text.
fn primary_hash(keys: &[fernet::Key]) -> String {
    let text = keys.first().map(fernet::Key::encode).unwrap_or_default();
    hex::encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}
