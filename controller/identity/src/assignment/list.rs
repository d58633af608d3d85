//! What a list of assignments shows: grants as they were made, or (effective) what they come to for single users.

use super::{Actor, Assignment, Target, store};
use crate::{Identity, IdentityError};
use controller_base::id::{GroupId, ProjectId, RoleId, UserId};
use controller_db::Connection;
use std::collections::{HashMap, HashSet};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub user: Option<UserId>,
    pub group: Option<GroupId>,
    pub role: Option<RoleId>,
    pub target: Option<Target>,
    pub inherited: Option<bool>,
    pub effective: bool,
    pub include_subtree: bool,
}

/// A line of the list: who has which role where, and the grant from which that follows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shown {
    pub actor: Actor,
    pub target: Target,
    pub role: RoleId,
    pub grant: Assignment,
}

impl Identity {
    pub(crate) async fn assignments(&self, query: &Query) -> Result<Vec<Shown>, IdentityError> {
        let mut conn = self.db.read().await?;
        let targets = targets(&mut conn, query).await?;
        let mut found =
            if query.effective { effective(&mut conn, query).await? } else { made(&mut conn, query).await? };
        found.retain(|shown| targets.as_ref().is_none_or(|targets| targets.contains(&shown.target)));
        Ok(found)
    }
}

/// The targets to which a list is limited.
async fn targets(conn: &mut Connection, query: &Query) -> Result<Option<HashSet<Target>>, IdentityError> {
    let Some(target) = query.target.clone() else { return Ok(None) };
    let mut all = HashSet::from([target]);
    if let (true, Some(Target::Project(project))) = (query.include_subtree, &query.target) {
        let below = crate::project::store::subtree(conn, project).await?;
        all.extend(below.into_iter().map(Target::Project));
    }
    Ok(Some(all))
}

async fn made(conn: &mut Connection, query: &Query) -> Result<Vec<Shown>, IdentityError> {
    let user = query.user.clone().map(Actor::User);
    let wanted = store::Wanted {
        actor: user.or_else(|| query.group.clone().map(Actor::Group)),
        role: query.role.clone(),
        inherited: query.inherited,
        ..store::Wanted::default()
    };
    let shown = |grant: Assignment| Shown {
        actor: grant.actor.clone(),
        target: grant.target.clone(),
        role: grant.role.clone(),
        grant,
    };
    Ok(store::list(conn, &wanted).await?.into_iter().map(shown).collect())
}

/// Groups become their members, inherited grants the projects below, roles also what they imply; a domain's own roles go.
async fn effective(conn: &mut Connection, query: &Query) -> Result<Vec<Shown>, IdentityError> {
    let wanted = store::Wanted { of_user: query.user.clone(), inherited: query.inherited, ..store::Wanted::default() };
    let mut lookup = Lookup::open(conn).await?;
    let mut out = Vec::new();
    let mut known = HashSet::new();
    for grant in store::list(conn, &wanted).await? {
        let users = lookup.users_of(conn, &grant.actor).await?;
        let users: Vec<_> =
            users.into_iter().filter(|user| query.user.as_ref().is_none_or(|one| one == user)).collect();
        let targets = lookup.places_of(conn, &grant).await?;
        for role in lookup.roles_of(&grant.role) {
            if query.role.as_ref().is_some_and(|wanted| *wanted != role) {
                continue;
            }
            for (user, target) in users.iter().flat_map(|user| targets.iter().map(move |target| (user, target))) {
                let (actor, target, role) = (Actor::User(user.clone()), target.clone(), role.clone());
                let shown = Shown { actor, target, role, grant: grant.clone() };
                if known.insert(shown.clone()) {
                    out.push(shown);
                }
            }
        }
    }
    Ok(out)
}

/// What several grants need, looked up once.
struct Lookup {
    implications: Vec<(RoleId, RoleId)>,
    /// Roles of domains, which count only by what they imply.
    of_domains: HashSet<RoleId>,
    members: HashMap<GroupId, Vec<UserId>>,
    below: HashMap<String, Vec<Target>>,
}

impl Lookup {
    async fn open(conn: &mut Connection) -> Result<Self, IdentityError> {
        let roles = crate::role::store::all(conn).await?;
        Ok(Self {
            implications: crate::role::store::implications(conn).await?,
            of_domains: roles.into_iter().filter(|role| role.domain_id.is_some()).map(|role| role.id).collect(),
            members: HashMap::new(),
            below: HashMap::new(),
        })
    }

    fn roles_of(&self, role: &RoleId) -> Vec<RoleId> {
        let mut all = implied(role, &self.implications);
        all.retain(|role| !self.of_domains.contains(role));
        all
    }

    async fn users_of(&mut self, conn: &mut Connection, actor: &Actor) -> Result<Vec<UserId>, IdentityError> {
        let group = match actor {
            Actor::User(user) => return Ok(vec![user.clone()]),
            Actor::Group(group) => group,
        };
        if let Some(known) = self.members.get(group) {
            return Ok(known.clone());
        }
        let none = controller_web::Params::default();
        let users = crate::user::store::list(conn, None, Some(group), &none).await?;
        let users: Vec<_> = users.into_iter().map(|user| user.id).collect();
        self.members.insert(group.clone(), users.clone());
        Ok(users)
    }

    async fn places_of(&mut self, conn: &mut Connection, grant: &Assignment) -> Result<Vec<Target>, IdentityError> {
        if !grant.inherited {
            return Ok(vec![grant.target.clone()]);
        }
        let top = grant.target.id();
        if let Some(known) = self.below.get(top) {
            return Ok(known.clone());
        }
        let Ok(id) = top.parse::<ProjectId>() else { return Ok(Vec::new()) };
        let below = crate::project::store::subtree(conn, &id).await?;
        let below: Vec<_> = below.into_iter().map(Target::Project).collect();
        self.below.insert(top.to_owned(), below.clone());
        Ok(below)
    }
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
