//! `/v3/OS-OAUTH1/consumers`.

use super::Consumer;
use crate::{
    Identity, listing,
    policy::visible,
    wire::{Attributes, with_link},
};
use axum::extract::{Path, State};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use controller_base::{Secret, id::UserId};
use controller_web::{ApiError, BaseUrl, Context, Json, Params, Routes, Target, body::maybe_null};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
struct Body {
    consumer: Fields,
}

/// Of a new consumer or a change.
#[derive(Debug, Deserialize)]
struct Fields {
    id: Option<String>,
    secret: Option<Value>,
    #[serde(default, deserialize_with = "maybe_null")]
    description: Option<Option<String>>,
    #[serde(flatten)]
    extra: Attributes,
}

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/OS-OAUTH1/consumers", "identity:list_consumers", list)
        .post("/v3/OS-OAUTH1/consumers", "identity:create_consumer", create)
        .get("/v3/OS-OAUTH1/consumers/{consumer_id}", "identity:get_consumer", show)
        .patch("/v3/OS-OAUTH1/consumers/{consumer_id}", "identity:update_consumer", update)
        .delete("/v3/OS-OAUTH1/consumers/{consumer_id}", "identity:delete_consumer", delete)
}

fn render(consumer: &Consumer, url: &BaseUrl) -> Value {
    let body = json!({"id": consumer.id, "description": consumer.description});
    with_link(body, &consumer.extra, url, "OS-OAUTH1/consumers", &consumer.id)
}

async fn find(identity: &Identity, context: &Context, id: &str, rule: &str) -> Result<Consumer, ApiError> {
    visible(identity.consumer(id).await, context, rule, |_| Target::none())
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    context.enforce("identity:list_consumers", &Target::none())?;
    let all = identity.consumers().await?;
    let query = listing::Query { params: &params, context: &context, most: identity.list_limit };
    listing::answer("consumers", &all, query, |one| one.id.as_str(), render)
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<Body>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_consumer", &Target::none())?;
    let consumer = Consumer {
        id: UserId::random().to_string(),
        secret: Secret::new(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())),
        description: body.consumer.description.flatten(),
        extra: body.consumer.extra,
        generation: 1,
    };
    identity.put_consumer(&consumer, true).await?;
    let mut shown = render(&consumer, context.url());
    shown["secret"] = consumer.secret.reveal().into();
    Ok((StatusCode::CREATED, Json(json!({"consumer": shown}))))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let consumer = find(&identity, &context, &id, "identity:get_consumer").await?;
    Ok(Json(json!({"consumer": render(&consumer, context.url())})))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<Body>,
) -> Result<Json<Value>, ApiError> {
    let mut consumer = find(&identity, &context, &id, "identity:update_consumer").await?;
    let fields = body.consumer;
    if fields.id.is_some_and(|id| id != consumer.id) {
        return Err(ApiError::bad_request("Cannot change consumer ID"));
    }
    if fields.secret.is_some() {
        return Err(ApiError::bad_request("Cannot change consumer secret"));
    }
    consumer.description = fields.description.unwrap_or(consumer.description);
    crate::wire::merge(&mut consumer.extra, fields.extra);
    identity.put_consumer(&consumer, false).await?;
    Ok(Json(json!({"consumer": render(&consumer, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let consumer = find(&identity, &context, &id, "identity:delete_consumer").await?;
    identity.delete_consumer(&consumer.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
