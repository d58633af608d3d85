//! Bodies of `/v3/OS-FEDERATION/mappings`.

use super::{Mapping, rules};
use crate::IdentityError;
use controller_base::id::MappingId;
use controller_web::BaseUrl;
use serde_json::{Value, json};

/// The schema of a mapping that names none; Keystone's default.
const DEFAULT_VERSION: &str = "1.0";

/// A mapping from `{"mapping": {..}}`, checked.
pub(crate) fn read(id: MappingId, body: &Value) -> Result<Mapping, IdentityError> {
    let missing = || IdentityError::invalid("'mapping' is a required property");
    let given = body.get("mapping").filter(|mapping| mapping.is_object()).ok_or_else(missing)?;
    let schema_version = match given.get("schema_version") {
        None | Some(Value::Null) => DEFAULT_VERSION.to_owned(),
        Some(Value::String(version)) => version.clone(),
        Some(other) => return Err(IdentityError::invalid(format!("{other} is not of type 'string'"))),
    };
    let rules = given.get("rules").cloned().ok_or_else(|| IdentityError::invalid("'rules' is a required property"))?;
    rules::Mapping::read(&schema_version, &rules).map_err(|error| IdentityError::invalid(error.to_string()))?;
    Ok(Mapping { id, schema_version, rules, generation: 1 })
}

/// `{"mapping": ..}` without the key.
pub(crate) fn render(mapping: &Mapping, url: &BaseUrl) -> Value {
    json!({
        "id": mapping.id, "rules": mapping.rules, "schema_version": mapping.schema_version,
        "links": {"self": url.join(&format!("/v3/OS-FEDERATION/mappings/{}", mapping.id))},
    })
}
