//! Single sign-on of dashboards: a browser comes, is sent to its provider, and goes back to the dashboard with a token.

use super::{
    auth_api::known,
    websso::{self, Traveller},
};
use crate::{Identity, IdentityError};
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use controller_web::{Access, ApiError, BaseUrl, MaybeContext, Params, Routes};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::collections::HashMap;

const CALLBACK: &str = "/v3/OS-FEDERATION/oidc/callback";

pub(crate) fn routes() -> Routes<Identity> {
    const ANY: &str = "/v3/auth/OS-FEDERATION/websso/{protocol_id}";
    const ONE: &str = "/v3/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso";
    Routes::new()
        .get(ANY, Access::Public, by_protocol)
        .post(ANY, Access::Public, by_protocol)
        .get(ONE, Access::Public, by_provider)
        .post(ONE, Access::Public, by_provider)
        .get(CALLBACK, Access::Public, callback)
}

/// The only provider with this protocol; where there are several, the dashboard must say which.
async fn by_protocol(
    State(identity): State<Identity>,
    context: MaybeContext,
    params: Params,
    Path(protocol): Path<String>,
) -> Result<Response, ApiError> {
    let id = protocol.parse().map_err(|_| IdentityError::not_found("federated protocol", &protocol))?;
    let providers = identity.federation.protocols.providers(&id);
    let [provider] = providers.as_slice() else {
        return Err(IdentityError::Unauthorized("not exactly one identity provider has this protocol").into());
    };
    begin(&identity, context.url(), (provider.as_str(), &protocol), params.get("origin")).await
}

async fn by_provider(
    State(identity): State<Identity>,
    context: MaybeContext,
    params: Params,
    Path((provider, protocol)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    begin(&identity, context.url(), (&provider, &protocol), params.get("origin")).await
}

async fn begin(
    identity: &Identity,
    url: &BaseUrl,
    (provider, protocol): (&str, &str),
    origin: Option<&str>,
) -> Result<Response, ApiError> {
    let missing = || IdentityError::invalid("Request must have an origin query parameter");
    let origin = origin.ok_or_else(missing)?;
    if !identity.federation.trusts(origin) {
        tracing::info!(origin, "not a trusted dashboard");
        return Err(IdentityError::Unauthorized("the origin is not a trusted dashboard").into());
    }
    let (_, checker) = known(identity, provider, protocol).await?;
    let state = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let journey = checker.send_off(&url.join(CALLBACK), &state).await.map_err(IdentityError::from)?;
    let mut traveller = Traveller::new(&state, identity.clock.now(), (provider, protocol), origin);
    traveller.memory = journey.memory;
    let sealed = identity.seal_traveller(&traveller).ok_or_else(|| ApiError::internal("cannot seal a login"))?;
    let headers =
        [(header::LOCATION, journey.location), (header::SET_COOKIE, set_cookie(url, &sealed, websso::PATIENCE))];
    Ok((StatusCode::FOUND, no_store(&headers)?).into_response())
}

async fn callback(
    State(identity): State<Identity>,
    context: MaybeContext,
    Query(answer): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let unknown = || IdentityError::Unauthorized("nobody was sent off with this state");
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookie = cookies.filter_map(websso::cookie).next().ok_or_else(unknown)?;
    let state = answer.get("state").ok_or_else(unknown)?;
    let traveller = identity.open_traveller(cookie, state).ok_or_else(unknown)?;
    let (trusted, checker) = known(&identity, &traveller.provider, &traveller.protocol).await?;
    let back = context.url().join(CALLBACK);
    let assertion = checker.by_answer(&answer, &back, &traveller.memory, context.now()).await;
    let (token, _) = identity.federated_login(&trusted, &assertion.map_err(IdentityError::from)?).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::SET_COOKIE, set_cookie(context.url(), "", 0)),
        (header::X_FRAME_OPTIONS, "DENY".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    Ok((StatusCode::OK, no_store(&headers)?, websso::page(&traveller.origin, &token)).into_response())
}

/// Only the callback gets it, only from a navigation, and never a script.
fn set_cookie(url: &BaseUrl, value: &str, seconds: i64) -> String {
    let secure = if url.as_str().starts_with("https:") { "; Secure" } else { "" };
    format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", websso::COOKIE)
}

fn no_store(headers: &[(HeaderName, String)]) -> Result<HeaderMap, ApiError> {
    let mut map = HeaderMap::new();
    map.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in headers {
        map.insert(name.clone(), HeaderValue::from_str(value).map_err(ApiError::internal)?);
    }
    Ok(map)
}
