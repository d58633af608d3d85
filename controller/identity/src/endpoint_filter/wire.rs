//! Bodies of `/v3/OS-EP-FILTER/endpoint_groups`.

use super::EndpointGroup;
use crate::{IdentityError, wire::Attributes};
use controller_base::id::EndpointId;
use controller_web::{BaseUrl, body::maybe_null};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    pub endpoint_group: Fields,
}

/// Of a new group or a change.
#[derive(Debug, Deserialize)]
pub(crate) struct Fields {
    name: Option<String>,
    #[serde(default, deserialize_with = "maybe_null")]
    description: Option<Option<String>>,
    filters: Option<Map<String, Value>>,
}

impl Fields {
    pub(crate) fn into_group(self) -> Result<EndpointGroup, IdentityError> {
        let required = |name: &str| IdentityError::invalid(format!("'{name}' is a required property"));
        let name = self.name.ok_or_else(|| required("name"))?;
        Ok(EndpointGroup {
            // Any random id will do.
            id: EndpointId::random().to_string(),
            name: crate::wire::name("name", &name, 255)?,
            description: self.description.flatten(),
            filters: filters(self.filters.ok_or_else(|| required("filters"))?)?,
            generation: 1,
        })
    }

    pub(crate) fn change(self, mut group: EndpointGroup) -> Result<EndpointGroup, IdentityError> {
        if let Some(name) = self.name {
            group.name = crate::wire::name("name", &name, 255)?;
        }
        group.description = self.description.unwrap_or(group.description);
        if let Some(given) = self.filters {
            group.filters = filters(given)?;
        }
        Ok(group)
    }
}

fn filters(given: Map<String, Value>) -> Result<Map<String, Value>, IdentityError> {
    let known = |(key, value): (&String, &Value)| match key.as_str() {
        "service_id" | "region_id" => value.is_string(),
        "interface" => value.as_str().is_some_and(|word| ["public", "internal", "admin"].contains(&word)),
        _ => false,
    };
    if given.is_empty() || !given.iter().all(known) {
        return Err(IdentityError::invalid(
            "Invalid input for field 'filters': service_id, region_id and interface can be filtered by.",
        ));
    }
    Ok(given)
}

pub(crate) fn render(group: &EndpointGroup, url: &BaseUrl) -> Value {
    let body = json!({"id": group.id, "name": group.name, "description": group.description, "filters": group.filters});
    crate::wire::with_link(body, &Attributes::new(), url, "OS-EP-FILTER/endpoint_groups", &group.id)
}
