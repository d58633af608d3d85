//! `/v3/projects/{id}/tags`.

use super::target;
use crate::{
    Identity,
    policy::visible,
    project::{Project, service::ProjectChange, wire},
};
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use controller_web::{ApiError, Context, Json, Routes};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
struct Tags {
    tags: Vec<String>,
}

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/projects/{project_id}/tags", "identity:list_project_tags", list)
        .put("/v3/projects/{project_id}/tags", "identity:update_project_tags", replace)
        .delete("/v3/projects/{project_id}/tags", "identity:delete_project_tags", clear)
        .get("/v3/projects/{project_id}/tags/{tag}", "identity:get_project_tag", check)
        .put("/v3/projects/{project_id}/tags/{tag}", "identity:create_project_tag", add)
        .delete("/v3/projects/{project_id}/tags/{tag}", "identity:delete_project_tag", remove)
}

async fn find(identity: &Identity, context: &Context, id: &str, rule: &str) -> Result<Project, ApiError> {
    visible(identity.project(id).await, context, rule, target)
}

async fn store(identity: &Identity, project: &Project, tags: Vec<String>) -> Result<Project, ApiError> {
    let change = ProjectChange { tags: Some(wire::tags(tags)?), ..ProjectChange::default() };
    Ok(identity.update_project(&project.id, change, false).await?)
}

fn render(project: &Project, context: &Context) -> Json<Value> {
    Json(json!({"tags": project.tags, "links": {"self": context.self_link(), "next": null, "previous": null}}))
}

async fn list(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let project = find(&identity, &context, &id, "identity:list_project_tags").await?;
    Ok(render(&project, &context))
}

async fn replace(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<Tags>,
) -> Result<Json<Value>, ApiError> {
    let project = find(&identity, &context, &id, "identity:update_project_tags").await?;
    Ok(render(&store(&identity, &project, body.tags).await?, &context))
}

async fn clear(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let project = find(&identity, &context, &id, "identity:delete_project_tags").await?;
    store(&identity, &project, Vec::new()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn check(
    State(identity): State<Identity>,
    context: Context,
    Path((id, tag)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let project = find(&identity, &context, &id, "identity:get_project_tag").await?;
    if project.tags.contains(&tag) { Ok(StatusCode::NO_CONTENT) } else { Err(missing(&tag)) }
}

async fn add(
    State(identity): State<Identity>,
    context: Context,
    Path((id, tag)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let project = find(&identity, &context, &id, "identity:create_project_tag").await?;
    let mut tags = project.tags.clone();
    if !tags.contains(&tag) {
        tags.push(tag);
    }
    store(&identity, &project, tags).await?;
    let mut response = StatusCode::CREATED.into_response();
    if let Ok(link) = HeaderValue::from_str(&context.self_link()) {
        response.headers_mut().insert(header::LOCATION, link);
    }
    Ok(response)
}

async fn remove(
    State(identity): State<Identity>,
    context: Context,
    Path((id, tag)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let project = find(&identity, &context, &id, "identity:delete_project_tag").await?;
    if !project.tags.contains(&tag) {
        return Err(missing(&tag));
    }
    let tags = project.tags.iter().filter(|present| **present != tag).cloned().collect();
    store(&identity, &project, tags).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn missing(tag: &str) -> ApiError {
    ApiError::not_found(format!("Could not find project tag: {tag}."))
}
