//! Rules of groups.

use super::{Group, store};
use crate::{Identity, IdentityError, wire::Attributes};
use controller_base::id::{GroupId, UserId};

/// What a change of a group may hold.
#[derive(Debug, Default)]
pub(crate) struct GroupChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub extra: Attributes,
}

impl Identity {
    /// A group by its id.
    pub(crate) async fn group(&self, id: &str) -> Result<Group, IdentityError> {
        let missing = || IdentityError::not_found("group", id);
        let wanted: GroupId = id.parse().map_err(|_| missing())?;
        store::get(&mut *self.db.read().await?, &wanted).await?.ok_or_else(missing)
    }

    /// Stores a new group; its domain must exist.
    pub(crate) async fn create_group(&self, group: &Group) -> Result<(), IdentityError> {
        self.refuse_foreign_write(&group.domain_id).await?;
        let mut tx = self.db.begin().await?;
        if crate::project::store::get_domain(&mut tx, &group.domain_id).await?.is_none() {
            return Err(IdentityError::not_found("domain", &group.domain_id));
        }
        store::insert(&mut tx, group).await.map_err(|error| duplicate(error, group))?;
        Ok(tx.commit().await?)
    }

    /// Changes a group.
    pub(crate) async fn update_group(&self, id: &GroupId, change: GroupChange) -> Result<Group, IdentityError> {
        self.refuse_foreign_write(&self.group(id.as_str()).await?.domain_id).await?;
        let mut tx = self.db.begin().await?;
        let found = store::get(&mut tx, id).await?;
        let mut group = found.ok_or_else(|| IdentityError::not_found("group", id))?;
        group.name = change.name.unwrap_or(group.name);
        group.description = change.description.unwrap_or(group.description);
        crate::wire::merge(&mut group.extra, change.extra);
        store::update(&mut tx, &group).await.map_err(|error| match error {
            IdentityError::Db(error) => duplicate(error, &group),
            other => other,
        })?;
        tx.commit().await?;
        Ok(group)
    }

    /// Deletes a group; its members lose the roles that they had through it.
    pub(crate) async fn delete_group(&self, id: &GroupId) -> Result<(), IdentityError> {
        self.refuse_foreign_write(&self.group(id.as_str()).await?.domain_id).await?;
        let mut tx = self.db.begin().await?;
        store::delete(&mut tx, id).await?;
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Puts a user into a group, or takes it out; false when it was not in.
    pub(crate) async fn set_member(&self, group: &GroupId, user: &UserId, member: bool) -> Result<bool, IdentityError> {
        self.refuse_foreign_write(&self.group(group.as_str()).await?.domain_id).await?;
        let mut tx = self.db.begin().await?;
        let done = if member {
            store::add_member(&mut tx, group, user).await?;
            true
        } else {
            store::remove_member(&mut tx, group, user).await?
        };
        self.touch(&mut tx).await?;
        tx.commit().await?;
        Ok(done)
    }
}

fn duplicate(error: controller_db::DbError, group: &Group) -> IdentityError {
    IdentityError::duplicate_name(error, "group", &group.name, Some(group.domain_id.as_str()))
}
