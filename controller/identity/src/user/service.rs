//! Rules of users.

use super::{User, secret::By, store};
use crate::{Identity, IdentityError, wire::Attributes};
use controller_base::{
    Secret,
    id::{ProjectId, UserId},
};

/// What a change of a user may hold.
#[derive(Debug, Default)]
pub(crate) struct UserChange {
    pub name: Option<String>,
    pub enabled: Option<bool>,
    pub default_project_id: Option<Option<ProjectId>>,
    pub password: Option<Option<Secret>>,
    pub options: Option<Attributes>,
    pub extra: Attributes,
}

impl Identity {
    /// A user by its id.
    pub(crate) async fn user(&self, id: &str) -> Result<User, IdentityError> {
        let missing = || IdentityError::not_found("user", id);
        let wanted: UserId = id.parse().map_err(|_| missing())?;
        store::get(&mut *self.db.read().await?, &wanted).await?.ok_or_else(missing)
    }

    /// Stores a new user; its domain must exist.
    pub(crate) async fn create_user(&self, mut user: User, password: Option<Secret>) -> Result<User, IdentityError> {
        self.refuse_foreign_write(&user.domain_id).await?;
        if let Some(password) = password {
            let hash = self.hash_new(&password).await?;
            self.start_password(&mut user, Some(hash), By::Administrator);
        }
        let mut tx = self.db.begin().await?;
        if crate::project::store::get_domain(&mut tx, &user.domain_id).await?.is_none() {
            return Err(IdentityError::not_found("domain", &user.domain_id));
        }
        store::insert(&mut tx, &user).await.map_err(|error| duplicate(error, &user))?;
        tx.commit().await?;
        Ok(user)
    }

    /// Changes a user. A new password, a new name and being disabled end the user's tokens.
    pub(crate) async fn update_user(&self, id: &UserId, change: UserChange) -> Result<User, IdentityError> {
        self.refuse_foreign_write(&self.user(id.as_str()).await?.domain_id).await?;
        let ends_tokens = change.password.is_some() || change.enabled == Some(false);
        // Hashed outside of the transaction: it takes long.
        let hash = match &change.password {
            Some(Some(password)) => Some(Some(self.hash_new(password).await?)),
            Some(None) => Some(None),
            None => None,
        };
        let mut tx = self.db.begin().await?;
        let found = store::get(&mut tx, id).await?;
        let mut user = found.ok_or_else(|| IdentityError::not_found("user", id))?;
        user.name = change.name.unwrap_or(user.name);
        user.enabled = change.enabled.unwrap_or(user.enabled);
        user.default_project_id = change.default_project_id.unwrap_or(user.default_project_id);
        crate::wire::merge_options(&mut user.options, change.options);
        if let Some(hash) = hash {
            self.replace_password(&mut tx, &mut user, hash, By::Administrator).await?;
        }
        if change.enabled == Some(true) {
            self.unlock(&mut tx, id).await?;
        }
        crate::wire::merge(&mut user.extra, change.extra);
        store::update(&mut tx, &user).await.map_err(|error| match error {
            IdentityError::Db(error) => duplicate(error, &user),
            other => other,
        })?;
        if !user.enabled {
            crate::app_credential::store::delete_of_user(&mut tx, id).await?;
        }
        if ends_tokens {
            self.revoke_user(&mut tx, id).await?;
        }
        self.touch(&mut tx).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// Deletes a user.
    pub(crate) async fn delete_user(&self, id: &UserId) -> Result<(), IdentityError> {
        self.refuse_foreign_write(&self.user(id.as_str()).await?.domain_id).await?;
        let mut tx = self.db.begin().await?;
        store::delete(&mut tx, id).await?;
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }
}

fn duplicate(error: controller_db::DbError, user: &User) -> IdentityError {
    IdentityError::duplicate_name(error, "user", &user.name, Some(user.domain_id.as_str()))
}
