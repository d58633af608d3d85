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
