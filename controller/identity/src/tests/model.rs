//! Random sequences of grants, revocations, renames and deletions against a small model of what they should come to.

use super::{World, worlds};
use http::Method;
use proptest::{collection::vec, prelude::*, test_runner::Config};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const USERS: usize = 2;
const GROUPS: usize = 2;
const ROLES: usize = 3;
/// Each project's parent; none: the domain.
const PARENTS: [Option<usize>; 4] = [None, Some(0), Some(1), None];

/// A thing by its kind and number; it may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    User(usize),
    Group(usize),
    Project(usize),
    Role(usize),
    /// The only one.
    Domain,
}

/// Actor, target, role, inherited.
type Grant = (Thing, Thing, usize, bool);

#[derive(Clone, Debug)]
enum Op {
    Grant(Grant),
    Revoke(Grant),
    Join(usize, usize),
    Leave(usize, usize),
    Imply(usize, usize),
    Unimply(usize, usize),
    Rename(Thing),
    Delete(Thing),
    Create(Thing),
}

fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![
        (0..USERS).prop_map(Thing::User),
        (0..GROUPS).prop_map(Thing::Group),
        (0..PARENTS.len()).prop_map(Thing::Project),
        (0..ROLES).prop_map(Thing::Role),
    ]
}

fn grant() -> impl Strategy<Value = Grant> {
    let actor = prop_oneof![(0..USERS).prop_map(Thing::User), (0..GROUPS).prop_map(Thing::Group)];
    let target = prop_oneof![4 => (0..PARENTS.len()).prop_map(Thing::Project), 1 => Just(Thing::Domain)];
    (actor, target, 0..ROLES, any::<bool>())
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => grant().prop_map(Op::Grant),
        3 => grant().prop_map(Op::Revoke),
        3 => (0..GROUPS, 0..USERS).prop_map(|(group, user)| Op::Join(group, user)),
        1 => (0..GROUPS, 0..USERS).prop_map(|(group, user)| Op::Leave(group, user)),
        2 => (0..ROLES, 0..ROLES).prop_map(|(prior, implied)| Op::Imply(prior, implied)),
        1 => (0..ROLES, 0..ROLES).prop_map(|(prior, implied)| Op::Unimply(prior, implied)),
        1 => thing().prop_map(Op::Rename),
        2 => thing().prop_map(Op::Delete),
        3 => thing().prop_map(Op::Create),
    ]
}

/// What should be.
#[derive(Debug, Default)]
struct Model {
    things: BTreeSet<Thing>,
    grants: BTreeSet<Grant>,
    members: BTreeSet<(usize, usize)>,
    implied: BTreeSet<(usize, usize)>,
}

impl Model {
    fn has(&self, thing: Thing) -> bool {
        thing == Thing::Domain || self.things.contains(&thing)
    }

    fn has_children(&self, thing: Thing) -> bool {
        let Thing::Project(number) = thing else { return false };
        PARENTS.iter().enumerate().any(|(child, parent)| *parent == Some(number) && self.has(Thing::Project(child)))
    }

    /// Whether it should be done; if so it is done.
    fn apply(&mut self, op: &Op) -> bool {
        match op {
            Op::Grant(grant) => {
                let (actor, target, role, _) = *grant;
                let all = self.has(actor) && self.has(target) && self.has(Thing::Role(role));
                if all {
                    self.grants.insert(*grant);
                }
                all
            }
            Op::Revoke(grant) => self.grants.remove(grant),
            Op::Join(group, user) => {
                let both = self.has(Thing::Group(*group)) && self.has(Thing::User(*user));
                if both {
                    self.members.insert((*group, *user));
                }
                both
            }
            Op::Leave(group, user) => self.members.remove(&(*group, *user)),
            Op::Imply(prior, implied) => {
                let both = self.has(Thing::Role(*prior)) && self.has(Thing::Role(*implied));
                if both {
                    self.implied.insert((*prior, *implied));
                }
                both
            }
            Op::Unimply(prior, implied) => self.implied.remove(&(*prior, *implied)),
            Op::Rename(thing) => self.has(*thing),
            Op::Create(thing) => {
                let parent = match thing {
                    Thing::Project(number) => PARENTS[*number].is_none_or(|parent| self.has(Thing::Project(parent))),
                    _ => true,
                };
                parent && self.things.insert(*thing)
            }
            Op::Delete(thing) => {
                let gone = !self.has_children(*thing) && self.things.remove(thing);
                if gone {
                    self.forget(*thing);
                }
                gone
            }
        }
    }

    fn forget(&mut self, thing: Thing) {
        self.grants
            .retain(|(actor, target, role, _)| *actor != thing && *target != thing && Thing::Role(*role) != thing);
        self.members.retain(|(group, user)| Thing::Group(*group) != thing && Thing::User(*user) != thing);
        self.implied.retain(|(prior, implied)| Thing::Role(*prior) != thing && Thing::Role(*implied) != thing);
    }

    /// The roles of a user on a project.
    fn roles(&self, user: usize, project: usize) -> BTreeSet<usize> {
        let mut above = vec![Thing::Domain];
        let mut next = PARENTS[project];
        while let Some(parent) = next {
            above.push(Thing::Project(parent));
            next = PARENTS[parent];
        }
        let is_actor = |actor: Thing| match actor {
            Thing::Group(group) => self.members.contains(&(group, user)),
            other => other == Thing::User(user),
        };
        let holds = |(actor, target, _, inherited): &&Grant| {
            let here = if *inherited { above.contains(target) } else { *target == Thing::Project(project) };
            is_actor(*actor) && here
        };
        let mut roles: BTreeSet<usize> = self.grants.iter().filter(holds).map(|(_, _, role, _)| *role).collect();
        loop {
            let more: BTreeSet<_> =
                self.implied.iter().filter(|(prior, _)| roles.contains(prior)).map(|(_, implied)| *implied).collect();
            if more.is_subset(&roles) {
                return roles;
            }
            roles.extend(more);
        }
    }
}

/// The real thing, with the ids of what the model numbers.
struct Real<'a> {
    world: &'a World,
    admin: String,
    ids: BTreeMap<Thing, String>,
    renamed: usize,
}

impl Real<'_> {
    fn id(&self, thing: Thing) -> &str {
        if thing == Thing::Domain {
            return "default";
        }
        self.ids.get(&thing).map_or("gone", String::as_str)
    }

    fn place(&self, thing: Thing) -> (&'static str, &'static str) {
        match thing {
            Thing::User(_) => ("users", "user"),
            Thing::Group(_) => ("groups", "group"),
            Thing::Project(_) => ("projects", "project"),
            Thing::Role(_) => ("roles", "role"),
            Thing::Domain => ("domains", "domain"),
        }
    }

    fn path(&self, thing: Thing) -> String {
        format!("{}/{}", self.place(thing).0, self.id(thing))
    }

    fn grant_path(&self, (actor, target, role, inherited): &Grant) -> String {
        let path = format!("{}/{}/roles/{}", self.path(*target), self.path(*actor), self.id(Thing::Role(*role)));
        if *inherited { format!("/v3/OS-INHERIT/{path}/inherited_to_projects") } else { format!("/v3/{path}") }
    }

    /// Whether it was done.
    async fn apply(&mut self, op: &Op) -> bool {
        let role = |number: &usize| self.id(Thing::Role(*number)).to_owned();
        let (method, path, body) = match op {
            Op::Grant(grant) => (Method::PUT, self.grant_path(grant), None),
            Op::Revoke(grant) => (Method::DELETE, self.grant_path(grant), None),
            Op::Join(group, user) | Op::Leave(group, user) => {
                let method = if matches!(op, Op::Join(..)) { Method::PUT } else { Method::DELETE };
                (method, format!("/v3/{}/{}", self.path(Thing::Group(*group)), self.path(Thing::User(*user))), None)
            }
            Op::Imply(prior, implied) => {
                (Method::PUT, format!("/v3/roles/{}/implies/{}", role(prior), role(implied)), None)
            }
            Op::Unimply(prior, implied) => {
                (Method::DELETE, format!("/v3/roles/{}/implies/{}", role(prior), role(implied)), None)
            }
            Op::Rename(thing) => {
                self.renamed += 1;
                let body = json!({self.place(*thing).1: {"name": format!("renamed-{}", self.renamed)}});
                (Method::PATCH, format!("/v3/{}", self.path(*thing)), Some(body))
            }
            Op::Delete(thing) => (Method::DELETE, format!("/v3/{}", self.path(*thing)), None),
            Op::Create(thing) => return self.create(*thing).await,
        };
        let status = self.world.call(method, &path, &self.admin, body).await.status;
        assert!(!status.is_server_error(), "{op:?}: {status}");
        if let (Op::Delete(thing), true) = (op, status.is_success()) {
            self.ids.remove(thing);
        }
        status.is_success()
    }

    async fn create(&mut self, thing: Thing) -> bool {
        if self.ids.contains_key(&thing) {
            return false;
        }
        self.renamed += 1;
        let mut body = json!({"name": format!("made-{}", self.renamed)});
        if let Thing::Project(number) = thing
            && let Some(parent) = PARENTS[number]
        {
            body["parent_id"] = self.id(Thing::Project(parent)).into();
        }
        let (collection, kind) = self.place(thing);
        let answer =
            self.world.call(Method::POST, &format!("/v3/{collection}"), &self.admin, Some(json!({kind: body}))).await;
        if answer.status != 201 {
            return false;
        }
        self.ids.insert(thing, answer.json()[kind]["id"].as_str().unwrap().to_owned());
        true
    }

    /// The roles of a user on a project, as the list of effective assignments has them.
    async fn roles(&self, user: usize, project: usize) -> BTreeSet<usize> {
        let (user, project) = (self.id(Thing::User(user)), self.id(Thing::Project(project)));
        let path = format!("/v3/role_assignments?effective&user.id={user}&scope.project.id={project}");
        let list = self.world.get(&path, &self.admin).await.json();
        let number = |id: &str| (0..ROLES).find(|number| self.id(Thing::Role(*number)) == id);
        let all = list["role_assignments"].as_array().unwrap().iter();
        all.filter_map(|one| number(one["role"]["id"].as_str().unwrap())).collect()
    }

    /// The same as a token would have them.
    async fn token_roles(&self, user: usize, project: usize) -> BTreeSet<usize> {
        use crate::assignment::{Actor, Target, effective_roles};
        let actor = Actor::User(self.id(Thing::User(user)).parse().unwrap());
        let target = Target::Project(self.id(Thing::Project(project)).parse().unwrap());
        let mut conn = self.world.identity.db.read().await.unwrap();
        let roles = effective_roles(&mut conn, &actor, &target).await.unwrap();
        let number = |id: &str| (0..ROLES).find(|number| self.id(Thing::Role(*number)) == id);
        roles.iter().filter_map(|role| number(role.id.as_str())).collect()
    }
}

async fn run(world: World, ops: &[Op]) {
    let admin = world.admin().await;
    let mut real = Real { world: &world, admin, ids: BTreeMap::new(), renamed: 0 };
    let mut model = Model::default();
    let usual = (0..USERS).map(Thing::User).chain((0..GROUPS).map(Thing::Group));
    let usual = usual.chain((0..PARENTS.len()).map(Thing::Project)).chain((0..ROLES).map(Thing::Role));
    let start: Vec<Op> = usual.map(Op::Create).collect();
    for op in start.iter().chain(ops) {
        assert_eq!(real.apply(op).await, model.apply(op), "{op:?} in {model:?}");
    }
    for user in (0..USERS).filter(|user| model.has(Thing::User(*user))) {
        for project in (0..PARENTS.len()).filter(|project| model.has(Thing::Project(*project))) {
            let expected = model.roles(user, project);
            assert_eq!(real.roles(user, project).await, expected, "listed for {user} on {project} in {model:?}");
            assert_eq!(
                real.token_roles(user, project).await,
                expected,
                "in a token of {user} on {project} in {model:?}"
            );
        }
    }
}

#[test]
fn any_sequence_of_changes_comes_to_what_the_model_says() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    proptest!(config, |(ops in vec(op(), 1..40))| {
        runtime.block_on(async {
            for world in worlds().await {
                run(world, &ops).await;
            }
        });
    });
}
