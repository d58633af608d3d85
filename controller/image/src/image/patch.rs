//! Glance's JSON patch: add, replace and remove of whole attributes (RFC 6902 with one-part paths).

use super::attributes::{self, BASE};
use super::model::{Image, ImageError};
use serde_json::{Map, Value};

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    operation: Operation,
    name: String,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Add,
    Replace,
    Remove,
}

/// Why a patch cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The body is no patch.
    #[error("{0}")]
    Malformed(String),
    /// The attribute is not there.
    #[error("Property {0} does not exist.")]
    Missing(String),
    /// The attribute's value is not allowed.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// Reads a patch.
///
/// # Errors
/// [`PatchError::Malformed`].
pub fn parse(body: &Value) -> Result<Vec<Change>, PatchError> {
    let malformed = |text: &str| PatchError::Malformed(text.to_owned());
    let changes =
        body.as_array().ok_or_else(|| malformed("Request body must be a JSON array of operation objects."))?;
    changes.iter().map(change).collect()
}

fn change(change: &Value) -> Result<Change, PatchError> {
    let malformed = |text: &str| PatchError::Malformed(text.to_owned());
    let object = change.as_object().ok_or_else(|| malformed("Operations must be JSON objects."))?;
    let (operation, path) = match older(object) {
        Some((operation, path)) => (Some(operation), Some(path)),
        None => (object.get("op").and_then(Value::as_str), object.get("path").and_then(Value::as_str)),
    };
    let operation = match operation {
        Some("add") => Operation::Add,
        Some("replace") => Operation::Replace,
        Some("remove") => Operation::Remove,
        Some(other) => {
            return Err(PatchError::Malformed(format!(
                "Operations must be one of 'add', 'replace', 'remove', not '{other}'."
            )));
        }
        None => return Err(malformed("Unable to find '[\"add\", \"replace\", \"remove\"]' in JSON Schema change")),
    };
    let path = path.ok_or_else(|| malformed("Unable to find 'path' in JSON Schema change"))?;
    let value = match (operation, object.get("value")) {
        (Operation::Remove, _) => Value::Null,
        (_, Some(value)) => value.clone(),
        (_, None) => return Err(malformed("Operation \"add\" or \"replace\" requires a member named \"value\".")),
    };
    Ok(Change { operation, name: pointer(path)?, value })
}

/// An operation in the form of an older draft, which the first media type of patches has: `{"replace": "/name", "value": ..}`.
fn older(object: &Map<String, Value>) -> Option<(&str, &str)> {
    if object.contains_key("op") {
        return None;
    }
    ["add", "replace", "remove"].into_iter().find_map(|name| Some((name, object.get(name)?.as_str()?)))
}

fn pointer(path: &str) -> Result<String, PatchError> {
    let malformed = || PatchError::Malformed(format!("Invalid JSON pointer for this resource: '{path}'"));
    let name = path.strip_prefix('/').filter(|n| !n.is_empty() && !n.contains('/')).ok_or_else(malformed)?;
    Ok(name.replace("~1", "/").replace("~0", "~"))
}

/// Applies the changes in their order.
///
/// # Errors
/// The first change that cannot be applied; the image is to be thrown away then.
pub fn apply(image: &mut Image, changes: &[Change]) -> Result<(), PatchError> {
    for change in changes {
        let base = BASE.contains(&change.name.as_str());
        let there = base || image.properties.contains_key(&change.name);
        match change.operation {
            Operation::Add => attributes::set(image, &change.name, &change.value)?,
            Operation::Replace | Operation::Remove if !there => {
                attributes::writable(&change.name)?;
                return Err(PatchError::Missing(change.name.clone()));
            }
            Operation::Replace => attributes::set(image, &change.name, &change.value)?,
            Operation::Remove if base => {
                let message = format!("Property {} may not be removed.", change.name);
                return Err(ImageError::Forbidden(message).into());
            }
            Operation::Remove => {
                image.properties.remove(&change.name);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_forms_say_the_same() {
        let newer = parse(&json!([{"op": "replace", "path": "/name", "value": "n"}, {"op": "remove", "path": "/a"}]));
        let older = parse(&json!([{"replace": "/name", "value": "n"}, {"remove": "/a"}]));
        assert_eq!(newer.unwrap(), older.unwrap());
        for wrong in [json!([{"value": "n"}]), json!([{"op": "replace", "value": "n"}]), json!([{"move": "/a"}])] {
            assert!(parse(&wrong).is_err(), "{wrong}");
        }
    }
}
