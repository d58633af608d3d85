//! The questions that a directory is asked.

use super::{
    LdapError,
    config::Enabled,
    connection::{Ldap, Search},
    entry::{Entry, Person, Team, plain_dn},
    filter,
};
use ldap3::Scope;
use std::collections::BTreeSet;

/// How deep groups within groups are followed.
const DEEPEST: usize = 16;

impl Ldap {
    fn below(&self, base: &str, filter: String) -> Search {
        let scope = if self.config.subtree { Scope::Subtree } else { Scope::OneLevel };
        Search { base: base.to_owned(), scope, filter }
    }

    /// All users.
    pub(super) async fn people(&self) -> Result<Vec<Person>, LdapError> {
        let user = &self.config.user;
        let search = self.below(&user.tree, filter::all(&user.class, user.filter.as_deref()));
        self.as_people(self.search(&search).await?).await
    }

    /// The user with this name; none where several have it.
    pub(super) async fn person_named(&self, name: &str) -> Result<Option<Person>, LdapError> {
        self.person_with(&self.config.user.name, name).await
    }

    /// The user with this id of the directory.
    pub(super) async fn person_with_id(&self, id: &str) -> Result<Option<Person>, LdapError> {
        self.person_with(&self.config.user.id, id).await
    }

    async fn person_with(&self, attribute: &str, value: &str) -> Result<Option<Person>, LdapError> {
        let user = &self.config.user;
        let search = self.below(&user.tree, filter::with(&user.class, user.filter.as_deref(), attribute, value));
        let mut found = self.as_people(self.search(&search).await?).await?;
        Ok(if found.len() == 1 { found.pop() } else { None })
    }

    /// Entries as users; who is enabled stands with them, or in a group.
    async fn as_people(&self, entries: Vec<Entry>) -> Result<Vec<Person>, LdapError> {
        let mut people: Vec<Person> = entries.iter().filter_map(|entry| entry.person(&self.config.user)).collect();
        if let Enabled::Emulated { group, member } = &self.config.user.enabled {
            let search = Search { base: group.clone(), scope: Scope::Base, filter: "(objectClass=*)".to_owned() };
            let found = self.search(&search).await?;
            let members: BTreeSet<String> =
                found.iter().flat_map(|entry| entry.all(member)).map(|m| plain_dn(m)).collect();
            for person in &mut people {
                person.enabled =
                    Some(members.contains(&plain_dn(&person.dn)) || members.contains(&plain_dn(&person.id)));
            }
        }
        Ok(people)
    }

    /// All groups.
    pub(super) async fn teams(&self) -> Result<Vec<Team>, LdapError> {
        let group = &self.config.group;
        let search = self.below(&group.tree, filter::all(&group.class, group.filter.as_deref()));
        let found = self.search(&search).await?;
        Ok(found.iter().filter_map(|entry| entry.team(group)).collect())
    }

    /// The groups of a user; with nesting, also the groups that these are in.
    pub(super) async fn teams_of(&self, person: &Person) -> Result<Vec<Team>, LdapError> {
        let group = &self.config.group;
        let own = if group.members_are_ids { &person.id } else { &person.dn };
        if !group.ad_nesting {
            return self.teams_with(&group.member, own).await;
        }
        let chain = self.teams_with(&filter::in_chain("member"), own).await?;
        if chain.is_empty() { self.teams_above(own).await } else { Ok(chain) }
    }

    async fn teams_with(&self, attribute: &str, value: &str) -> Result<Vec<Team>, LdapError> {
        let group = &self.config.group;
        let search = self.below(&group.tree, filter::with(&group.class, group.filter.as_deref(), attribute, value));
        let found = self.search(&search).await?;
        Ok(found.iter().filter_map(|entry| entry.team(group)).collect())
    }

    /// Step by step, for servers that do not know the matching rule.
    async fn teams_above(&self, member: &str) -> Result<Vec<Team>, LdapError> {
        let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
        let mut next = vec![member.to_owned()];
        for _ in 0..DEEPEST {
            let mut above = Vec::new();
            for member in next {
                for team in self.teams_with(&self.config.group.member, &member).await? {
                    if seen.insert(team.dn.to_lowercase()) {
                        above.push(team.dn.clone());
                        all.push(team);
                    }
                }
            }
            next = above;
        }
        Ok(all)
    }
}
