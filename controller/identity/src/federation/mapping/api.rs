//! `/v3/OS-FEDERATION/mappings`.

use super::{Mapping, store, wire};
use crate::{Identity, IdentityError, federation::body};
use axum::extract::{Path, State};
use controller_base::id::MappingId;
use controller_web::{ApiError, Context, Json, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    const ONE: &str = "/v3/OS-FEDERATION/mappings/{mapping_id}";
    Routes::new()
        .get("/v3/OS-FEDERATION/mappings", "identity:list_mappings", list)
        .get(ONE, "identity:get_mapping", show)
        .put(ONE, "identity:create_mapping", create)
        .patch(ONE, "identity:update_mapping", update)
        .delete(ONE, "identity:delete_mapping", delete)
}

impl Identity {
    async fn mapping(&self, id: &str) -> Result<Mapping, IdentityError> {
        let wanted = wanted(id)?;
        store::get(&mut *self.db.read().await?, &wanted).await?.ok_or_else(|| missing(id))
    }

    async fn create_mapping(&self, mapping: &Mapping) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        store::insert(&mut tx, mapping)
            .await
            .map_err(|error| IdentityError::duplicate_name(error, "mapping", mapping.id.as_str(), None))?;
        Ok(tx.commit().await?)
    }

    async fn update_mapping(&self, id: &str, body: &Value) -> Result<Mapping, IdentityError> {
        let wanted = wanted(id)?;
        let mut tx = self.db.begin().await?;
        let stored = store::get(&mut tx, &wanted).await?.ok_or_else(|| missing(id))?;
        let mapping = Mapping { generation: stored.generation, ..wire::read(wanted, body)? };
        store::update(&mut tx, &mapping).await?;
        tx.commit().await?;
        Ok(mapping)
    }
}

fn wanted(id: &str) -> Result<MappingId, IdentityError> {
    id.parse().map_err(|_| missing(id))
}

fn missing(id: &str) -> IdentityError {
    IdentityError::not_found("mapping", id)
}

async fn list(State(identity): State<Identity>, context: Context) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_mappings", &Target::none())?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let found = store::list(&mut conn).await.map_err(IdentityError::from)?;
    let items = found.iter().map(|mapping| wire::render(mapping, context.url())).collect();
    Ok(Json(crate::wire::list("mappings", items, &context.self_link())))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:get_mapping", &Target::none())?;
    let mapping = identity.mapping(&id).await?;
    Ok(Json(json!({"mapping": wire::render(&mapping, context.url())})))
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(given): Json<Value>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_mapping", &Target::none())?;
    let mapping = wire::read(body::new_id(&id)?, &given)?;
    identity.create_mapping(&mapping).await?;
    Ok((StatusCode::CREATED, Json(json!({"mapping": wire::render(&mapping, context.url())}))))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(given): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:update_mapping", &Target::none())?;
    let mapping = identity.update_mapping(&id, &given).await?;
    Ok(Json(json!({"mapping": wire::render(&mapping, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    context.enforce("identity:delete_mapping", &Target::none())?;
    let mut tx = identity.db.begin().await.map_err(IdentityError::from)?;
    if !store::delete(&mut tx, &wanted(&id)?).await.map_err(IdentityError::from)? {
        return Err(missing(&id).into());
    }
    tx.commit().await.map_err(IdentityError::from)?;
    Ok(StatusCode::NO_CONTENT)
}
