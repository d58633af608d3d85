//! Rules of projects and domains.

use super::{Project, store};
use crate::{Identity, IdentityError, assignment, wire::Attributes};
use controller_base::id::{DomainId, ProjectId, UserId};
use controller_db::Tx;

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

    /// Stores a new project or domain; its domain and parent must exist, be enabled and fit, and it must not lie too deep.
    pub(crate) async fn create_project(&self, project: &Project) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        if let (Some(parent), Some(domain)) = (&project.parent_id, &project.domain_id) {
            self.check_place(&mut tx, project, parent, domain).await?;
        }
        store::insert(&mut tx, project).await.map_err(|error| duplicate(error, project))?;
        Ok(tx.commit().await?)
    }

    async fn check_place(
        &self,
        tx: &mut Tx,
        project: &Project,
        parent: &ProjectId,
        domain: &DomainId,
    ) -> Result<(), IdentityError> {
        if store::get_domain(tx, domain).await?.is_none() {
            return Err(IdentityError::not_found("domain", domain));
        }
        let found = store::get(tx, parent).await?.ok_or_else(|| IdentityError::not_found("project", parent))?;
        if found.owning_domain() != *domain {
            return Err(IdentityError::invalid(format!(
                "Cannot create project, since it specifies its domain_id {domain}, but specifies a parent in a different \
                 domain ({}).",
                found.owning_domain()
            )));
        }
        let above = store::parents(tx, parent).await?;
        // With the parent and without the domain these are the projects above the new one.
        if above.len() > self.deepest() {
            return Err(IdentityError::Forbidden(format!("Max hierarchy depth reached for {} branch.", project.name)));
        }
        if !found.enabled || disabled_above(tx, parent).await? {
            return Err(IdentityError::Forbidden(format!(
                "cannot create a project in a branch containing a disabled project: {}",
                project.name
            )));
        }
        Ok(())
    }

    /// How many projects may lie above a project, its domain not counted.
    fn deepest(&self) -> usize {
        let deepest = self.project_depth.saturating_sub(1);
        if self.limit_model == crate::LimitModel::StrictTwoLevel { 0 } else { deepest }
    }

    /// Changes a project or domain. With `cascade` everything below is enabled or disabled too.
    pub(crate) async fn update_project(
        &self,
        id: &ProjectId,
        change: ProjectChange,
        cascade: bool,
    ) -> Result<Project, IdentityError> {
        let mut tx = self.db.begin().await?;
        let found = store::get(&mut tx, id).await?;
        let mut project = found.ok_or_else(|| IdentityError::not_found("project", id))?;
        let kind = if project.is_domain { "domain" } else { "project" };
        let others = change.holds_more_than_options();
        crate::wire::check_immutable_update(kind, id.as_str(), &project.options, change.options.as_ref(), others)?;
        if cascade && change.holds_more_than_enabled() {
            return Err(IdentityError::invalid("Cascade update is only allowed for enabled attribute."));
        }
        check_enabled(&mut tx, &project, change.enabled, cascade).await?;
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
        if cascade {
            store::enable_below(&mut tx, id, project.enabled).await?;
        }
        self.touch(&mut tx).await?;
        tx.commit().await?;
        Ok(project)
    }

    /// Deletes a project without children; with `cascade` the children too, if they are disabled. A project that is a domain goes as
    /// a domain does.
    pub(crate) async fn delete_project(&self, project: &Project, cascade: bool) -> Result<(), IdentityError> {
        if project.is_domain {
            return self.delete_domain(project).await;
        }
        let id = &project.id;
        let mut tx = self.db.begin().await?;
        crate::wire::check_immutable_delete("project", id.as_str(), &project.options)?;
        if !cascade && store::has_children(&mut tx, id).await? {
            return Err(IdentityError::Forbidden(format!(
                "Cannot delete the project {id} since it is not a leaf in the hierarchy. Use the cascade option if you want \
                 to delete a whole subtree."
            )));
        }
        if cascade {
            let below = store::subtree(&mut tx, id).await?;
            let listed: Vec<_> = below.iter().chain([id]).map(ToString::to_string).collect();
            let all = store::list_ids(&mut tx, &listed).await?;
            if all.iter().any(|project| project.enabled) {
                return Err(IdentityError::Forbidden(format!(
                    "Cannot delete project {id} since its subtree contains enabled projects."
                )));
            }
            for project in all {
                crate::wire::check_immutable_delete("project", project.id.as_str(), &project.options)?;
            }
            for below in below.iter().rev() {
                store::delete(&mut tx, below).await?;
            }
        }
        store::delete(&mut tx, id).await?;
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Deletes a disabled domain with everything that it owns.
    pub(crate) async fn delete_domain(&self, domain: &Project) -> Result<(), IdentityError> {
        crate::wire::check_immutable_delete("domain", domain.id.as_str(), &domain.options)?;
        if domain.enabled {
            let reason = "Cannot delete a domain that is enabled, please disable it first.";
            return Err(IdentityError::Forbidden(reason.to_owned()));
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

impl ProjectChange {
    fn holds_more_than_options(&self) -> bool {
        self.enabled.is_some() || self.holds_other_attributes()
    }

    fn holds_more_than_enabled(&self) -> bool {
        self.options.is_some() || self.holds_other_attributes()
    }

    fn holds_other_attributes(&self) -> bool {
        self.name.is_some() || self.description.is_some() || self.tags.is_some() || !self.extra.is_empty()
    }
}

/// Whether a project may be enabled or disabled where it is: below an enabled one stand only enabled ones.
async fn check_enabled(
    tx: &mut Tx,
    project: &Project,
    enabled: Option<bool>,
    cascade: bool,
) -> Result<(), IdentityError> {
    if project.is_domain || enabled.is_none_or(|enabled| enabled == project.enabled) {
        return Ok(());
    }
    if enabled == Some(true) {
        if disabled_above(tx, &project.id).await? {
            let reason = format!("Cannot enable project {} since it has disabled parents", project.id);
            return Err(IdentityError::Forbidden(reason));
        }
        return Ok(());
    }
    let below = store::subtree(tx, &project.id).await?.iter().map(ToString::to_string).collect::<Vec<_>>();
    let any = store::list_ids(tx, &below).await?.iter().any(|project| project.enabled);
    if any && !cascade {
        let reason = format!("Cannot disable project {} since its subtree contains enabled projects.", project.id);
        return Err(IdentityError::Forbidden(reason));
    }
    Ok(())
}

async fn disabled_above(tx: &mut Tx, id: &ProjectId) -> Result<bool, IdentityError> {
    let above: Vec<_> = store::parents(tx, id).await?.iter().map(ToString::to_string).collect();
    Ok(store::list_ids(tx, &above).await?.iter().any(|project| !project.enabled))
}

fn duplicate(error: controller_db::DbError, project: &Project) -> IdentityError {
    match &project.domain_id {
        None => IdentityError::duplicate_name(error, "domain", &project.name, None),
        Some(domain) => IdentityError::duplicate_name(error, "project", &project.name, Some(domain.as_str())),
    }
}
