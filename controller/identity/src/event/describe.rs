//! What a request did to what, read from its route.

use http::Method;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deed {
    /// `user`, `role_assignment`, ...
    pub kind: String,
    /// `created`, `updated`, `deleted` or `authenticate`.
    pub verb: &'static str,
    /// The id that the path names, if the thing has one there.
    pub id: Option<String>,
    /// All ids of the path by their names.
    pub ids: Vec<(String, String)>,
}

impl Deed {
    /// Keystone's name of the notification.
    pub(super) fn event_type(&self) -> String {
        match self.verb {
            "authenticate" => "identity.authenticate".to_owned(),
            verb => format!("identity.{}.{verb}", self.kind),
        }
    }

    /// CADF's action.
    pub(super) fn action(&self) -> String {
        match self.verb {
            "authenticate" => "authenticate".to_owned(),
            verb => format!("{verb}.{}", self.kind),
        }
    }
}

/// Whether a request asks for a token.
pub(super) fn is_authentication(method: &Method, route: &str) -> bool {
    let gets_token = matches!(route, "/v3/auth/tokens" | "/v3/ec2tokens" | "/v3/s3tokens")
        || route.starts_with("/v3/auth/OS-FEDERATION/")
        || (route.starts_with("/v3/OS-FEDERATION/identity_providers/") && route.ends_with("/auth"));
    gets_token && *method == Method::POST
}

/// What a request to this route and path does.
pub(super) fn deed(method: &Method, route: &str, path: &str) -> Deed {
    let ids = ids(route, path);
    if is_authentication(method, route) {
        return Deed { kind: "token".to_owned(), verb: "authenticate", id: None, ids };
    }
    let words: Vec<&str> = route.split('/').filter(|word| !word.is_empty() && *word != "v3").collect();
    let own = words.last().is_some_and(|word| word.starts_with('{'));
    let id = ids.last().filter(|_| own).map(|(_, id)| id.clone());
    let kind = if is_grant(&words) { "role_assignment".to_owned() } else { kind(&words) };
    let verb = match *method {
        Method::DELETE => "deleted",
        Method::PATCH => "updated",
        Method::POST if route.ends_with("/password") => "updated",
        Method::PUT if route.ends_with("/tags") => "updated",
        _ => "created",
    };
    Deed { kind, verb, id: id.or_else(|| whose(&words, &ids)), ids }
}

/// The values of a route's names.
fn ids(route: &str, path: &str) -> Vec<(String, String)> {
    let name = |word: &str| word.strip_prefix('{')?.strip_suffix('}').map(str::to_owned);
    let pairs = route.split('/').zip(path.split('/'));
    pairs.filter_map(|(word, value)| Some((name(word)?, value.to_owned()))).collect()
}

fn is_grant(words: &[&str]) -> bool {
    words.contains(&"roles") && (words.contains(&"users") || words.contains(&"groups"))
}

/// The last words that name something: `/users/{user_id}` is a user, `/projects/{project_id}/tags` are tags of a project.
fn kind(words: &[&str]) -> String {
    let last = words.iter().rposition(|word| !word.starts_with('{'));
    let Some(last) = last else { return "resource".to_owned() };
    let word = words[last];
    match word {
        "password" => "user".to_owned(),
        "config" => "domain_config".to_owned(),
        "tokens" => "token".to_owned(),
        "policies" => "policy".to_owned(),
        // Whose they are tells them apart from users and projects themselves.
        "users" if words.first() == Some(&"groups") => "group_membership".to_owned(),
        "implies" => "implied_role".to_owned(),
        "projects" | "endpoints" | "services" | "regions" if words.first().is_some_and(|first| *first != word) => {
            let owner = words.iter().find(|first| !first.starts_with("OS-")).map_or("", |first| *first);
            format!("{}_{}", singular(owner), singular(word))
        }
        _ => singular(word),
    }
}

/// A thing without an id of its own goes by its owner's.
fn whose(words: &[&str], ids: &[(String, String)]) -> Option<String> {
    let has_own = matches!(words.last(), Some(&("password" | "config" | "tags")));
    ids.first().filter(|_| has_own).map(|(_, id)| id.clone())
}

fn singular(word: &str) -> String {
    let word = word.to_lowercase().replace('-', "_");
    match word.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => word.strip_suffix('s').unwrap_or(&word).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_says_what_is_done() {
        for (method, route, path, event, id) in [
            (Method::POST, "/v3/users", "/v3/users", "identity.user.created", None),
            (Method::PATCH, "/v3/users/{user_id}", "/v3/users/u", "identity.user.updated", Some("u")),
            (Method::POST, "/v3/users/{user_id}/password", "/v3/users/u/password", "identity.user.updated", Some("u")),
            (Method::DELETE, "/v3/policies/{policy_id}", "/v3/policies/p", "identity.policy.deleted", Some("p")),
            (Method::POST, "/v3/auth/tokens", "/v3/auth/tokens", "identity.authenticate", None),
            (Method::DELETE, "/v3/auth/tokens", "/v3/auth/tokens", "identity.token.deleted", None),
            (
                Method::PUT,
                "/v3/projects/{project_id}/users/{user_id}/roles/{role_id}",
                "/v3/projects/p/users/u/roles/r",
                "identity.role_assignment.created",
                Some("r"),
            ),
            (
                Method::PUT,
                "/v3/groups/{group_id}/users/{user_id}",
                "/v3/groups/g/users/u",
                "identity.group_membership.created",
                Some("u"),
            ),
            (
                Method::PUT,
                "/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}",
                "/v3/OS-EP-FILTER/projects/p/endpoints/e",
                "identity.project_endpoint.created",
                Some("e"),
            ),
            (
                Method::PATCH,
                "/v3/domains/{domain_id}/config",
                "/v3/domains/d/config",
                "identity.domain_config.updated",
                Some("d"),
            ),
        ] {
            let deed = deed(&method, route, path);
            assert_eq!((deed.event_type().as_str(), deed.id.as_deref()), (event, id), "{method} {route}");
        }
        assert_eq!(
            deed(&Method::DELETE, "/v3/a/{x}/b/{y}", "/v3/a/1/b/2").ids,
            [("x".into(), "1".into()), ("y".into(), "2".into())]
        );
    }
}
