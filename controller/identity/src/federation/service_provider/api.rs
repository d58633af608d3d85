//! `/v3/OS-FEDERATION/service_providers`.

use super::{ServiceProvider, store, wire};
use crate::{Identity, IdentityError, federation::body};
use axum::extract::{Path, State};
use controller_base::id::ServiceProviderId;
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    const ONE: &str = "/v3/OS-FEDERATION/service_providers/{service_provider_id}";
    Routes::new()
        .get("/v3/OS-FEDERATION/service_providers", "identity:list_service_providers", list)
        .get(ONE, "identity:get_service_provider", show)
        .put(ONE, "identity:create_service_provider", create)
        .patch(ONE, "identity:update_service_provider", update)
        .delete(ONE, "identity:delete_service_provider", delete)
}

impl Identity {
    async fn service_provider(&self, id: &str) -> Result<ServiceProvider, IdentityError> {
        let wanted = wanted(id)?;
        store::get(&mut *self.db.read().await?, &wanted).await?.ok_or_else(|| missing(id))
    }

    /// What tokens list of clouds that trust this one.
    pub(crate) async fn service_providers_in_token(&self) -> Result<Vec<Value>, IdentityError> {
        let enabled = store::enabled(&mut *self.db.read().await?).await?;
        Ok(enabled.iter().map(wire::in_token).collect())
    }

    async fn create_service_provider(&self, provider: &ServiceProvider) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        store::insert(&mut tx, provider)
            .await
            .map_err(|error| IdentityError::duplicate_name(error, "service_provider", provider.id.as_str(), None))?;
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    async fn update_service_provider(&self, id: &str, fields: wire::Fields) -> Result<ServiceProvider, IdentityError> {
        let wanted = wanted(id)?;
        let mut tx = self.db.begin().await?;
        let mut provider = store::get(&mut tx, &wanted).await?.ok_or_else(|| missing(id))?;
        fields.apply(&mut provider)?;
        store::update(&mut tx, &provider).await?;
        self.touch(&mut tx).await?;
        tx.commit().await?;
        Ok(provider)
    }
}

fn wanted(id: &str) -> Result<ServiceProviderId, IdentityError> {
    id.parse().map_err(|_| missing(id))
}

fn missing(id: &str) -> IdentityError {
    IdentityError::not_found("Service Provider", id)
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_service_providers", &Target::none())?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let found = store::list(&mut conn, &params).await.map_err(IdentityError::from)?;
    let items = found.iter().map(|provider| wire::render(provider, context.url())).collect();
    Ok(Json(crate::wire::list("service_providers", items, &context.self_link())))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:get_service_provider", &Target::none())?;
    let provider = identity.service_provider(&id).await?;
    Ok(Json(json!({"service_provider": wire::render(&provider, context.url())})))
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(given): Json<Value>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_service_provider", &Target::none())?;
    let fields: wire::Fields = body::read(given, "service_provider")?;
    let provider = fields.into_provider(body::new_id(&id)?)?;
    identity.create_service_provider(&provider).await?;
    Ok((StatusCode::CREATED, Json(json!({"service_provider": wire::render(&provider, context.url())}))))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(given): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:update_service_provider", &Target::none())?;
    let provider = identity.update_service_provider(&id, body::read_change(given, "service_provider")?).await?;
    Ok(Json(json!({"service_provider": wire::render(&provider, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    context.enforce("identity:delete_service_provider", &Target::none())?;
    let mut tx = identity.db.begin().await.map_err(IdentityError::from)?;
    if !store::delete(&mut tx, &wanted(&id)?).await.map_err(IdentityError::from)? {
        return Err(missing(&id).into());
    }
    // Tokens list providers.
    identity.touch(&mut tx).await.map_err(IdentityError::from)?;
    tx.commit().await.map_err(IdentityError::from)?;
    Ok(StatusCode::NO_CONTENT)
}
