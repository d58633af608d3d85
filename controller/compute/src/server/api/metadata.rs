//! Servers' metadata.

use super::super::change;
use super::super::model::Server;
use super::super::service::Note;
use super::super::wire::create::string_map;
use super::super::wire::schema;
use crate::failure::{bad_request, forbidden, not_found};
use crate::{Compute, Failure, quota};
use axum::extract::{Path, State};
use controller_web::{Context, Json, Routes};
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Metadata = BTreeMap<String, String>;

pub(super) fn routes() -> Routes<Compute> {
    const ALL: &str = "/v2.1/servers/{id}/metadata";
    const ONE: &str = "/v2.1/servers/{id}/metadata/{key}";
    Routes::new()
        .get(ALL, "os_compute_api:server-metadata:index", index)
        .post(ALL, "os_compute_api:server-metadata:create", create)
        .put(ALL, "os_compute_api:server-metadata:update_all", update_all)
        .get(ONE, "os_compute_api:server-metadata:show", show)
        .put(ONE, "os_compute_api:server-metadata:update", update)
        .delete(ONE, "os_compute_api:server-metadata:delete", delete)
}

async fn index(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:server-metadata:index").await?;
    Ok(Json(json!({"metadata": server.metadata})))
}

async fn show(
    State(compute): State<Compute>,
    context: Context,
    Path((id, key)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:server-metadata:show").await?;
    let value = server.metadata.get(&key).ok_or_else(|| not_found("Metadata item was not found"))?;
    Ok(Json(json!({"meta": {key: value}})))
}

async fn create(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:server-metadata:create").await?;
    schema::METADATA.check(&body, context.microversion().minor)?;
    let more = string_map(body.get("metadata"));
    let extend = |mut metadata: Metadata| {
        metadata.extend(more.clone());
        Ok(metadata)
    };
    let metadata = compute.set_metadata(&context, &server, extend).await?;
    Ok(Json(json!({"metadata": metadata})))
}

async fn update_all(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:server-metadata:update_all").await?;
    schema::METADATA.check(&body, context.microversion().minor)?;
    let wanted = string_map(body.get("metadata"));
    let metadata = compute.set_metadata(&context, &server, |_| Ok(wanted.clone())).await?;
    Ok(Json(json!({"metadata": metadata})))
}

async fn update(
    State(compute): State<Compute>,
    context: Context,
    Path((id, key)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:server-metadata:update").await?;
    schema::METADATA_ITEM.check(&body, context.microversion().minor)?;
    let item = string_map(body.get("meta"));
    let value = item.get(&key).cloned();
    let value = value.ok_or_else(|| bad_request("Request body and URI mismatch"))?;
    let set = |mut metadata: Metadata| {
        metadata.insert(key.clone(), value.clone());
        Ok(metadata)
    };
    compute.set_metadata(&context, &server, set).await?;
    Ok(Json(json!({"meta": item})))
}

async fn delete(
    State(compute): State<Compute>,
    context: Context,
    Path((id, key)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let server = compute.allowed(&context, &id, "os_compute_api:server-metadata:delete").await?;
    let remove = |mut metadata: Metadata| match metadata.remove(&key) {
        Some(_) => Ok(metadata),
        None => Err(not_found("Metadata item was not found")),
    };
    compute.set_metadata(&context, &server, remove).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Compute {
    async fn set_metadata(
        &self,
        context: &Context,
        server: &Server,
        mutate: impl Fn(Metadata) -> Result<Metadata, Failure> + Send + Sync,
    ) -> Result<Metadata, Failure> {
        let mut connection = self.db.read().await?;
        let limits = quota::store::limits(&mut connection, &server.project_id, &self.config.quota).await?;
        drop(connection);
        let now = context.now();
        let note = Note { context, action: "update_metadata", ongoing: false };
        let set = |server: &Server| {
            let metadata = mutate(server.metadata.clone())?;
            let items = i64::try_from(metadata.len()).unwrap_or(i64::MAX);
            if limits.metadata_items >= 0 && items > limits.metadata_items {
                let limit = limits.metadata_items;
                return Err(forbidden(format!("Maximum number of metadata items exceeds {limit}")));
            }
            let next = Server { metadata, ..server.clone() };
            Ok(change::retold(next, now))
        };
        Ok(self.change(server.id, note, set).await?.metadata)
    }
}
