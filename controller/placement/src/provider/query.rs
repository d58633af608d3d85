//! What `GET /resource_providers` can be asked.

use super::Place;
use crate::{
    PlacementError, Ratios,
    query::{self, Demand},
};
use controller_web::{Microversion, Params};
use uuid::Uuid;

/// The parameters, with the microversions that brought them.
const KNOWN: &[(&str, u16)] =
    &[("name", 0), ("uuid", 0), ("member_of", 3), ("resources", 4), ("in_tree", 14), ("required", 18)];

#[derive(Debug)]
pub(super) struct Query {
    name: Option<String>,
    id: Option<Uuid>,
    demand: Demand,
}

impl Query {
    pub(super) fn read(params: &Params, version: Microversion) -> Result<Self, PlacementError> {
        query::only(params, |name| KNOWN.iter().any(|(known, minor)| *known == name && version.at_least(1, *minor)))?;
        let id = params.get("uuid").map(|text| query::uuid("uuid", text)).transpose()?;
        let demand = Demand::read(params, "", version).map_err(|error| match error {
            PlacementError::NoTrait(name) => {
                let wrong = "Invalid trait(s) in \"required\" parameter";
                PlacementError::Invalid(format!("{wrong}: No such trait(s): {name}."))
            }
            other => other,
        })?;
        Ok(Self { name: params.get("name").map(str::to_owned), id, demand })
    }

    pub(super) fn wants(&self, place: &Place<'_>, ratios: &Ratios) -> bool {
        self.name.as_ref().is_none_or(|name| *name == place.name())
            && self.id.is_none_or(|id| id == place.id())
            && self.demand.is_met(place, ratios)
    }
}
