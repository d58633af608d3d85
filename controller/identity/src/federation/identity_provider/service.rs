//! Rules of identity providers.

use super::{IdentityProvider, store};
use crate::{Identity, IdentityError, project::Project, wire::Attributes};
use controller_base::id::IdentityProviderId;
use controller_db::DbError;

impl Identity {
    /// A provider by its id.
    pub(crate) async fn identity_provider(&self, id: &str) -> Result<IdentityProvider, IdentityError> {
        let missing = || IdentityError::not_found("Identity Provider", id);
        let wanted: IdentityProviderId = id.parse().map_err(|_| missing())?;
        store::get(&mut *self.db.read().await?, &wanted).await?.ok_or_else(missing)
    }

    /// Stores a new provider; without a named domain it gets one of its own.
    pub(crate) async fn create_identity_provider(
        &self,
        provider: &IdentityProvider,
        named: bool,
    ) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        if named {
            if crate::project::store::get_domain(&mut tx, &provider.domain_id).await?.is_none() {
                return Err(IdentityError::not_found("domain", &provider.domain_id));
            }
        } else {
            crate::project::store::insert(&mut tx, &own_domain(provider)?).await?;
        }
        store::insert(&mut tx, provider).await.map_err(|error| duplicate(error, provider))?;
        Ok(tx.commit().await?)
    }

    /// Changes a provider; disabling it ends what its users hold.
    pub(crate) async fn update_identity_provider(
        &self,
        id: &str,
        fields: super::wire::Fields,
    ) -> Result<IdentityProvider, IdentityError> {
        let missing = || IdentityError::not_found("Identity Provider", id);
        let wanted: IdentityProviderId = id.parse().map_err(|_| missing())?;
        let mut tx = self.db.begin().await?;
        let mut provider = store::get(&mut tx, &wanted).await?.ok_or_else(missing)?;
        fields.apply(&mut provider)?;
        store::update(&mut tx, &provider).await.map_err(|error| match error {
            IdentityError::Db(error) => duplicate(error, &provider),
            other => other,
        })?;
        self.touch(&mut tx).await?;
        tx.commit().await?;
        Ok(provider)
    }

    /// Deletes a provider and the users that came by it alone.
    pub(crate) async fn delete_identity_provider(&self, id: &str) -> Result<(), IdentityError> {
        let missing = || IdentityError::not_found("Identity Provider", id);
        let wanted: IdentityProviderId = id.parse().map_err(|_| missing())?;
        let mut tx = self.db.begin().await?;
        store::get(&mut tx, &wanted).await?.ok_or_else(missing)?;
        let users = crate::federation::shadow::store::users_only_of(&mut tx, &wanted).await?;
        store::delete(&mut tx, &wanted).await?;
        for user in users {
            crate::user::store::delete(&mut tx, &user).await?;
        }
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }
}

/// The domain that a provider without a named one gets: called like its id, as Keystone does.
fn own_domain(provider: &IdentityProvider) -> Result<Project, IdentityError> {
    Ok(Project {
        id: provider.domain_id.as_str().parse()?,
        domain_id: None,
        parent_id: None,
        name: provider.domain_id.to_string(),
        description: format!("Auto generated federated domain for Identity Provider: {}", provider.id),
        enabled: true,
        is_domain: true,
        tags: Vec::new(),
        options: Attributes::new(),
        extra: Attributes::new(),
        generation: 1,
    })
}

fn duplicate(error: DbError, provider: &IdentityProvider) -> IdentityError {
    if error.violates("identity_provider_remote", "remote_id") {
        return IdentityError::Conflict {
            kind: "identity_provider",
            details: format!("Duplicate remote ID: {}", provider.remote_ids.join(", ")),
        };
    }
    match error {
        DbError::UniqueViolation { .. } => IdentityError::Conflict {
            kind: "identity_provider",
            details: format!("Duplicate entry found with ID {}", provider.id),
        },
        other => IdentityError::Db(other),
    }
}
