//! `/v3/OS-FEDERATION/identity_providers/{id}/protocols`.

use super::{Protocol, store, wire};
use crate::{
    Identity, IdentityError,
    federation::{body, mapping},
};
use axum::extract::{Path, State};
use controller_base::id::{FederationProtocolId, IdentityProviderId, MappingId};
use controller_db::Connection;
use controller_web::{ApiError, Context, Json, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    const ONE: &str = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}";
    Routes::new()
        .get("/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols", "identity:list_protocols", list)
        .get(ONE, "identity:get_protocol", show)
        .put(ONE, "identity:create_protocol", create)
        .patch(ONE, "identity:update_protocol", update)
        .delete(ONE, "identity:delete_protocol", delete)
}

impl Identity {
    /// A protocol of a provider.
    pub(crate) async fn federation_protocol(&self, provider: &str, id: &str) -> Result<Protocol, IdentityError> {
        let (provider, id) = ids(provider, id)?;
        let found = store::get(&mut *self.db.read().await?, &provider, &id).await?;
        found.ok_or_else(|| missing(provider.as_str(), id.as_str()))
    }

    async fn create_protocol(&self, protocol: &Protocol) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        if crate::federation::identity_provider::store::get(&mut tx, &protocol.provider_id).await?.is_none() {
            return Err(IdentityError::not_found("Identity Provider", &protocol.provider_id));
        }
        mapping_exists(&mut tx, &protocol.mapping_id).await?;
        store::insert(&mut tx, protocol)
            .await
            .map_err(|error| IdentityError::duplicate_name(error, "federation_protocol", protocol.id.as_str(), None))?;
        Ok(tx.commit().await?)
    }

    async fn update_protocol(&self, provider: &str, id: &str, fields: wire::Fields) -> Result<Protocol, IdentityError> {
        let (provider, id) = ids(provider, id)?;
        let mut tx = self.db.begin().await?;
        let found = store::get(&mut tx, &provider, &id).await?;
        let mut protocol = found.ok_or_else(|| missing(provider.as_str(), id.as_str()))?;
        fields.apply(&mut protocol)?;
        mapping_exists(&mut tx, &protocol.mapping_id).await?;
        store::update(&mut tx, &protocol).await?;
        tx.commit().await?;
        Ok(protocol)
    }
}

fn ids(provider: &str, id: &str) -> Result<(IdentityProviderId, FederationProtocolId), IdentityError> {
    match (provider.parse(), id.parse()) {
        (Ok(provider), Ok(id)) => Ok((provider, id)),
        _ => Err(missing(provider, id)),
    }
}

fn missing(provider: &str, id: &str) -> IdentityError {
    IdentityError::not_found("federated protocol", format!("{id} for Identity Provider: {provider}"))
}

async fn mapping_exists(conn: &mut Connection, id: &MappingId) -> Result<(), IdentityError> {
    mapping::store::get(conn, id).await?.map(drop).ok_or_else(|| wire::unknown_mapping(id))
}

async fn list(
    State(identity): State<Identity>,
    context: Context,
    Path(provider): Path<String>,
) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_protocols", &Target::none())?;
    let provider = identity.identity_provider(&provider).await?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let found = store::list(&mut conn, &provider.id).await.map_err(IdentityError::from)?;
    let items = found.iter().map(|protocol| wire::render(protocol, context.url())).collect();
    Ok(Json(crate::wire::list("protocols", items, &context.self_link())))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path((provider, id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:get_protocol", &Target::none())?;
    let protocol = identity.federation_protocol(&provider, &id).await?;
    Ok(Json(json!({"protocol": wire::render(&protocol, context.url())})))
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Path((provider, id)): Path<(String, String)>,
    Json(given): Json<Value>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_protocol", &Target::none())?;
    let fields: wire::Fields = body::read(given, "protocol")?;
    let provider = identity.identity_provider(&provider).await?;
    let protocol = fields.into_protocol(provider.id, body::new_id(&id)?)?;
    identity.create_protocol(&protocol).await?;
    Ok((StatusCode::CREATED, Json(json!({"protocol": wire::render(&protocol, context.url())}))))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path((provider, id)): Path<(String, String)>,
    Json(given): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:update_protocol", &Target::none())?;
    let protocol = identity.update_protocol(&provider, &id, body::read_change(given, "protocol")?).await?;
    Ok(Json(json!({"protocol": wire::render(&protocol, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path((provider, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    context.enforce("identity:delete_protocol", &Target::none())?;
    let (provider, id) = ids(&provider, &id)?;
    let mut tx = identity.db.begin().await.map_err(IdentityError::from)?;
    if !store::delete(&mut tx, &provider, &id).await.map_err(IdentityError::from)? {
        return Err(missing(provider.as_str(), id.as_str()).into());
    }
    identity.touch(&mut tx).await.map_err(IdentityError::from)?;
    tx.commit().await.map_err(IdentityError::from)?;
    Ok(StatusCode::NO_CONTENT)
}
