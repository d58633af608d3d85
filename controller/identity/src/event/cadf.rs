//! An event's body: CADF's words, as Keystone puts them.

use super::{
    Event,
    describe::{Deed, deed},
};
use controller_base::id::UserId;
use controller_web::{Scope, TokenInfo, audit::Act};
use serde_json::{Map, Value, json};

const EVENT: &str = "http://schemas.dmtf.org/cloud/audit/1.0/event";
const USER: &str = "service/security/account/user";

/// The event of a request.
pub(super) fn event(act: &Act) -> Event {
    let deed = deed(&act.method, &act.route, &act.path);
    let success = act.status.is_success() || act.status.is_redirection();
    let initiator = initiator(act, &deed);
    let made = act.answer.as_ref().and_then(made);
    let target_id = deed.id.clone().or(made).unwrap_or_default();
    let id = UserId::random().to_string();
    let mut body = json!({
        "typeURI": EVENT,
        "id": id,
        "eventTime": act.moment.micros_z(),
        "eventType": "activity",
        "action": deed.action(),
        "outcome": if success { "success" } else { "failure" },
        "event_type": deed.event_type(),
        "initiator": initiator,
        "target": {"typeURI": type_uri(&deed), "id": if target_id.is_empty() { deed.kind.as_str() } else { target_id.as_str() }},
        "observer": {"typeURI": "service/security", "id": "identity"},
        "request_id": act.request_id.as_str(),
    });
    if !target_id.is_empty() {
        body["resource_info"] = target_id.as_str().into();
    }
    let ids: Map<String, Value> = deed.ids.iter().map(|(name, id)| (name.clone(), id.as_str().into())).collect();
    if ids.len() > 1 {
        body["attachments"] = json!([{"name": "ids", "typeURI": "mime:application/json", "content": ids}]);
    }
    if !success {
        body["reason"] = json!({"reasonCode": act.status.as_str(), "reasonType": act.status.canonical_reason()});
    }
    Event {
        id,
        moment: act.moment,
        event_type: deed.event_type(),
        success,
        initiator_id: initiator["id"].as_str().unwrap_or_default().to_owned(),
        target_id,
        body,
    }
}

fn type_uri(deed: &Deed) -> String {
    match deed.kind.as_str() {
        "token" if deed.verb == "authenticate" => USER.to_owned(),
        "user" => "data/security/account/user".to_owned(),
        kind => format!("data/security/{kind}"),
    }
}

fn initiator(act: &Act, deed: &Deed) -> Value {
    match &act.caller {
        Some(token) => of_token(token, act),
        None if deed.verb == "authenticate" => of_authentication(act),
        None => json!({"typeURI": USER, "id": "", "request_id": act.request_id.as_str()}),
    }
}

fn of_token(token: &TokenInfo, act: &Act) -> Value {
    let mut initiator = json!({"typeURI": USER, "id": token.user.id, "name": token.user.name,
        "user_domain_id": token.user.domain.id, "request_id": act.request_id.as_str()});
    match &token.scope {
        Scope::Project(project) => initiator["project_id"] = project.id.as_str().into(),
        Scope::Domain(domain) => initiator["domain_id"] = domain.id.as_str().into(),
        Scope::System => initiator["system_scope"] = "all".into(),
        Scope::Unscoped => {}
    }
    initiator
}

/// Who got the token; of who got none the name that was tried, and nothing else of the request.
fn of_authentication(act: &Act) -> Value {
    let user = match act.answer.as_ref().and_then(|answer| answer.pointer("/token/user")) {
        Some(user) => Some(user),
        None => act.request.as_ref().and_then(tried),
    };
    let text = |key: &str| user.and_then(|user| user.get(key)).and_then(Value::as_str).unwrap_or_default();
    json!({"typeURI": USER, "id": text("id"), "name": text("name"), "request_id": act.request_id.as_str()})
}

fn tried(request: &Value) -> Option<&Value> {
    let identity = request.pointer("/auth/identity")?.as_object()?;
    identity.values().find_map(|method| method.get("user"))
}

/// The id of what an answer shows.
fn made(answer: &Value) -> Option<String> {
    answer.as_object()?.values().find_map(|thing| Some(thing.get("id")?.as_str()?.to_owned()))
}
