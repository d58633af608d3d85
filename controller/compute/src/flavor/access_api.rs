//! Who may use flavors that are not public.

use super::api::no_flavor;
use super::model::Flavor;
use super::{store, wire};
use crate::failure::{bad_request, conflict, not_found};
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use controller_base::id::{FlavorId, ProjectId};
use controller_web::{Access, Context, Json, Routes, Target};
use serde_json::{Value, json};

const ADD: &str = "os_compute_api:os-flavor-access:add_tenant_access";
const REMOVE: &str = "os_compute_api:os-flavor-access:remove_tenant_access";

pub(super) fn routes() -> Routes<Compute> {
    Routes::new().get("/v2.1/flavors/{id}/os-flavor-access", "os_compute_api:os-flavor-access", index).post(
        "/v2.1/flavors/{id}/action",
        Access::AnyOf(&[ADD, REMOVE]),
        action,
    )
}

async fn index(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    context.enforce("os_compute_api:os-flavor-access", &Target::none())?;
    let flavor = compute.visible_flavor(&context, &id).await?;
    if flavor.is_public {
        return Err(not_found("Access list not available for public flavors."));
    }
    compute.render_access(&flavor.id).await
}

async fn action(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let add = body.get("addTenantAccess").is_some();
    if !add && body.get("removeTenantAccess").is_none() {
        return Err(bad_request("There is no such action"));
    }
    context.enforce(if add { ADD } else { REMOVE }, &Target::none())?;
    wire::ACCESS.check(&body, context.microversion().minor)?;
    let flavor = compute.visible_flavor(&context, &id).await?;
    let key = if add { "addTenantAccess" } else { "removeTenantAccess" };
    let tenant = body[key]["tenant"].as_str().unwrap_or_default();
    let project: ProjectId =
        tenant.parse().map_err(|_| bad_request(format!("Project ID {tenant} is not a valid project.")))?;
    if add {
        compute.add_access(&flavor, &project).await?;
    } else {
        compute.remove_access(&flavor, &project).await?;
    }
    compute.render_access(&flavor.id).await
}

impl Compute {
    async fn render_access(&self, id: &FlavorId) -> Result<Json<Value>, Failure> {
        let mut connection = self.db.read().await?;
        let projects = store::access(&mut connection, id).await?;
        let list: Vec<Value> = projects.iter().map(|project| json!({"flavor_id": id, "tenant_id": project})).collect();
        Ok(Json(json!({"flavor_access": list})))
    }

    async fn add_access(&self, flavor: &Flavor, project: &ProjectId) -> Result<(), Failure> {
        if flavor.is_public {
            return Err(conflict("Can not add access to a public flavor."));
        }
        let mut tx = self.db.begin().await?;
        match store::add_access(&mut tx, &flavor.id, project).await {
            Ok(()) => {}
            Err(error) if error.violates("compute_flavor_access", "") => {
                let id = &flavor.id;
                return Err(conflict(format!(
                    "Flavor access already exists for flavor {id} and project {project} combination."
                )));
            }
            Err(controller_db::DbError::ForeignKeyViolation) => return Err(no_flavor(flavor.id.as_str())),
            Err(error) => return Err(error.into()),
        }
        Ok(tx.commit().await?)
    }

    async fn remove_access(&self, flavor: &Flavor, project: &ProjectId) -> Result<(), Failure> {
        let mut tx = self.db.begin().await?;
        if !store::remove_access(&mut tx, &flavor.id, project).await? {
            let id = &flavor.id;
            return Err(not_found(format!("Flavor access not found for {id} / {project} combination.")));
        }
        Ok(tx.commit().await?)
    }
}
