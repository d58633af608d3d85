//! The JSON home document: every route under the name of its relation, as keystoneauth's and other clients look it up. It is made
//! from the route table; where Keystone's name of a relation does not follow from the path, it stands here.

use controller_web::RouteInfo;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

const BASE: &str = "https://docs.openstack.org/api/openstack-identity/3";

/// Paths whose relation has another name than their words give.
const NAMES: &[(&str, &str)] = &[
    ("/users/{user_id}/password", "user_change_password"),
    ("/roles/{prior_id}/implies", "implied_roles"),
    ("/roles/{prior_id}/implies/{implied_id}", "implied_role"),
    ("/limits/model", "limit_model"),
    ("/domains/config/default", "domain_config_default"),
    ("/domains/config/{group}/default", "domain_config_default_group"),
    ("/domains/config/{group}/{option}/default", "domain_config_default_option"),
    ("/domains/{domain_id}/config", "domain_config"),
    ("/domains/{domain_id}/config/{group}", "domain_config_group"),
    ("/domains/{domain_id}/config/{group}/{option}", "domain_config_option"),
    ("/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy", "endpoint_policy"),
    ("/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints", "policy_endpoints"),
    ("/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}", "endpoint_policy_association"),
    ("/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}", "service_policy_association"),
    (
        "/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}",
        "region_and_service_policy_association",
    ),
    (
        "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}",
        "endpoint_group_to_project_association",
    ),
    ("/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects", "projects_associated_with_endpoint_group"),
    ("/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints", "endpoints_in_endpoint_group"),
];

/// The document; `prefix` is `/v3` where it is asked for at the root.
pub(crate) fn document(prefix: &str) -> Value {
    static RESOURCES: OnceLock<Vec<(String, String, Vec<String>)>> = OnceLock::new();
    let resources = RESOURCES.get_or_init(|| read(crate::routes().table()));
    let mut all = Map::new();
    for (relation, path, names) in resources {
        let path = format!("{prefix}{path}");
        let resource = if names.is_empty() {
            json!({"href": path})
        } else {
            let vars: Map<_, _> = names.iter().map(|name| (name.clone(), param(name).into())).collect();
            json!({"href-template": path, "href-vars": vars})
        };
        all.insert(relation.clone(), resource);
    }
    json!({"resources": all})
}

fn param(name: &str) -> String {
    format!("{BASE}/param/{name}")
}

/// Relation, path below `/v3` and the names in it, of each path once.
fn read(table: &[RouteInfo]) -> Vec<(String, String, Vec<String>)> {
    let mut all: Vec<(String, String, Vec<String>)> = Vec::new();
    for route in table {
        let Some(path) = route.path.strip_prefix("/v3").filter(|path| !path.is_empty()) else { continue };
        if all.iter().all(|(_, known, _)| known != path) {
            let names = path.split('/').filter_map(variable).map(str::to_owned).collect();
            all.push((relation(path), path.to_owned(), names));
        }
    }
    all
}

fn variable(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn relation(path: &str) -> String {
    let extension = path.split('/').find(|segment| segment.starts_with("OS-"));
    let named = NAMES.iter().find(|(known, _)| *known == path).map(|(_, name)| (*name).to_owned());
    let name = named.unwrap_or_else(|| words(path));
    match extension {
        Some(extension) => format!("{BASE}/ext/{extension}/1.0/rel/{name}"),
        None => format!("{BASE}/rel/{name}"),
    }
}

/// `/projects/{project_id}/users/{user_id}/roles` is `project_user_roles`.
fn words(path: &str) -> String {
    let segments: Vec<&str> =
        path.split('/').filter(|segment| !segment.is_empty() && !segment.starts_with("OS-")).collect();
    let mut words = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        if segment.starts_with('{') {
            continue;
        }
        let one =
            segments.get(index + 1).is_some_and(|next| next.starts_with('{')) || segments[0] == "system" && index == 1;
        words.push(if one { singular(segment) } else { (*segment).to_owned() });
    }
    words.join("_")
}

fn singular(word: &str) -> String {
    match word.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => word.strip_suffix('s').unwrap_or(word).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_have_keystones_names() {
        for (path, name) in [
            ("/users", "rel/users"),
            ("/users/{user_id}", "rel/user"),
            ("/policies/{policy_id}", "rel/policy"),
            ("/projects/{project_id}/users/{user_id}/roles/{role_id}", "rel/project_user_role"),
            ("/system/users/{user_id}/roles", "rel/system_user_roles"),
            ("/auth/tokens", "rel/auth_tokens"),
            ("/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}", "ext/OS-EP-FILTER/1.0/rel/endpoint_group"),
            ("/roles/{prior_id}/implies", "rel/implied_roles"),
            ("/users/{user_id}/credentials/OS-EC2/{credential_id}", "ext/OS-EC2/1.0/rel/user_credential"),
        ] {
            assert_eq!(relation(path), format!("{BASE}/{name}"), "{path}");
        }
    }

    #[test]
    fn no_relation_stands_for_two_paths() {
        let mut relations: Vec<_> = read(crate::routes().table()).into_iter().map(|(relation, ..)| relation).collect();
        let count = relations.len();
        relations.sort();
        relations.dedup();
        assert_eq!(relations.len(), count);
        let home = document("/v3");
        assert_eq!(home["resources"][&format!("{BASE}/rel/users")], json!({"href": "/v3/users"}));
    }
}
