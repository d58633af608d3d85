//! `/v3/role_assignments`.

use crate::{
    Identity, IdentityError,
    assignment::{
        Assignment, Target,
        list::{Query, Shown},
    },
    wire::Attributes,
};
use axum::extract::State;
use controller_web::{Access, ApiError, BaseUrl, Context, Json, Params, Routes, Target as PolicyTarget};
use serde_json::{Value, json};
use std::collections::HashMap;

const LIST: &str = "identity:list_role_assignments";
const TREE: &str = "identity:list_role_assignments_for_tree";

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new().get("/v3/role_assignments", Access::AnyOf(&[LIST, TREE]), list)
}

/// A flag that is set by being there, unless it says `0` or `false`.
fn set(params: &Params, name: &str) -> bool {
    params.get(name).is_some_and(|text| controller_web::query::parse_flag(text) != Some(false))
}

fn query(params: &Params) -> Result<Query, IdentityError> {
    fn id<T: std::str::FromStr<Err = controller_base::id::InvalidId>>(
        params: &Params,
        name: &str,
    ) -> Result<Option<T>, IdentityError> {
        Ok(params.get(name).map(str::parse).transpose()?)
    }
    let project = id(params, "scope.project.id")?.map(Target::Project);
    let domain = id(params, "scope.domain.id")?.map(Target::Domain);
    let system = params.get("scope.system").map(|_| Target::System);
    let query = Query {
        user: id(params, "user.id")?,
        group: id(params, "group.id")?,
        role: id(params, "role.id")?,
        inherited: params.get("scope.OS-INHERIT:inherited_to").map(|to| to == "projects"),
        effective: set(params, "effective"),
        include_subtree: set(params, "include_subtree"),
        target: match (project, domain, system) {
            (Some(target), None, None) | (None, Some(target), None) | (None, None, Some(target)) => Some(target),
            (None, None, None) => None,
            _ => return Err(IdentityError::invalid("Specify a domain or project, not both")),
        },
    };
    if query.effective && query.group.is_some() {
        return Err(IdentityError::invalid(
            "Combining effective and group filter will always result in an empty list.",
        ));
    }
    if query.effective && query.inherited.is_some() && matches!(query.target, Some(Target::Domain(_))) {
        return Err(IdentityError::invalid(
            "Combining effective, domain and inherited filters will always result in an empty list.",
        ));
    }
    if query.user.is_some() && query.group.is_some() {
        return Err(IdentityError::invalid("Specify a user or group, not both"));
    }
    if query.include_subtree && !matches!(query.target, Some(Target::Project(_))) {
        return Err(IdentityError::invalid("scope.project.id must be specified if include_subtree is also specified"));
    }
    Ok(query)
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    let query = query(&params)?;
    let own = context.domain().map(|domain| domain.id.clone());
    if let (true, Some(Target::Project(project))) = (query.include_subtree, &query.target) {
        let project = identity.project(project.as_str()).await?;
        let target = PolicyTarget::none().with("target.project.domain_id", project.owning_domain());
        context.enforce(TREE, &target)?;
    } else {
        context.enforce(LIST, &PolicyTarget::none().with_maybe("target.domain_id", own.as_ref()))?;
    }
    let mut assignments = identity.assignments(&query).await?;
    let with_names = set(&params, "include_names");
    let names = if with_names || own.is_some() { Some(identity.names().await?) } else { None };
    if let (Some(own), Some(names)) = (own, &names) {
        // A domain's reader sees what is granted within the domain.
        assignments.retain(|shown| names.domain_of_target(&shown.target) == Some(own.as_str()));
    }
    let names = names.filter(|_| with_names);
    let items = assignments.iter().map(|one| render(one, names.as_ref(), context.url())).collect();
    Ok(Json(crate::wire::list("role_assignments", items, &context.self_link())))
}

/// Names (and the owning domain) by id.
struct Names(HashMap<String, (String, Option<String>)>);

impl Names {
    fn domain_of_target(&self, target: &Target) -> Option<&str> {
        match target {
            Target::Project(id) => self.0.get(id.as_str())?.1.as_deref(),
            Target::Domain(id) => self.0.get_key_value(id.as_str()).map(|(key, _)| key.as_str()),
            Target::System => None,
        }
    }

    fn show(&self, id: &str) -> Value {
        let Some((name, domain)) = self.0.get(id) else { return json!({"id": id}) };
        let mut thing = json!({"id": id, "name": name});
        if let Some(domain) = domain {
            let domain_name = self.0.get(domain).map(|(name, _)| name);
            thing["domain"] = json!({"id": domain, "name": domain_name});
        }
        thing
    }
}

impl Identity {
    async fn names(&self) -> Result<Names, IdentityError> {
        let mut conn = self.db.read().await?;
        let none = Params::default();
        let mut names = HashMap::new();
        for user in crate::user::store::list(&mut conn, None, None, &none).await? {
            names.insert(user.id.to_string(), (user.name, Some(user.domain_id.to_string())));
        }
        for group in crate::group::store::list(&mut conn, None, None, &none).await? {
            names.insert(group.id.to_string(), (group.name, Some(group.domain_id.to_string())));
        }
        for domains in [false, true] {
            for project in crate::project::store::list(&mut conn, domains, None, &none).await? {
                names.insert(project.id.to_string(), (project.name, project.domain_id.map(|id| id.to_string())));
            }
        }
        for role in crate::role::store::all(&mut conn).await? {
            names.insert(role.id.to_string(), (role.name, role.domain_id.map(|id| id.to_string())));
        }
        Ok(Names(names))
    }
}

/// A line of the list. Its links lead to the grant from which it follows, to the membership by which the user has it, and to the
/// implication by which it is this role.
fn render(shown: &Shown, names: Option<&Names>, url: &BaseUrl) -> Value {
    let show = |id: &str| names.map_or_else(|| json!({"id": id}), |names| names.show(id));
    let mut scope = match &shown.target {
        Target::System => json!({"system": {"all": true}}),
        Target::Project(_) | Target::Domain(_) => json!({shown.target.kind(): show(shown.target.id())}),
    };
    if shown.grant.inherited {
        scope["OS-INHERIT:inherited_to"] = "projects".into();
    }
    let mut links = json!({"assignment": url.join(&grant_path(&shown.grant))});
    if shown.actor != shown.grant.actor {
        let path = format!("/v3/groups/{}/users/{}", shown.grant.actor.id(), shown.actor.id());
        links["membership"] = url.join(&path).into();
    }
    if shown.role != shown.grant.role {
        links["prior_role"] = url.join(&format!("/v3/prior_role/{}/implies/{}", shown.grant.role, shown.role)).into();
    }
    let mut body = Attributes::new();
    body.insert("scope".to_owned(), scope);
    body.insert("role".to_owned(), show(shown.role.as_str()));
    body.insert(shown.actor.kind().to_owned(), show(shown.actor.id()));
    body.insert("links".to_owned(), links);
    Value::Object(body)
}

/// Where a grant can be checked and taken away.
fn grant_path(grant: &Assignment) -> String {
    let place = match &grant.target {
        Target::System => "/system".to_owned(),
        Target::Project(_) | Target::Domain(_) => format!("/{}s/{}", grant.target.kind(), grant.target.id()),
    };
    let path = format!("{place}/{}s/{}/roles/{}", grant.actor.kind(), grant.actor.id(), grant.role);
    if grant.inherited { format!("/v3/OS-INHERIT{path}/inherited_to_projects") } else { format!("/v3{path}") }
}
