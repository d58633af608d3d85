//! Rules of roles.

use super::{Role, store};
use crate::{Identity, IdentityError, wire::Attributes};
use controller_base::id::RoleId;

/// Nobody becomes an administrator by detour.
const PROHIBITED_IMPLIED: &str = "admin";

/// What a change of a role may hold.
#[derive(Debug, Default)]
pub(crate) struct RoleChange {
    pub name: Option<String>,
    pub description: Option<Option<String>>,
    pub options: Option<Attributes>,
    pub extra: Attributes,
}

impl Identity {
    /// A role by its id.
    pub(crate) async fn role(&self, id: &str) -> Result<Role, IdentityError> {
        let missing = || IdentityError::not_found("role", id);
        let wanted: RoleId = id.parse().map_err(|_| missing())?;
        store::get(&mut *self.db.read().await?, &wanted).await?.ok_or_else(missing)
    }

    /// Stores a new role; its domain must exist.
    pub(crate) async fn create_role(&self, role: &Role) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        if let Some(domain) = &role.domain_id
            && crate::project::store::get_domain(&mut tx, domain).await?.is_none()
        {
            return Err(IdentityError::not_found("domain", domain));
        }
        store::insert(&mut tx, role).await.map_err(|error| duplicate(error, role))?;
        Ok(tx.commit().await?)
    }

    /// Changes a role.
    pub(crate) async fn update_role(&self, id: &RoleId, change: RoleChange) -> Result<Role, IdentityError> {
        let mut tx = self.db.begin().await?;
        let mut role = store::get(&mut tx, id).await?.ok_or_else(|| IdentityError::not_found("role", id))?;
        let others = change.name.is_some() || change.description.is_some() || !change.extra.is_empty();
        crate::wire::check_immutable_update("role", id.as_str(), &role.options, change.options.as_ref(), others)?;
        role.name = change.name.unwrap_or(role.name);
        role.description = change.description.unwrap_or(role.description);
        crate::wire::merge_options(&mut role.options, change.options);
        crate::wire::merge(&mut role.extra, change.extra);
        store::update(&mut tx, &role).await.map_err(|error| match error {
            IdentityError::Db(error) => duplicate(error, &role),
            other => other,
        })?;
        self.touch(&mut tx).await?;
        tx.commit().await?;
        Ok(role)
    }

    /// Deletes a role; whoever had it has it no more.
    pub(crate) async fn delete_role(&self, id: &RoleId) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        if let Some(role) = store::get(&mut tx, id).await? {
            crate::wire::check_immutable_delete("role", id.as_str(), &role.options)?;
        }
        store::delete(&mut tx, id).await?;
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Starts or ends an implication; false when there was none to end. No role implies the administrators'. Circles are harmless.
    pub(crate) async fn set_implied(&self, prior: &Role, implied: &Role, implies: bool) -> Result<bool, IdentityError> {
        if implies && implied.name.eq_ignore_ascii_case(PROHIBITED_IMPLIED) {
            return Err(IdentityError::Forbidden(format!("{} cannot be an implied roles.", implied.id)));
        }
        if implies && prior.domain_id.is_none() && implied.domain_id.is_some() {
            return Err(IdentityError::Forbidden(format!(
                "A role of the whole cloud ({}) cannot imply one of a domain ({}).",
                prior.id, implied.id
            )));
        }
        let mut tx = self.db.begin().await?;
        let done = if implies {
            store::imply(&mut tx, &prior.id, &implied.id).await?;
            true
        } else {
            store::unimply(&mut tx, &prior.id, &implied.id).await?
        };
        self.touch(&mut tx).await?;
        tx.commit().await?;
        Ok(done)
    }
}

fn duplicate(error: controller_db::DbError, role: &Role) -> IdentityError {
    let domain = role.domain_id.as_ref().map(controller_base::id::DomainId::as_str);
    IdentityError::duplicate_name(error, "role", &role.name, domain)
}
