//! Rules of projects and domains.

use super::{Project, store};
use crate::{Identity, IdentityError, assignment, wire::Attributes};
use controller_base::id::{DomainId, ProjectId, UserId};

/// What a change of a project may hold.
#[derive(Debug, Default)]
pub(crate) struct ProjectChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub enabled: Option<bool>,
    pub tags: Option<Vec<String>>,
    pub options: Option<Attributes>,
    pub extra: Attributes,
}

impl Identity {
    /// A project or domain by its id.
    pub(crate) async fn project(&self, id: &str) -> Result<Project, IdentityError> {
        let missing = || IdentityError::not_found("project", id);
        let wanted: ProjectId = id.parse().map_err(|_| missing())?;
        store::get(&mut *self.db.read().await?, &wanted).await?.ok_or_else(missing)
    }

    /// A domain by its id.
    pub(crate) async fn domain(&self, id: &str) -> Result<Project, IdentityError> {
        let missing = || IdentityError::not_found("domain", id);
        let wanted: DomainId = id.parse().map_err(|_| missing())?;
        store::get_domain(&mut *self.db.read().await?, &wanted).await?.ok_or_else(missing)
    }

    /// Stores a new project or domain; its domain and parent must exist and fit.
    pub(crate) async fn create_project(&self, project: &Project) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        if let (Some(parent), Some(domain)) = (&project.parent_id, &project.domain_id) {
            let missing = || IdentityError::not_found("project", parent);
            let parent = store::get(&mut tx, parent).await?.ok_or_else(missing)?;
            if parent.owning_domain() != *domain {
                return Err(IdentityError::invalid("The parent project is in another domain."));
            }
            if store::get_domain(&mut tx, domain).await?.is_none() {
                return Err(IdentityError::not_found("domain", domain));
            }
        }
        store::insert(&mut tx, project).await.map_err(|error| duplicate(error, project))?;
        Ok(tx.commit().await?)
    }

    /// Changes a project or domain.
    pub(crate) async fn update_project(&self, id: &ProjectId, change: ProjectChange) -> Result<Project, IdentityError> {
        let mut tx = self.db.begin().await?;
        let found = store::get(&mut tx, id).await?;
        let mut project = found.ok_or_else(|| IdentityError::not_found("project", id))?;
        project.name = change.name.unwrap_or(project.name);
        project.description = change.description.unwrap_or(project.description);
        project.enabled = change.enabled.unwrap_or(project.enabled);
        project.tags = change.tags.unwrap_or(project.tags);
        crate::wire::merge_options(&mut project.options, change.options);
        crate::wire::merge(&mut project.extra, change.extra);
        store::update(&mut tx, &project).await.map_err(|error| match error {
            IdentityError::Db(error) => duplicate(error, &project),
            other => other,
        })?;
        self.touch(&mut tx).await?;
        tx.commit().await?;
        Ok(project)
    }

    /// Deletes a project without children.
    pub(crate) async fn delete_project(&self, id: &ProjectId) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        if store::has_children(&mut tx, id).await? {
            let reason = format!("Cannot delete the project {id} since it is not a leaf in the hierarchy.");
            return Err(IdentityError::Forbidden(reason));
        }
        store::delete(&mut tx, id).await?;
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Deletes a disabled domain with everything that it owns.
    pub(crate) async fn delete_domain(&self, domain: &Project) -> Result<(), IdentityError> {
        if domain.enabled {
            let reason = format!("Cannot delete a domain that is enabled, please disable it first: {}.", domain.id);
            return Err(IdentityError::Forbidden(reason));
        }
        let mut tx = self.db.begin().await?;
        let owner = domain.owning_domain();
        crate::federation::identity_provider::store::delete_of_domain(&mut tx, &owner).await?;
        crate::user::store::delete_of_domain(&mut tx, &owner).await?;
        crate::group::store::delete_of_domain(&mut tx, &owner).await?;
        crate::role::store::delete_of_domain(&mut tx, &owner).await?;
        crate::domain_config::store::delete_of_domain(&mut tx, &owner).await?;
        for project in store::subtree(&mut tx, &domain.id).await?.into_iter().rev() {
            store::delete(&mut tx, &project).await?;
        }
        store::delete(&mut tx, &domain.id).await?;
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// The enabled projects where a user has a role.
    pub(crate) async fn projects_of(&self, user: &UserId) -> Result<Vec<Project>, IdentityError> {
        let mut conn = self.db.read().await?;
        let ids = assignment::targets_of_user(&mut conn, user, "project").await?;
        let found = store::list_ids(&mut conn, &ids).await?;
        Ok(found.into_iter().filter(|project| project.enabled && !project.is_domain).collect())
    }

    /// The enabled domains where a user has a role.
    pub(crate) async fn domains_of(&self, user: &UserId) -> Result<Vec<Project>, IdentityError> {
        let mut conn = self.db.read().await?;
        let ids = assignment::targets_of_user(&mut conn, user, "domain").await?;
        let found = store::list_ids(&mut conn, &ids).await?;
        Ok(found.into_iter().filter(|domain| domain.enabled && domain.is_domain).collect())
    }
}

fn duplicate(error: controller_db::DbError, project: &Project) -> IdentityError {
    match &project.domain_id {
        None => IdentityError::duplicate_name(error, "domain", &project.name, None),
        Some(domain) => IdentityError::duplicate_name(error, "project", &project.name, Some(domain.as_str())),
    }
}
