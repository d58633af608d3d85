//! Rules of what projects see of the catalog.

use super::{
    EndpointGroup,
    store::{self, Given},
};
use crate::{Identity, IdentityError, catalog::Endpoint, project::Project};
use controller_base::id::ProjectId;
use controller_db::Connection;
use controller_web::Params;

impl Identity {
    /// A group by its id.
    pub(super) async fn endpoint_group(&self, id: &str) -> Result<EndpointGroup, IdentityError> {
        let found = store::get(&mut *self.db.read().await?, id).await?;
        found.ok_or_else(|| IdentityError::Missing(format!("Could not find Endpoint Group: {id}.")))
    }

    pub(super) async fn endpoint_groups(&self, params: &Params) -> Result<Vec<EndpointGroup>, IdentityError> {
        Ok(store::list(&mut *self.db.read().await?, params).await?)
    }

    pub(super) async fn endpoint_groups_of(&self, project: &ProjectId) -> Result<Vec<EndpointGroup>, IdentityError> {
        Ok(store::list_of_project(&mut *self.db.read().await?, project).await?)
    }

    /// Stores a new or changed group.
    pub(super) async fn put_endpoint_group(&self, group: &EndpointGroup, new: bool) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        if new {
            store::insert(&mut tx, group).await?;
        } else {
            store::update(&mut tx, group).await?;
        }
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn delete_endpoint_group(&self, id: &str) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        store::delete(&mut tx, id).await?;
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Gives something to a project or takes it back; false when there was nothing to take.
    pub(super) async fn set_given(
        &self,
        what: Given,
        id: &str,
        project: &ProjectId,
        given: bool,
    ) -> Result<bool, IdentityError> {
        let mut tx = self.db.begin().await?;
        let done = if given {
            store::give(&mut tx, what, id, project).await?;
            true
        } else {
            store::take(&mut tx, what, id, project).await?
        };
        self.touch(&mut tx).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// The projects that something was given to.
    pub(super) async fn projects_given(&self, what: Given, id: &str) -> Result<Vec<Project>, IdentityError> {
        let mut conn = self.db.read().await?;
        let ids = store::projects_with(&mut conn, what, id).await?;
        Ok(crate::project::store::list_ids(&mut conn, &ids).await?)
    }

    /// The endpoints that a project was given, singly and in groups.
    pub(super) async fn endpoints_given(&self, project: &ProjectId) -> Result<Vec<Endpoint>, IdentityError> {
        let mut conn = self.db.read().await?;
        let all = crate::catalog::store::list_endpoints(&mut conn, &Params::default()).await?;
        Ok(given(&mut conn, project, all).await?)
    }

    /// The endpoints of a group.
    pub(super) async fn endpoints_in(&self, group: &EndpointGroup) -> Result<Vec<Endpoint>, IdentityError> {
        let all = crate::catalog::store::list_endpoints(&mut *self.db.read().await?, &Params::default()).await?;
        Ok(all.into_iter().filter(|endpoint| group.holds(endpoint)).collect())
    }
}

async fn given(
    conn: &mut Connection,
    project: &ProjectId,
    all: Vec<Endpoint>,
) -> Result<Vec<Endpoint>, controller_db::DbError> {
    let single = store::endpoints_of(conn, project).await?;
    let groups = store::list_of_project(conn, project).await?;
    let is_given =
        |endpoint: &Endpoint| single.contains(&endpoint.id) || groups.iter().any(|group| group.holds(endpoint));
    Ok(all.into_iter().filter(is_given).collect())
}

/// What a project's catalog is made of: what it was given, or everything where that is nothing.
pub(crate) async fn seen_by(
    conn: &mut Connection,
    project: &ProjectId,
    all: Vec<Endpoint>,
) -> Result<Vec<Endpoint>, controller_db::DbError> {
    let some = given(conn, project, all.clone()).await?;
    Ok(if some.is_empty() { all } else { some })
}
