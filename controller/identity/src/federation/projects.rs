//! Projects that a mapping provides for its users.

use super::{
    identity_provider::IdentityProvider,
    login::{domain_id, unknown_domain},
    mapping::rules::{Mapped, MappedProject},
};
use crate::{
    IdentityError,
    assignment::{self, Actor, Assignment, Target},
    project::{self, Project},
    role::Role,
    user::User,
    wire::Attributes,
};
use controller_base::id::{ProjectId, RoleId};
use controller_db::Tx;
use controller_web::Params;

/// Makes what is missing of the projects and of the user's roles there, and takes away what shall not be; true when roles changed.
/// Nothing is made when a role does not exist.
pub(super) async fn provide(
    tx: &mut Tx,
    provider: &IdentityProvider,
    user: &User,
    mapped: &Mapped,
) -> Result<bool, IdentityError> {
    if mapped.projects.is_empty() && !mapped.sync_projects {
        return Ok(false);
    }
    let roles = crate::role::store::list(tx, None, &Params::default()).await?;
    let mut wanted = Vec::new();
    for project in &mapped.projects {
        let given = project.roles.iter().map(|name| role(&roles, name, user)).collect::<Result<Vec<_>, _>>()?;
        wanted.push((find_or_create(tx, provider, project).await?, given));
    }
    let held = assignment::store::Wanted { actor: Some(Actor::User(user.id.clone())), ..Default::default() };
    let held = assignment::store::list(tx, &held).await?;
    let mut changed = false;
    for (project, roles) in &wanted {
        for role in roles {
            let grant = grant(user, project, role);
            if !held.contains(&grant) {
                assignment::store::insert(tx, &grant).await?;
                changed = true;
            }
        }
    }
    if mapped.sync_projects {
        for grant in held.iter().filter(|grant| surplus(grant, &wanted)) {
            assignment::store::delete(tx, grant).await?;
            changed = true;
        }
    }
    Ok(changed)
}

/// A role of the whole cloud or of the user's domain.
fn role(roles: &[Role], name: &str, user: &User) -> Result<RoleId, IdentityError> {
    let fits =
        |role: &&Role| role.name == name && role.domain_id.as_ref().is_none_or(|domain| *domain == user.domain_id);
    roles.iter().find(fits).map(|role| role.id.clone()).ok_or_else(|| IdentityError::not_found("role", name))
}

fn grant(user: &User, project: &ProjectId, role: &RoleId) -> Assignment {
    Assignment {
        actor: Actor::User(user.id.clone()),
        target: Target::Project(project.clone()),
        role: role.clone(),
        inherited: false,
    }
}

/// A grant on a project that the provider does not give any more.
fn surplus(held: &Assignment, wanted: &[(ProjectId, Vec<RoleId>)]) -> bool {
    let Target::Project(project) = &held.target else { return false };
    !wanted.iter().any(|(id, roles)| id == project && roles.contains(&held.role))
}

async fn find_or_create(
    tx: &mut Tx,
    provider: &IdentityProvider,
    wanted: &MappedProject,
) -> Result<ProjectId, IdentityError> {
    let domain = match &wanted.domain {
        None => provider.domain_id.clone(),
        Some(key) => domain_id(tx, key).await?.ok_or_else(|| unknown_domain(key))?,
    };
    if let Some(project) = project::store::find(tx, &domain, &wanted.name).await? {
        return Ok(project.id);
    }
    let project = Project {
        id: ProjectId::random(),
        parent_id: Some(domain.as_str().parse()?),
        domain_id: Some(domain),
        name: crate::wire::name("name", &wanted.name, 64)?,
        description: String::new(),
        enabled: true,
        is_domain: false,
        tags: Vec::new(),
        options: Attributes::new(),
        extra: Attributes::new(),
        generation: 1,
    };
    project::store::insert(tx, &project).await?;
    Ok(project.id)
}
