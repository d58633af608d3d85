//! Who has which role where: grants to users and groups on projects, domains and the system, some inherited by all projects below.

pub(crate) mod api;
mod list;
pub(crate) mod policy;
pub(crate) mod store;

pub(crate) use store::{effective_roles, targets_of_user};

use crate::{Identity, IdentityError, app_credential};
use controller_base::id::{DomainId, GroupId, ProjectId, RoleId, UserId};

/// Who has a role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Actor {
    User(UserId),
    Group(GroupId),
}

/// On what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Project(ProjectId),
    Domain(DomainId),
    System,
}

/// One grant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Assignment {
    pub actor: Actor,
    pub target: Target,
    pub role: RoleId,
    /// Holds on all projects below the target, not on itself.
    pub inherited: bool,
}

impl Actor {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Group(_) => "group",
        }
    }

    pub(crate) fn id(&self) -> &str {
        match self {
            Self::User(id) => id.as_str(),
            Self::Group(id) => id.as_str(),
        }
    }
}

impl Target {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Project(_) => "project",
            Self::Domain(_) => "domain",
            Self::System => "system",
        }
    }

    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Project(id) => id.as_str(),
            Self::Domain(id) => id.as_str(),
            Self::System => "system",
        }
    }
}

impl Identity {
    /// Grants a role; harmless when it is granted.
    pub(crate) async fn grant(&self, assignment: &Assignment) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        store::insert(&mut tx, assignment).await?;
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Takes a role away; false when it was not granted.
    pub(crate) async fn revoke_grant(&self, assignment: &Assignment) -> Result<bool, IdentityError> {
        let mut tx = self.db.begin().await?;
        let was = store::delete(&mut tx, assignment).await?;
        if let Target::Project(project) = &assignment.target {
            match &assignment.actor {
                Actor::User(user) => app_credential::store::delete_of_user_on(&mut tx, user, project).await?,
                Actor::Group(group) => app_credential::store::delete_of_group_on(&mut tx, group, project).await?,
            }
        }
        self.touch(&mut tx).await?;
        tx.commit().await?;
        Ok(was)
    }
}
