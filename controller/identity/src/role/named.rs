//! Roles as other resources name them.

use super::{Role, store};
use crate::{Identity, IdentityError};
use controller_base::id::RoleId;
use controller_db::{Connection, DbError};

impl Identity {
    /// The ids of roles that a request names by id or by name; the ids are taken as they are.
    pub(crate) async fn named_roles(
        &self,
        names: impl Iterator<Item = (Option<String>, Option<String>)>,
    ) -> Result<Vec<RoleId>, IdentityError> {
        let mut roles = Vec::new();
        let all = store::all(&mut *self.db.read().await?).await?;
        for name in names {
            roles.push(match name {
                (Some(id), None) => id.parse()?,
                (None, Some(name)) => only(&all, &name)?.id.clone(),
                _ => return Err(IdentityError::invalid("A role is named by its id or by its name.")),
            });
        }
        Ok(roles)
    }

    /// Those of these roles that there are.
    pub(crate) async fn roles_by_id(&self, ids: &[RoleId]) -> Result<Vec<Role>, IdentityError> {
        let mut all = store::all(&mut *self.db.read().await?).await?;
        all.retain(|role| ids.contains(&role.id));
        Ok(all)
    }
}

fn only<'a>(all: &'a [Role], name: &str) -> Result<&'a Role, IdentityError> {
    let mut same = all.iter().filter(|role| role.name == name);
    match (same.next(), same.next()) {
        (Some(role), None) => Ok(role),
        (None, _) => Err(IdentityError::not_found("role", name)),
        (Some(_), Some(_)) => Err(IdentityError::Conflict {
            kind: "role",
            details: format!("there are several roles with the name {name}, so that an id is needed"),
        }),
    }
}

/// Roles and all that they imply, by whatever chain.
pub(crate) async fn with_implied(conn: &mut Connection, roles: &[RoleId]) -> Result<Vec<RoleId>, DbError> {
    let implications = store::implications(conn).await?;
    let mut found = roles.to_vec();
    let mut at = 0;
    while let Some(role) = found.get(at).cloned() {
        for (_, implied) in implications.iter().filter(|(prior, _)| *prior == role) {
            if !found.contains(implied) {
                found.push(implied.clone());
            }
        }
        at += 1;
    }
    Ok(found)
}
