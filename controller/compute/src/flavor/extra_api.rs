//! Flavors' extra specs.

use super::model::Flavor;
use super::{store, wire};
use crate::failure::{bad_request, not_found};
use crate::server::{demand, restart};
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use controller_web::{Context, Json, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(super) fn routes() -> Routes<Compute> {
    const ALL: &str = "/v2.1/flavors/{id}/os-extra_specs";
    const ONE: &str = "/v2.1/flavors/{id}/os-extra_specs/{key}";
    Routes::new()
        .get(ALL, "os_compute_api:os-flavor-extra-specs:index", index)
        .post(ALL, "os_compute_api:os-flavor-extra-specs:create", create)
        .get(ONE, "os_compute_api:os-flavor-extra-specs:show", show)
        .put(ONE, "os_compute_api:os-flavor-extra-specs:update", update)
        .delete(ONE, "os_compute_api:os-flavor-extra-specs:delete", delete)
}

async fn allowed(compute: &Compute, context: &Context, id: &str, rule: &str) -> Result<Flavor, Failure> {
    let target = context.token().project().map_or_else(Target::none, |project| Target::project(&project.id));
    context.enforce(rule, &target)?;
    compute.visible_flavor(context, id).await
}

fn unknown(flavor: &Flavor, key: &str) -> Failure {
    not_found(format!("Flavor {} has no extra specs with key {key}.", flavor.id))
}

async fn index(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let flavor = allowed(&compute, &context, &id, "os_compute_api:os-flavor-extra-specs:index").await?;
    Ok(Json(json!({"extra_specs": flavor.extra_specs})))
}

async fn show(
    State(compute): State<Compute>,
    context: Context,
    Path((id, key)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let flavor = allowed(&compute, &context, &id, "os_compute_api:os-flavor-extra-specs:show").await?;
    let value = flavor.extra_specs.get(&key).ok_or_else(|| unknown(&flavor, &key))?;
    Ok(Json(json!({key: value})))
}

async fn create(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let mut flavor = allowed(&compute, &context, &id, "os_compute_api:os-flavor-extra-specs:create").await?;
    wire::EXTRA_SPECS.check(&body, context.microversion().minor)?;
    let specs = wire::read_specs(&body["extra_specs"]);
    restart::check(&specs).map_err(|unknown| bad_request(unknown.to_string()))?;
    demand::check(&specs).map_err(|unknown| bad_request(unknown.to_string()))?;
    flavor.extra_specs.extend(specs.clone());
    compute.save_flavor(&flavor).await?;
    Ok(Json(json!({"extra_specs": specs})))
}

async fn update(
    State(compute): State<Compute>,
    context: Context,
    Path((id, key)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let mut flavor = allowed(&compute, &context, &id, "os_compute_api:os-flavor-extra-specs:update").await?;
    wire::EXTRA_SPEC.check(&body, context.microversion().minor)?;
    let specs = wire::read_specs(&body);
    restart::check(&specs).map_err(|unknown| bad_request(unknown.to_string()))?;
    demand::check(&specs).map_err(|unknown| bad_request(unknown.to_string()))?;
    let value = specs.get(&key).cloned();
    let value = value.ok_or_else(|| bad_request("Request body and URI mismatch"))?;
    flavor.extra_specs.insert(key, value);
    compute.save_flavor(&flavor).await?;
    Ok(Json(json!(specs)))
}

async fn delete(
    State(compute): State<Compute>,
    context: Context,
    Path((id, key)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let mut flavor = allowed(&compute, &context, &id, "os_compute_api:os-flavor-extra-specs:delete").await?;
    if flavor.extra_specs.remove(&key).is_none() {
        return Err(unknown(&flavor, &key));
    }
    compute.save_flavor(&flavor).await?;
    Ok(StatusCode::OK)
}

impl Compute {
    async fn save_flavor(&self, flavor: &Flavor) -> Result<(), Failure> {
        let mut tx = self.db.begin().await?;
        store::update(&mut tx, flavor).await?;
        Ok(tx.commit().await?)
    }
}
