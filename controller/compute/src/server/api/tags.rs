//! Servers' tags, since 2.26.

use super::super::model::Server;
use super::super::service::Note;
use super::super::wire::create::tags as read_tags;
use super::super::wire::schema;
use crate::failure::{bad_request, not_found};
use crate::links::Links;
use crate::{Compute, Failure};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use controller_web::{Context, Json, Routes};
use http::{StatusCode, header};
use serde_json::{Value, json};

/// Most tags of a server.
const MOST: usize = 50;

pub(super) fn routes() -> Routes<Compute> {
    const ALL: &str = "/v2.1/servers/{id}/tags";
    const ONE: &str = "/v2.1/servers/{id}/tags/{tag}";
    Routes::new()
        .get(ALL, "os_compute_api:os-server-tags:index", index)
        .put(ALL, "os_compute_api:os-server-tags:update_all", update_all)
        .delete(ALL, "os_compute_api:os-server-tags:delete_all", delete_all)
        .get(ONE, "os_compute_api:os-server-tags:show", show)
        .put(ONE, "os_compute_api:os-server-tags:update", update)
        .delete(ONE, "os_compute_api:os-server-tags:delete", delete)
}

/// Before 2.26 there are no such paths.
async fn found(compute: &Compute, context: &Context, id: &str, rule: &str) -> Result<Server, Failure> {
    if context.microversion().minor < 26 {
        return Err(not_found("The resource could not be found."));
    }
    compute.allowed(context, id, rule).await
}

fn unknown(server: &Server, tag: &str) -> Failure {
    not_found(format!("Server {} has no tag '{tag}'", server.id))
}

async fn index(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let server = found(&compute, &context, &id, "os_compute_api:os-server-tags:index").await?;
    Ok(Json(json!({"tags": server.tags})))
}

async fn show(
    State(compute): State<Compute>,
    context: Context,
    Path((id, tag)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let server = found(&compute, &context, &id, "os_compute_api:os-server-tags:show").await?;
    if server.tags.contains(&tag) { Ok(StatusCode::NO_CONTENT) } else { Err(unknown(&server, &tag)) }
}

async fn update_all(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Failure> {
    let server = found(&compute, &context, &id, "os_compute_api:os-server-tags:update_all").await?;
    schema::TAGS.check(&body, context.microversion().minor)?;
    let wanted = read_tags(body.get("tags"));
    let server = compute.set_tags(&context, &server, |_| Ok(wanted.clone())).await?;
    Ok(Json(json!({"tags": server.tags})))
}

async fn update(
    State(compute): State<Compute>,
    context: Context,
    Path((id, tag)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let server = found(&compute, &context, &id, "os_compute_api:os-server-tags:update").await?;
    schema::tag().check(&json!(tag), context.microversion().minor)?;
    if server.tags.contains(&tag) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let add = |mut tags: Vec<String>| {
        tags.push(tag.clone());
        tags.sort();
        tags.dedup();
        if tags.len() > MOST {
            return Err(bad_request(format!("The number of tags exceeded the per-server limit {MOST}")));
        }
        Ok(tags)
    };
    compute.set_tags(&context, &server, add).await?;
    let location = Links(context.url()).href("servers", &format!("{id}/tags/{tag}"));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)]).into_response())
}

async fn delete(
    State(compute): State<Compute>,
    context: Context,
    Path((id, tag)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let server = found(&compute, &context, &id, "os_compute_api:os-server-tags:delete").await?;
    let remove = |mut tags: Vec<String>| {
        let before = tags.len();
        tags.retain(|had| *had != tag);
        if tags.len() == before { Err(unknown(&server, &tag)) } else { Ok(tags) }
    };
    compute.set_tags(&context, &server, remove).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_all(
    State(compute): State<Compute>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    let server = found(&compute, &context, &id, "os_compute_api:os-server-tags:delete_all").await?;
    compute.set_tags(&context, &server, |_| Ok(Vec::new())).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Compute {
    async fn set_tags(
        &self,
        context: &Context,
        server: &Server,
        mutate: impl Fn(Vec<String>) -> Result<Vec<String>, Failure> + Send + Sync,
    ) -> Result<Server, Failure> {
        let note = Note { context, action: "update_tags", ongoing: false };
        let now = context.now();
        let set =
            |server: &Server| Ok(Server { tags: mutate(server.tags.clone())?, updated_at: now, ..server.clone() });
        self.change(server.id, note, set).await
    }
}
