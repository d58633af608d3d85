//! Bodies of `/v3/regions`, `/v3/services` and `/v3/endpoints`.

use super::{Endpoint, Region, Service};
use crate::{IdentityError, wire::Attributes};
use controller_base::id::{EndpointId, RegionId, ServiceId};
use controller_web::{BaseUrl, body::maybe_null};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
pub(crate) struct RegionBody {
    #[serde(default)]
    pub region: RegionFields,
}

/// Of a new region or a change.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct RegionFields {
    pub id: Option<String>,
    #[serde(default, deserialize_with = "maybe_null")]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "maybe_null")]
    parent_region_id: Option<Option<String>>,
    #[serde(flatten)]
    extra: Attributes,
}

impl RegionFields {
    pub(crate) fn into_region(self, path_id: Option<&str>) -> Result<Region, IdentityError> {
        if let (Some(own), Some(path)) = (&self.id, path_id)
            && own != path
        {
            return Err(IdentityError::Conflict {
                kind: "region",
                details: format!("Conflicting region IDs specified: \"{path}\" != \"{own}\""),
            });
        }
        let id = path_id.map(str::to_owned).or_else(|| self.id.clone()).filter(|id| !id.is_empty());
        let id = id.map_or(Ok(RegionId::random()), |id| id.parse())?;
        self.change(Region::new(id))
    }

    pub(crate) fn change(self, mut region: Region) -> Result<Region, IdentityError> {
        if let Some(description) = self.description {
            region.description = description.unwrap_or_default();
        }
        if let Some(parent) = self.parent_region_id {
            region.parent_id = parent.map(|id| id.parse()).transpose()?;
        }
        crate::wire::merge(&mut region.extra, self.extra);
        Ok(region)
    }
}

pub(crate) fn render_region(region: &Region, url: &BaseUrl) -> Value {
    let body = json!({"id": region.id, "description": region.description, "parent_region_id": region.parent_id});
    crate::wire::with_link(body, &region.extra, url, "regions", region.id.as_str())
}

#[derive(Debug, Deserialize)]
pub(crate) struct ServiceBody {
    pub service: ServiceFields,
}

/// Of a new service or a change.
#[derive(Debug, Deserialize)]
pub(crate) struct ServiceFields {
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    #[serde(default, deserialize_with = "maybe_null")]
    description: Option<Option<String>>,
    enabled: Option<bool>,
    #[serde(flatten)]
    extra: Attributes,
}

impl ServiceFields {
    pub(crate) fn into_service(self) -> Result<Service, IdentityError> {
        if self.kind.is_none() {
            return Err(IdentityError::invalid("'type' is a required property"));
        }
        self.change(Service {
            id: ServiceId::random(),
            kind: String::new(),
            name: String::new(),
            description: None,
            enabled: true,
            extra: Attributes::new(),
            generation: 1,
        })
    }

    pub(crate) fn change(self, mut service: Service) -> Result<Service, IdentityError> {
        if let Some(kind) = self.kind {
            service.kind = crate::wire::name("type", &kind, 255)?;
        }
        service.name = self.name.unwrap_or(service.name);
        service.description = self.description.unwrap_or(service.description);
        service.enabled = self.enabled.unwrap_or(service.enabled);
        crate::wire::merge(&mut service.extra, self.extra);
        Ok(service)
    }
}

pub(crate) fn render_service(service: &Service, url: &BaseUrl) -> Value {
    let mut body = json!({"id": service.id, "type": service.kind, "name": service.name, "enabled": service.enabled});
    if let Some(description) = &service.description {
        body["description"] = description.as_str().into();
    }
    crate::wire::with_link(body, &service.extra, url, "services", service.id.as_str())
}

#[derive(Debug, Deserialize)]
pub(crate) struct EndpointBody {
    pub endpoint: EndpointFields,
}

/// Of a new endpoint or a change.
#[derive(Debug, Deserialize)]
pub(crate) struct EndpointFields {
    service_id: Option<String>,
    #[serde(default, deserialize_with = "maybe_null")]
    region_id: Option<Option<String>>,
    /// The older word for `region_id`; a region of this id is made if there is none.
    region: Option<String>,
    interface: Option<String>,
    url: Option<String>,
    enabled: Option<bool>,
    #[serde(flatten)]
    extra: Attributes,
}

impl EndpointFields {
    /// The region that is to be made if it is missing.
    pub(crate) fn implied_region(&self) -> Result<Option<RegionId>, IdentityError> {
        match (&self.region_id, &self.region) {
            (None, Some(region)) => Ok(Some(region.parse()?)),
            _ => Ok(None),
        }
    }

    pub(crate) fn into_endpoint(self) -> Result<Endpoint, IdentityError> {
        for (name, given) in [
            ("service_id", self.service_id.is_some()),
            ("interface", self.interface.is_some()),
            ("url", self.url.is_some()),
        ] {
            if !given {
                return Err(IdentityError::invalid(format!("'{name}' is a required property")));
            }
        }
        self.change(Endpoint {
            id: EndpointId::random(),
            service_id: ServiceId::random(),
            region_id: None,
            interface: String::new(),
            url: String::new(),
            enabled: true,
            extra: Attributes::new(),
            generation: 1,
        })
    }

    pub(crate) fn change(self, mut endpoint: Endpoint) -> Result<Endpoint, IdentityError> {
        if let Some(service) = self.service_id {
            endpoint.service_id = service.parse()?;
        }
        if let Some(region) = self.region_id.or_else(|| self.region.map(Some)) {
            endpoint.region_id = region.map(|id| id.parse()).transpose()?;
        }
        if let Some(interface) = self.interface {
            if !["public", "internal", "admin"].contains(&interface.as_str()) {
                return Err(IdentityError::invalid(format!(
                    "Invalid input for field 'interface': '{interface}' is not one of ['admin', 'internal', 'public']"
                )));
            }
            endpoint.interface = interface;
        }
        if let Some(url) = self.url {
            if !url.contains("://") {
                return Err(IdentityError::invalid(format!("Invalid input for field 'url': '{url}' is no URL")));
            }
            endpoint.url = url;
        }
        endpoint.enabled = self.enabled.unwrap_or(endpoint.enabled);
        crate::wire::merge(&mut endpoint.extra, self.extra);
        Ok(endpoint)
    }
}

pub(crate) fn render_endpoint(endpoint: &Endpoint, url: &BaseUrl) -> Value {
    let body = json!({
        "id": endpoint.id, "service_id": endpoint.service_id, "region": endpoint.region_id,
        "region_id": endpoint.region_id, "interface": endpoint.interface, "url": endpoint.url,
        "enabled": endpoint.enabled,
    });
    crate::wire::with_link(body, &endpoint.extra, url, "endpoints", endpoint.id.as_str())
}
