//! Writing down what a directory says.

use super::{
    connection::Ldap,
    entry::{Person, Team, plain_dn},
    store::{self, GroupRow, UserRow},
};
use crate::{Identity, IdentityError, federation::shadow::public_id};
use controller_base::id::{DomainId, GroupId, UserId};
use controller_db::Tx;
use std::collections::{BTreeMap, BTreeSet, HashMap};

fn user_id(domain: &DomainId, person: &Person) -> Result<UserId, IdentityError> {
    Ok(public_id(domain, "user", &person.id).parse()?)
}

fn group_id(domain: &DomainId, team: &Team) -> Result<GroupId, IdentityError> {
    Ok(public_id(domain, "group", &team.id).parse()?)
}

impl Identity {
    /// Writes one user and the user's groups down.
    pub(super) async fn write_person(
        &self,
        domain: &DomainId,
        person: &Person,
        teams: &[Team],
    ) -> Result<UserId, IdentityError> {
        let mut tx = self.db.begin().await?;
        let (id, mut changed) = self.put_person(&mut tx, domain, person).await?;
        let mut groups = BTreeSet::new();
        for team in teams {
            groups.insert(put_team(&mut tx, domain, team).await?.to_string());
        }
        changed |= set_groups(&mut tx, domain, &id, &groups).await?;
        if changed {
            self.touch(&mut tx).await?;
        }
        tx.commit().await?;
        Ok(id)
    }

    async fn put_person(
        &self,
        tx: &mut Tx,
        domain: &DomainId,
        person: &Person,
    ) -> Result<(UserId, bool), IdentityError> {
        let id = user_id(domain, person)?;
        store::note(tx, id.as_str(), (domain, "user", &person.id)).await?;
        let row = UserRow {
            id: &id,
            domain,
            name: &person.name,
            enabled: person.enabled.unwrap_or(false),
            extra: &person.extra,
        };
        let changed = store::put_user(tx, &row, self.clock.now()).await?;
        Ok((id, changed))
    }

    /// Writes a whole directory down. Who is not in it any more is kept out.
    pub(super) async fn write_directory(&self, domain: &DomainId, ldap: &Ldap) -> Result<(), IdentityError> {
        let (people, teams) = (ldap.people().await?, ldap.teams().await?);
        let members = memberships(&people, &teams, ldap);
        let mut tx = self.db.begin().await?;
        let mut changed = false;
        let mut groups = BTreeSet::new();
        for team in &teams {
            groups.insert(put_team(&mut tx, domain, team).await?.to_string());
        }
        let mut users = BTreeSet::new();
        for (person, own) in people.iter().zip(&members) {
            let (id, new) = self.put_person(&mut tx, domain, person).await?;
            changed |= new;
            let own = own.iter().map(|at| group_id(domain, &teams[*at])).collect::<Result<Vec<_>, _>>()?;
            changed |= set_groups(&mut tx, domain, &id, &own.iter().map(ToString::to_string).collect()).await?;
            users.insert(id.to_string());
        }
        for gone in store::known(&mut tx, domain, "user").await?.iter().filter(|id| !users.contains(*id)) {
            changed |= store::disable_user(&mut tx, gone).await?;
        }
        for gone in store::known(&mut tx, domain, "group").await?.iter().filter(|id| !groups.contains(*id)) {
            changed |= store::drop_group(&mut tx, gone).await?;
        }
        if changed {
            self.touch(&mut tx).await?;
        }
        Ok(tx.commit().await?)
    }
}

async fn put_team(tx: &mut Tx, domain: &DomainId, team: &Team) -> Result<GroupId, IdentityError> {
    let id = group_id(domain, team)?;
    store::note(tx, id.as_str(), (domain, "group", &team.id)).await?;
    let row = GroupRow { id: &id, domain, name: &team.name, description: &team.description, extra: &team.extra };
    store::put_group(tx, &row).await?;
    Ok(id)
}

/// Has a user in exactly these of the directory's groups; true when that changed something.
async fn set_groups(
    tx: &mut Tx,
    domain: &DomainId,
    user: &UserId,
    wanted: &BTreeSet<String>,
) -> Result<bool, IdentityError> {
    let held: BTreeSet<String> = store::groups_of(tx, domain, user).await?.into_iter().collect();
    for gone in held.difference(wanted) {
        crate::group::store::remove_member(tx, &gone.parse()?, user).await?;
    }
    for new in wanted.difference(&held) {
        crate::group::store::add_member(tx, &new.parse()?, user).await?;
    }
    Ok(held != *wanted)
}

/// For each user the places of its groups; with nesting, also of the groups that these are in.
fn memberships(people: &[Person], teams: &[Team], ldap: &Ldap) -> Vec<BTreeSet<usize>> {
    let options = &ldap.config.group;
    let key = |text: &str| if options.members_are_ids { text.to_owned() } else { plain_dn(text) };
    let own = |person: &Person| key(if options.members_are_ids { &person.id } else { &person.dn });
    let places: HashMap<String, usize> = people.iter().enumerate().map(|(at, person)| (own(person), at)).collect();
    let mut found = vec![BTreeSet::new(); people.len()];
    for (team_at, team) in teams.iter().enumerate() {
        for person_at in team.members.iter().filter_map(|member| places.get(&key(member))) {
            found[*person_at].insert(team_at);
        }
    }
    let above = if options.ad_nesting { parents(teams) } else { BTreeMap::new() };
    found.into_iter().map(|own| closure(own, &above)).collect()
}

/// The groups in which each group is.
fn parents(teams: &[Team]) -> BTreeMap<usize, Vec<usize>> {
    let places: HashMap<String, usize> = teams.iter().enumerate().map(|(at, team)| (plain_dn(&team.dn), at)).collect();
    let mut above: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (parent, team) in teams.iter().enumerate() {
        for child in team.members.iter().filter_map(|member| places.get(&plain_dn(member))) {
            above.entry(*child).or_default().push(parent);
        }
    }
    above
}

fn closure(mut found: BTreeSet<usize>, above: &BTreeMap<usize, Vec<usize>>) -> BTreeSet<usize> {
    let mut next: Vec<usize> = found.iter().copied().collect();
    while let Some(at) = next.pop() {
        next.extend(above.get(&at).into_iter().flatten().copied().filter(|parent| found.insert(*parent)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_within_groups_are_followed_also_in_circles() {
        let team = |name: &str, members: &[&str]| Team {
            dn: format!("cn={name}"),
            id: name.to_owned(),
            name: name.to_owned(),
            description: String::new(),
            members: members.iter().map(ToString::to_string).collect(),
            extra: crate::wire::Attributes::new(),
        };
        let teams =
            [team("a", &["cn=bob"]), team("b", &["CN=a"]), team("c", &["cn=b"]), team("a2", &["cn=c", "cn=a2"])];
        let above = parents(&teams);
        assert_eq!(closure(BTreeSet::from([0]), &above), BTreeSet::from([0, 1, 2, 3]));
        assert_eq!(closure(BTreeSet::from([2]), &above), BTreeSet::from([2, 3]));
        assert_eq!(closure(BTreeSet::from([2]), &BTreeMap::new()), BTreeSet::from([2]));
    }
}
