//! Bodies of `/v3/limits` and `/v3/registered_limits`. Both refuse what they do not know.

use super::{Limit, RegisteredLimit};
use crate::{IdentityError, wire::Attributes};
use controller_base::id::{RegionId, ServiceId};
use controller_web::{BaseUrl, body::maybe_null};
use serde::Deserialize;
use serde_json::{Value, json};

const LONGEST_NAME: usize = 255;
const MOST: i64 = i32::MAX as i64;

#[derive(Debug, Deserialize)]
pub(crate) struct CreateRegistered {
    pub registered_limits: Vec<RegisteredFields>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct UpdateRegistered {
    pub registered_limit: RegisteredFields,
}

/// Of a new registered limit or a change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisteredFields {
    pub service_id: Option<String>,
    #[serde(default, deserialize_with = "maybe_null")]
    pub region_id: Option<Option<String>>,
    pub resource_name: Option<String>,
    pub default_limit: Option<i64>,
    #[serde(default, deserialize_with = "maybe_null")]
    pub description: Option<Option<String>>,
}

impl RegisteredFields {
    pub(crate) fn into_limit(self) -> Result<RegisteredLimit, IdentityError> {
        let service = self.service_id.clone().ok_or_else(|| required("service_id"))?;
        let name = self.resource_name.clone().ok_or_else(|| required("resource_name"))?;
        let limit = RegisteredLimit {
            id: ServiceId::random().to_string(),
            service_id: service.parse()?,
            region_id: None,
            resource_name: name,
            default_limit: self.default_limit.ok_or_else(|| required("default_limit"))?,
            description: None,
            generation: 1,
        };
        self.change(limit)
    }

    pub(crate) fn change(self, mut limit: RegisteredLimit) -> Result<RegisteredLimit, IdentityError> {
        if let Some(service) = self.service_id {
            limit.service_id = service.parse()?;
        }
        if let Some(region) = self.region_id {
            limit.region_id = region.map(|id| id.parse::<RegionId>()).transpose()?;
        }
        if let Some(name) = self.resource_name {
            limit.resource_name = crate::wire::name("resource_name", &name, LONGEST_NAME)?;
        }
        limit.default_limit = bounded("default_limit", self.default_limit.unwrap_or(limit.default_limit))?;
        limit.description = self.description.unwrap_or(limit.description);
        Ok(limit)
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Create {
    pub limits: Vec<NewLimit>,
}

/// A new limit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLimit {
    pub project_id: Option<String>,
    pub domain_id: Option<String>,
    pub service_id: String,
    pub region_id: Option<String>,
    pub resource_name: String,
    pub resource_limit: i64,
    pub description: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Update {
    pub limit: Change,
}

/// A change of a limit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    pub resource_limit: Option<i64>,
    #[serde(default, deserialize_with = "maybe_null")]
    pub description: Option<Option<String>>,
}

fn required(name: &str) -> IdentityError {
    IdentityError::invalid(format!("'{name}' is a required property"))
}

/// A limit is -1 (none) or a number that a client's 32 bits hold.
pub(crate) fn bounded(field: &str, limit: i64) -> Result<i64, IdentityError> {
    if (-1..=MOST).contains(&limit) {
        return Ok(limit);
    }
    let reason = if limit < -1 { "less than the minimum of -1" } else { "greater than the maximum of 2147483647" };
    Err(IdentityError::invalid(format!("Invalid input for field '{field}': {limit} is {reason}")))
}

pub(crate) fn render_registered(limit: &RegisteredLimit, url: &BaseUrl) -> Value {
    let body = json!({
        "id": limit.id, "service_id": limit.service_id, "region_id": limit.region_id,
        "resource_name": limit.resource_name, "default_limit": limit.default_limit, "description": limit.description,
    });
    crate::wire::with_link(body, &Attributes::new(), url, "registered_limits", &limit.id)
}

pub(crate) fn render(limit: &Limit, url: &BaseUrl) -> Value {
    let body = json!({
        "id": limit.id, "project_id": limit.owner.project(), "domain_id": limit.owner.domain(),
        "service_id": limit.service_id, "region_id": limit.region_id, "resource_name": limit.resource_name,
        "resource_limit": limit.resource_limit, "description": limit.description,
    });
    crate::wire::with_link(body, &Attributes::new(), url, "limits", &limit.id)
}
