//! Rules of credentials: sealing, and whose they are.

use super::{Credential, PolicyBlob, store};
use crate::{Identity, IdentityError, token::fernet};
use controller_web::Params;

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
        let sealed = self.seal_credential(credential)?;
        let mut tx = self.db.begin().await?;
        if new {
            if crate::user::store::get(&mut tx, &credential.user_id).await?.is_none() {
                return Err(IdentityError::not_found("user", &credential.user_id));
            }
            store::insert(&mut tx, &sealed).await.map_err(|error| match error {
                controller_db::DbError::UniqueViolation { .. } => {
                    IdentityError::Conflict { kind: "credential", details: format!("Duplicate ID, {}", credential.id) }
                }
                other => IdentityError::Db(other),
            })?;
        } else {
            store::update(&mut tx, &sealed).await?;
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

    fn seal_credential(&self, credential: &Credential) -> Result<Credential, IdentityError> {
        let keys = self.credential_keys.keys();
        let key = keys.first().ok_or_else(|| IdentityError::Internal("there is no credential key".to_owned()))?;
        let seconds = u64::try_from(self.clock.now().0 / 1_000_000).unwrap_or(0);
        let blob = fernet::seal(key, credential.blob.as_bytes(), seconds, rand::random());
        Ok(Credential { blob, ..credential.clone() })
    }

    fn unseal(&self, credential: Credential) -> Result<Credential, IdentityError> {
        let lost = || IdentityError::Internal(format!("credential {} cannot be opened by any key", credential.id));
        let (bytes, _) = fernet::open(&self.credential_keys.keys(), &credential.blob).ok_or_else(lost)?;
        let blob = String::from_utf8(bytes).map_err(|_| lost())?;
        Ok(Credential { blob, ..credential })
    }
}
