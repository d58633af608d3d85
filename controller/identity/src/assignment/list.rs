//! What a list of assignments shows: grants as they were made, or (effective) what they come to for single users.

use super::{Actor, Assignment, Target, store};
use crate::{Identity, IdentityError};
use controller_base::id::{ProjectId, RoleId, UserId};
use controller_db::Connection;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub user: Option<UserId>,
    pub group: Option<controller_base::id::GroupId>,
    pub role: Option<RoleId>,
    pub target: Option<Target>,
    pub inherited: Option<bool>,
    pub effective: bool,
    pub include_subtree: bool,
}

impl Identity {
    pub(crate) async fn assignments(&self, query: &Query) -> Result<Vec<Assignment>, IdentityError> {
        let mut conn = self.db.read().await?;
        let targets = targets(&mut conn, query).await?;
        let found = if query.effective { effective(&mut conn, query).await? } else { made(&mut conn, query).await? };
        let wanted =
            |assignment: &Assignment| targets.as_ref().is_none_or(|targets| targets.contains(&assignment.target));
        Ok(found.into_iter().filter(wanted).collect())
    }
}

/// The targets to which a list is limited.
async fn targets(conn: &mut Connection, query: &Query) -> Result<Option<Vec<Target>>, IdentityError> {
    let Some(target) = query.target.clone() else { return Ok(None) };
    let mut all = vec![target];
    if let (true, Some(Target::Project(project))) = (query.include_subtree, &query.target) {
        let below = crate::project::store::subtree(conn, project).await?;
        all.extend(below.into_iter().map(Target::Project));
    }
    Ok(Some(all))
}

async fn made(conn: &mut Connection, query: &Query) -> Result<Vec<Assignment>, IdentityError> {
    let user = query.user.clone().map(Actor::User);
    let wanted = store::Wanted {
        actor: user.or_else(|| query.group.clone().map(Actor::Group)),
        role: query.role.clone(),
        inherited: query.inherited,
        ..store::Wanted::default()
    };
    Ok(store::list(conn, &wanted).await?)
}

/// Groups become their members, inherited grants the projects below, roles also what they imply.
async fn effective(conn: &mut Connection, query: &Query) -> Result<Vec<Assignment>, IdentityError> {
    let wanted = store::Wanted { of_user: query.user.clone(), ..store::Wanted::default() };
    let implications = crate::role::store::implications(conn).await?;
    let mut out: Vec<Assignment> = Vec::new();
    for grant in store::list(conn, &wanted).await? {
        let users = users_of(conn, &grant.actor).await?;
        let targets = places_of(conn, &grant).await?;
        for role in implied(&grant.role, &implications) {
            for user in users.iter().filter(|user| query.user.as_ref().is_none_or(|wanted| wanted == *user)) {
                for target in &targets {
                    let actor = Actor::User(user.clone());
                    let one = Assignment { actor, target: target.clone(), role: role.clone(), inherited: false };
                    if query.role.as_ref().is_none_or(|wanted| *wanted == role) && !out.contains(&one) {
                        out.push(one);
                    }
                }
            }
        }
    }
    Ok(out)
}

async fn users_of(conn: &mut Connection, actor: &Actor) -> Result<Vec<UserId>, IdentityError> {
    match actor {
        Actor::User(user) => Ok(vec![user.clone()]),
        Actor::Group(group) => {
            let none = controller_web::Params::default();
            let users = crate::user::store::list(conn, None, Some(group), &none).await?;
            Ok(users.into_iter().map(|user| user.id).collect())
        }
    }
}

async fn places_of(conn: &mut Connection, grant: &Assignment) -> Result<Vec<Target>, IdentityError> {
    if !grant.inherited {
        return Ok(vec![grant.target.clone()]);
    }
    let Ok(top) = grant.target.id().parse::<ProjectId>() else { return Ok(Vec::new()) };
    let below = crate::project::store::subtree(conn, &top).await?;
    Ok(below.into_iter().map(Target::Project).collect())
}

/// A role and all that it implies, by whatever detour.
fn implied(role: &RoleId, implications: &[(RoleId, RoleId)]) -> Vec<RoleId> {
    let mut all = vec![role.clone()];
    let mut next = 0;
    while let Some(prior) = all.get(next).cloned() {
        for (_, implied) in implications.iter().filter(|(one, _)| *one == prior) {
            if !all.contains(implied) {
                all.push(implied.clone());
            }
        }
        next += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implications_are_followed_also_in_circles() {
        let id = |text: &str| text.parse::<RoleId>().unwrap();
        let pairs = [("a", "b"), ("b", "c"), ("c", "a"), ("x", "y")].map(|(one, other)| (id(one), id(other)));
        assert_eq!(implied(&id("a"), &pairs), [id("a"), id("b"), id("c")]);
    }
}
