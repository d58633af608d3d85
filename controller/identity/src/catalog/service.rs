//! What a token shows of the catalog.

use super::{Endpoint, Offer, Region, Service, store};
use crate::{Identity, IdentityError};
use controller_base::id::{EndpointId, ProjectId, RegionId, ServiceId};
use controller_db::DbError;
use controller_web::{Params, TokenInfo};
use serde_json::{Value, json};
use std::sync::Arc;

impl Identity {
    /// The catalog with its URLs filled in for a token.
    pub(crate) async fn catalog_for(&self, token: &TokenInfo) -> Result<Value, IdentityError> {
        let offers = self.offers(token.project().map(|project| &project.id)).await?;
        let entry = |offer: &Offer| {
            let endpoints: Vec<Value> = offer.endpoints.iter().filter_map(|endpoint| shown(endpoint, token)).collect();
            let service = &offer.service;
            json!({"id": service.id, "type": service.kind, "name": service.name, "endpoints": endpoints})
        };
        Ok(offers.iter().map(entry).collect())
    }

    /// What a project sees of the catalog, or somebody without one.
    async fn offers(&self, project: Option<&ProjectId>) -> Result<Arc<[Offer]>, IdentityError> {
        let (epoch, key) = (self.epoch().await?, project.cloned());
        if let Some(known) = self.cache.catalogs.get(&key, epoch) {
            return Ok(known);
        }
        let mut conn = self.db.read().await?;
        let none = Params::default();
        let services = store::list_services(&mut conn, &none).await?;
        let mut endpoints = store::list_endpoints(&mut conn, &none).await?;
        if let Some(project) = project {
            endpoints = crate::endpoint_filter::service::seen_by(&mut conn, project, endpoints).await?;
        }
        let offer = |service: Service| {
            let own = endpoints.iter().filter(|endpoint| endpoint.enabled && endpoint.service_id == service.id);
            Offer { endpoints: own.cloned().collect(), service }
        };
        let offers = services.into_iter().filter(|service| service.enabled).map(offer).collect();
        Ok(self.cache.catalogs.put(key, epoch, offers))
    }

    /// A region by its id.
    pub(crate) async fn region(&self, id: &str) -> Result<Region, IdentityError> {
        let missing = || IdentityError::not_found("region", id);
        let wanted: RegionId = id.parse().map_err(|_| missing())?;
        store::get_region(&mut *self.db.read().await?, &wanted).await?.ok_or_else(missing)
    }

    /// A service by its id.
    pub(crate) async fn catalog_service(&self, id: &str) -> Result<Service, IdentityError> {
        let missing = || IdentityError::not_found("service", id);
        let wanted: ServiceId = id.parse().map_err(|_| missing())?;
        store::get_service(&mut *self.db.read().await?, &wanted).await?.ok_or_else(missing)
    }

    /// An endpoint by its id.
    pub(crate) async fn endpoint(&self, id: &str) -> Result<Endpoint, IdentityError> {
        let missing = || IdentityError::not_found("endpoint", id);
        let wanted: EndpointId = id.parse().map_err(|_| missing())?;
        store::get_endpoint(&mut *self.db.read().await?, &wanted).await?.ok_or_else(missing)
    }

    /// Stores a new or changed region; its parent must exist.
    pub(crate) async fn put_region(&self, region: &Region, new: bool) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        if let Some(parent) = &region.parent_id
            && store::get_region(&mut tx, parent).await?.is_none()
        {
            return Err(IdentityError::not_found("region", parent));
        }
        if !new {
            no_circle(&store::list_regions(&mut tx, &Params::default()).await?, region)?;
        }
        if new {
            let duplicate = |error| match error {
                DbError::UniqueViolation { .. } => {
                    IdentityError::Conflict { kind: "region", details: format!("Duplicate ID, {}", region.id) }
                }
                other => IdentityError::Db(other),
            };
            store::insert_region(&mut tx, region).await.map_err(duplicate)?;
        } else {
            store::update_region(&mut tx, region).await?;
        }
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Deletes a region without regions below and endpoints in it.
    pub(crate) async fn delete_region(&self, id: &RegionId) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        store::delete_region(&mut tx, id).await.map_err(|error| match error {
            DbError::ForeignKeyViolation => IdentityError::Forbidden(format!(
                "Unable to delete region {id} because it or its child regions have associated endpoints."
            )),
            other => IdentityError::Db(other),
        })?;
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Stores a new or changed service.
    pub(crate) async fn put_service(&self, service: &Service, new: bool) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        if new {
            store::insert_service(&mut tx, service).await?;
        } else {
            store::update_service(&mut tx, service).await?;
        }
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Deletes a service with its endpoints.
    pub(crate) async fn delete_service(&self, id: &ServiceId) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        store::delete_service(&mut tx, id).await?;
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Makes the region that an endpoint names in the older way, if it is missing.
    pub(crate) async fn ensure_region(&self, id: Option<RegionId>) -> Result<(), IdentityError> {
        let Some(id) = id else { return Ok(()) };
        let mut tx = self.db.begin().await?;
        if store::get_region(&mut tx, &id).await?.is_none() {
            store::insert_region(&mut tx, &Region::new(id)).await?;
        }
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Stores a new or changed endpoint; its service and region must exist.
    pub(crate) async fn put_endpoint(&self, endpoint: &Endpoint, new: bool) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        if store::get_service(&mut tx, &endpoint.service_id).await?.is_none() {
            return Err(IdentityError::invalid(format!("Could not find service: {}.", endpoint.service_id)));
        }
        if let Some(region) = &endpoint.region_id
            && store::get_region(&mut tx, region).await?.is_none()
        {
            return Err(IdentityError::invalid(format!("Could not find region: {region}.")));
        }
        if new {
            store::insert_endpoint(&mut tx, endpoint).await?;
        } else {
            store::update_endpoint(&mut tx, endpoint).await?;
        }
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Deletes an endpoint.
    pub(crate) async fn delete_endpoint(&self, id: &EndpointId) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        store::delete_endpoint(&mut tx, id).await?;
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }
}

/// A region must not come to lie within itself.
fn no_circle(all: &[Region], region: &Region) -> Result<(), IdentityError> {
    let mut next = region.parent_id.as_ref();
    // As many steps as there are regions: a circle that is there already ends.
    for _ in 0..=all.len() {
        let Some(id) = next else { return Ok(()) };
        if *id == region.id {
            let parent = region.parent_id.as_ref().map_or("", RegionId::as_str);
            return Err(IdentityError::invalid(format!(
                "The specified parent region {parent} would create a circular region hierarchy."
            )));
        }
        next = all.iter().find(|one| one.id == *id).and_then(|one| one.parent_id.as_ref());
    }
    Ok(())
}

/// An endpoint in a token; none if its URL needs a project that the token does not have.
fn shown(endpoint: &Endpoint, token: &TokenInfo) -> Option<Value> {
    let region = endpoint.region_id.as_ref().map(RegionId::as_str);
    Some(json!({
        "id": endpoint.id, "interface": endpoint.interface, "region": region, "region_id": region,
        "url": fill(&endpoint.url, token)?,
    }))
}

fn fill(url: &str, token: &TokenInfo) -> Option<String> {
    let project = token.project().map(|project| project.id.as_str());
    let mut out = url.to_owned();
    for open in ["$(", "%("] {
        for (name, value) in
            [("project_id", project), ("tenant_id", project), ("user_id", Some(token.user.id.as_str()))]
        {
            let place = format!("{open}{name})s");
            if out.contains(&place) {
                out = out.replace(&place, value?);
            }
        }
    }
    Some(out)
}
