//! What request bodies have in common: names, free attributes, links.

use crate::IdentityError;
use controller_web::BaseUrl;
use serde_json::{Map, Value, json};

/// Attributes that Keystone keeps for its users without knowing them.
pub(crate) type Attributes = Map<String, Value>;

/// A name that a thing may have.
pub(crate) fn name(field: &'static str, text: &str, longest: usize) -> Result<String, IdentityError> {
    if text.trim().is_empty() {
        return Err(IdentityError::invalid(format!("Invalid input for field '{field}': '{text}' should be non-empty")));
    }
    if text.chars().count() > longest {
        return Err(IdentityError::invalid(format!("Invalid input for field '{field}': '{text}' is too long")));
    }
    Ok(text.to_owned())
}

/// `{"<key>": {..thing.., "links": {"self": ..}}}` without the outer key: adds free attributes and the link.
pub(crate) fn with_link(mut thing: Value, extra: &Attributes, url: &BaseUrl, collection: &str, id: &str) -> Value {
    if let Value::Object(fields) = &mut thing {
        for (key, value) in extra {
            fields.entry(key.clone()).or_insert_with(|| value.clone());
        }
        fields.insert("links".to_owned(), json!({"self": url.join(&format!("/v3/{collection}/{id}"))}));
    }
    thing
}

/// A whole list: `{"<key>": [..], "links": {..}}`.
pub(crate) fn list(key: &str, items: Vec<Value>, self_link: &str) -> Value {
    json!({key: items, "links": controller_web::paging::whole(self_link)})
}

/// Merges changed free attributes into the stored ones; `null` removes none, as in Keystone it is a value.
pub(crate) fn merge(stored: &mut Attributes, changes: Attributes) {
    stored.extend(changes);
}

/// Options of a thing that can only be protected from changes (`immutable`).
pub(crate) fn immutable_option(options: Option<&Attributes>) -> Result<(), IdentityError> {
    for (key, value) in options.into_iter().flatten() {
        if key != "immutable" {
            let reason = format!("Additional properties are not allowed ('{key}' was unexpected)");
            return Err(IdentityError::invalid(format!("Invalid input for field 'options': {reason}")));
        }
        if !value.is_boolean() && !value.is_null() {
            let reason = format!("{value} is not of type 'boolean', 'null'");
            return Err(IdentityError::invalid(format!("Invalid input for field 'immutable': {reason}")));
        }
    }
    Ok(())
}

/// Whether a thing with these options is protected from changes.
pub(crate) fn is_immutable(options: &Attributes) -> bool {
    options.get("immutable").is_some_and(|option| option == true)
}

/// What is protected may only have its protection taken away, alone. `others`: the change holds something else too.
pub(crate) fn check_immutable_update(
    kind: &str,
    id: &str,
    stored: &Attributes,
    change: Option<&Attributes>,
    others: bool,
) -> Result<(), IdentityError> {
    let unlocks = change.and_then(|options| options.get("immutable")).is_some_and(|option| option != true);
    if !is_immutable(stored) || (unlocks && !others) {
        return Ok(());
    }
    Err(IdentityError::Forbidden(format!(
        "Unable to update immutable {kind} resource: `{id}. Set resource option \"immutable\" to false first."
    )))
}

/// What is protected cannot be deleted.
pub(crate) fn check_immutable_delete(kind: &str, id: &str, stored: &Attributes) -> Result<(), IdentityError> {
    if !is_immutable(stored) {
        return Ok(());
    }
    Err(IdentityError::Forbidden(format!(
        "Unable to delete immutable {kind} resource: `{id}. Set resource option \"immutable\" to false first."
    )))
}

/// Merges an `options` object: `null` removes an option.
pub(crate) fn merge_options(stored: &mut Attributes, changes: Option<Attributes>) {
    for (key, value) in changes.into_iter().flatten() {
        if value.is_null() {
            stored.remove(&key);
        } else {
            stored.insert(key, value);
        }
    }
}
