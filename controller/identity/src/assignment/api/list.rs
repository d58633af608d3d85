//! `/v3/role_assignments`.

use crate::{
    Identity, IdentityError,
    assignment::{Assignment, Target, list::Query},
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
    let names = identity.names().await?;
    let mut assignments = identity.assignments(&query).await?;
    if let Some(own) = own {
        // A domain's reader sees what is granted within the domain.
        assignments.retain(|assignment| names.domain_of_target(&assignment.target) == Some(own.as_str()));
    }
    let with_names = set(&params, "include_names");
    let items = assignments.iter().map(|one| render(one, with_names.then_some(&names), context.url())).collect();
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

fn render(assignment: &Assignment, names: Option<&Names>, url: &BaseUrl) -> Value {
    let show = |id: &str| names.map_or_else(|| json!({"id": id}), |names| names.show(id));
    let mut scope = match &assignment.target {
        Target::System => json!({"system": {"all": true}}),
        Target::Project(_) | Target::Domain(_) => json!({assignment.target.kind(): show(assignment.target.id())}),
    };
    let mut path = match &assignment.target {
        Target::System => "/v3/system".to_owned(),
        Target::Project(_) | Target::Domain(_) => {
            let prefix = if assignment.inherited { "/v3/OS-INHERIT" } else { "/v3" };
            format!("{prefix}/{}s/{}", assignment.target.kind(), assignment.target.id())
        }
    };
    path += &format!("/{}s/{}/roles/{}", assignment.actor.kind(), assignment.actor.id(), assignment.role);
    if assignment.inherited {
        scope["OS-INHERIT:inherited_to"] = "projects".into();
        path += "/inherited_to_projects";
    }
    let mut body = Attributes::new();
    body.insert("scope".to_owned(), scope);
    body.insert("role".to_owned(), show(assignment.role.as_str()));
    body.insert(assignment.actor.kind().to_owned(), show(assignment.actor.id()));
    body.insert("links".to_owned(), json!({"assignment": url.join(&path)}));
    Value::Object(body)
}
