//! Finding what a request names: users, domains, scopes.

use super::{
    authenticate::{DomainName, ProjectName, UserName, Wanted},
    payload::ScopeId,
};
use crate::{IdentityError, user::User};
use controller_base::id::{DomainId, ProjectId, UserId};
use controller_db::Connection;

/// The user of a name.
pub(super) async fn find_user(conn: &mut Connection, name: UserName) -> Result<Option<User>, IdentityError> {
    match name {
        UserName::Id(id) => match id.parse::<UserId>() {
            Ok(id) => Ok(crate::user::store::get(conn, &id).await?),
            Err(_) => Ok(None),
        },
        UserName::Name(name, domain) => match find_domain(conn, domain).await? {
            Some(domain) => Ok(crate::user::store::find(conn, &domain, &name).await?),
            None => Ok(None),
        },
    }
}

/// The domain of a name; one that is named by its id need not exist.
pub(crate) async fn find_domain(conn: &mut Connection, domain: DomainName) -> Result<Option<DomainId>, IdentityError> {
    match domain {
        DomainName::Id(id) => Ok(id.parse().ok()),
        DomainName::Name(name) => {
            let found = crate::project::store::find_domain(conn, &name).await?;
            Ok(found.and_then(|domain| domain.id.as_str().parse().ok()))
        }
    }
}

/// The scope of a name.
pub(super) async fn find_scope(conn: &mut Connection, wanted: Wanted) -> Result<ScopeId, IdentityError> {
    let missing = || IdentityError::Unauthorized("the wanted scope does not exist");
    match wanted {
        Wanted::Default | Wanted::Unscoped | Wanted::Trust(_) => Ok(ScopeId::Unscoped),
        Wanted::System => Ok(ScopeId::System),
        Wanted::Domain(name) => find_domain(conn, name).await?.map(ScopeId::Domain).ok_or_else(missing),
        Wanted::Project(ProjectName::Id(id)) => id.parse::<ProjectId>().map(ScopeId::Project).map_err(|_| missing()),
        Wanted::Project(ProjectName::Name(name, domain)) => {
            let domain = find_domain(conn, domain).await?.ok_or_else(missing)?;
            let project = crate::project::store::find(conn, &domain, &name).await?.ok_or_else(missing)?;
            Ok(ScopeId::Project(project.id))
        }
    }
}
