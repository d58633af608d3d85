//! Which policy blob belongs to an endpoint, a service or a service in a region (`OS-ENDPOINT-POLICY`). Each of them has one at
//! most; an endpoint's own goes before its service's in its region (and the regions above), and that before its service's.
//!
//! Owns `identity_policy_association`.

pub(crate) mod api;
pub(crate) mod policy;
mod store;

use crate::{Identity, IdentityError, catalog};
use controller_web::Params;

/// What has the policy blob; the ids that do not take part are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub endpoint: String,
    pub service: String,
    pub region: String,
}

impl Identity {
    async fn policy_places(&self) -> Result<Vec<(Place, String)>, IdentityError> {
        Ok(store::list(&mut *self.db.read().await?).await?)
    }

    /// Gives or takes a policy blob; false when there was none to take.
    async fn set_policy_of(&self, place: &Place, policy: &str, set: bool) -> Result<bool, IdentityError> {
        let mut tx = self.db.begin().await?;
        let done = if set {
            store::put(&mut tx, place, policy).await?;
            true
        } else {
            store::delete(&mut tx, place, policy).await?
        };
        tx.commit().await?;
        Ok(done)
    }

    async fn policy_for(&self, endpoint: &catalog::Endpoint) -> Result<Option<String>, IdentityError> {
        let mut conn = self.db.read().await?;
        let all = store::list(&mut conn).await?;
        let regions = catalog::store::list_regions(&mut conn, &Params::default()).await?;
        Ok(holds_for(endpoint, &all, &regions).map(str::to_owned))
    }

    async fn endpoints_of_policy(&self, policy: &str) -> Result<Vec<catalog::Endpoint>, IdentityError> {
        let mut conn = self.db.read().await?;
        let none = Params::default();
        let places = store::list(&mut conn).await?;
        let regions = catalog::store::list_regions(&mut conn, &none).await?;
        let endpoints = catalog::store::list_endpoints(&mut conn, &none).await?;
        Ok(endpoints.into_iter().filter(|endpoint| holds_for(endpoint, &places, &regions) == Some(policy)).collect())
    }
}

/// The policy blob that holds for an endpoint.
fn holds_for<'a>(
    endpoint: &catalog::Endpoint,
    places: &'a [(Place, String)],
    regions: &[catalog::Region],
) -> Option<&'a str> {
    let at = |wanted: &Place| places.iter().find(|(place, _)| place == wanted).map(|(_, policy)| policy.as_str());
    let service = endpoint.service_id.to_string();
    if let Some(own) = at(&Place { endpoint: endpoint.id.to_string(), ..Place::default() }) {
        return Some(own);
    }
    let mut next = endpoint.region_id.clone();
    // As many steps as there are regions: a circle ends.
    for _ in 0..=regions.len() {
        let Some(region) = next else { break };
        let place = Place { service: service.clone(), region: region.to_string(), ..Place::default() };
        if let Some(found) = at(&place) {
            return Some(found);
        }
        next = regions.iter().find(|one| one.id == region).and_then(|one| one.parent_id.clone());
    }
    at(&Place { service, ..Place::default() })
}
