//! `/v3/OS-FEDERATION/identity_providers/{id}/protocols/{id}/auth`: a token for what a client brings from its provider.

use crate::{Identity, IdentityError, federation::assertion::FederationProtocol, token};
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use controller_web::{Access, ApiError, Json, MaybeContext, Routes};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::sync::Arc;

use super::{identity_provider::IdentityProvider, protocol::Protocol};

pub(crate) fn routes() -> Routes<Identity> {
    const AUTH: &str = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth";
    Routes::new().get(AUTH, Access::Public, auth).post(AUTH, Access::Public, auth)
}

/// An enabled provider, its protocol, and what checks its proofs.
pub(super) async fn known(
    identity: &Identity,
    provider: &str,
    protocol: &str,
) -> Result<((IdentityProvider, Protocol), Arc<dyn FederationProtocol>), IdentityError> {
    let trusted = identity.trusted(provider, protocol).await?;
    let checker = identity.federation.protocols.get(&trusted.0.id, &trusted.1.id);
    let checker = checker.ok_or(IdentityError::Unauthorized("the protocol is not configured on this controller"))?;
    Ok((trusted, checker))
}

async fn auth(
    State(identity): State<Identity>,
    context: MaybeContext,
    Path((provider, protocol)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (trusted, checker) = known(&identity, &provider, &protocol).await?;
    let proof = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let assertion = checker.by_header(proof, context.now()).await.map_err(IdentityError::from)?;
    let (text, info) = identity.federated_login(&trusted, &assertion).await?;
    let mut response = (StatusCode::CREATED, Json(token::wire::render(&info, None))).into_response();
    let value = HeaderValue::from_str(&text).map_err(ApiError::internal)?;
    response.headers_mut().insert("x-subject-token", value);
    Ok(response)
}
