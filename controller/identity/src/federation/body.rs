//! Reading the bodies of federation's resources: policy has spoken before they are looked at, and unknown fields are refused.

use crate::IdentityError;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::str::FromStr;

/// What stands below the one key of a body.
pub(crate) fn read<T: DeserializeOwned>(mut body: Value, key: &str) -> Result<T, IdentityError> {
    let missing = || IdentityError::invalid(format!("'{key}' is a required property"));
    let given = body.get_mut(key).map(Value::take).ok_or_else(missing)?;
    serde_path_to_error::deserialize(given).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { key.to_owned() } else { format!("{key}.{path}") };
        IdentityError::invalid(format!("Invalid input for field '{place}': {}", error.inner()))
    })
}

/// The same of a change, which changes something.
pub(crate) fn read_change<T: DeserializeOwned>(body: Value, key: &str) -> Result<T, IdentityError> {
    if body.get(key).and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
        return Err(IdentityError::invalid(format!(
            "Invalid input for field '{key}': {{}} does not have enough properties"
        )));
    }
    read(body, key)
}

/// The id that the client chose for a new thing.
pub(crate) fn new_id<T: FromStr>(text: &str) -> Result<T, IdentityError> {
    text.parse()
        .map_err(|_| IdentityError::invalid(format!("Invalid input for field 'id': {text:?} is too long or malformed")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Fields {
        #[expect(dead_code, reason = "only whether it can be read is asked")]
        enabled: Option<bool>,
    }

    #[test]
    fn a_body_has_its_key_and_no_other_fields() {
        assert!(read::<Fields>(json!({"thing": {"enabled": true}}), "thing").is_ok());
        for wrong in [json!({}), json!([]), json!({"thing": {"other": 1}}), json!({"thing": {"enabled": "yes"}})] {
            assert!(matches!(read::<Fields>(wrong, "thing"), Err(IdentityError::Invalid(_))));
        }
        assert!(read_change::<Fields>(json!({"thing": {}}), "thing").is_err());
    }
}
