//! `/v3/OS-EP-FILTER`.

use super::{
    EndpointGroup,
    store::Given,
    wire::{self, Body},
};
use crate::{Identity, IdentityError, catalog, listing, policy::visible, project};
use axum::extract::{Path, State};
use controller_base::id::ProjectId;
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

const GROUPS: &str = "/v3/OS-EP-FILTER/endpoint_groups";
const GROUP: &str = "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}";
const ENDPOINT_IN: &str = "/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}";
const GROUP_IN: &str = "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}";

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects", "identity:list_projects_for_endpoint", projects_of)
        .get("/v3/OS-EP-FILTER/projects/{project_id}/endpoints", "identity:list_endpoints_for_project", endpoints_of)
        .get(
            "/v3/OS-EP-FILTER/projects/{project_id}/endpoint_groups",
            "identity:list_endpoint_groups_for_project",
            groups_of,
        )
        .put(ENDPOINT_IN, "identity:add_endpoint_to_project", add_endpoint)
        .get(ENDPOINT_IN, "identity:check_endpoint_in_project", check_endpoint)
        .delete(ENDPOINT_IN, "identity:remove_endpoint_from_project", remove_endpoint)
        .get(GROUPS, "identity:list_endpoint_groups", list)
        .post(GROUPS, "identity:create_endpoint_group", create)
        .get(GROUP, "identity:get_endpoint_group", show)
        .patch(GROUP, "identity:update_endpoint_group", update)
        .delete(GROUP, "identity:delete_endpoint_group", delete)
        .get(
            "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects",
            "identity:list_projects_associated_with_endpoint_group",
            projects_of_group,
        )
        .get(
            "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints",
            "identity:list_endpoints_associated_with_endpoint_group",
            endpoints_of_group,
        )
        .put(GROUP_IN, "identity:add_endpoint_group_to_project", add_group)
        .get(GROUP_IN, "identity:get_endpoint_group_in_project", check_group)
        .delete(GROUP_IN, "identity:remove_endpoint_group_from_project", remove_group)
}

type Answer = Result<Json<Value>, ApiError>;

async fn group(identity: &Identity, context: &Context, id: &str, rule: &str) -> Result<EndpointGroup, ApiError> {
    visible(identity.endpoint_group(id).await, context, rule, |_| Target::none())
}

async fn project(identity: &Identity, context: &Context, id: &str, rule: &str) -> Result<ProjectId, ApiError> {
    Ok(visible(identity.project(id).await, context, rule, |_| Target::none())?.id)
}

async fn projects_of(
    State(identity): State<Identity>,
    context: Context,
    params: Params,
    Path(id): Path<String>,
) -> Answer {
    let rule = "identity:list_projects_for_endpoint";
    let endpoint = visible(identity.endpoint(&id).await, &context, rule, |_| Target::none())?;
    let projects = identity.projects_given(Given::Endpoint, endpoint.id.as_str()).await?;
    show_projects(&identity, &context, &params, &projects)
}

fn show_projects(identity: &Identity, context: &Context, params: &Params, projects: &[project::Project]) -> Answer {
    let query = listing::Query { params, context, most: identity.list_limit };
    listing::answer("projects", projects, query, |one| one.id.as_str(), project::wire::render)
}

fn show_endpoints(identity: &Identity, context: &Context, params: &Params, endpoints: &[catalog::Endpoint]) -> Answer {
    let query = listing::Query { params, context, most: identity.list_limit };
    listing::answer("endpoints", endpoints, query, |one| one.id.as_str(), catalog::render_endpoint)
}

fn show_groups(identity: &Identity, context: &Context, params: &Params, groups: &[EndpointGroup]) -> Answer {
    let query = listing::Query { params, context, most: identity.list_limit };
    listing::answer("endpoint_groups", groups, query, |one| one.id.as_str(), wire::render)
}

async fn endpoints_of(
    State(identity): State<Identity>,
    context: Context,
    params: Params,
    Path(id): Path<String>,
) -> Answer {
    let project = project(&identity, &context, &id, "identity:list_endpoints_for_project").await?;
    show_endpoints(&identity, &context, &params, &identity.endpoints_given(&project).await?)
}

async fn groups_of(
    State(identity): State<Identity>,
    context: Context,
    params: Params,
    Path(id): Path<String>,
) -> Answer {
    let project = project(&identity, &context, &id, "identity:list_endpoint_groups_for_project").await?;
    show_groups(&identity, &context, &params, &identity.endpoint_groups_of(&project).await?)
}

/// The project and the endpoint of a path.
async fn endpoint_in(
    identity: &Identity,
    context: &Context,
    (project_id, endpoint_id): &(String, String),
    rule: &str,
) -> Result<(ProjectId, String), ApiError> {
    let project = project(identity, context, project_id, rule).await?;
    let endpoint = identity.endpoint(endpoint_id).await?;
    Ok((project, endpoint.id.to_string()))
}

async fn add_endpoint(
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (project, endpoint) = endpoint_in(&identity, &context, &ids, "identity:add_endpoint_to_project").await?;
    identity.set_given(Given::Endpoint, &endpoint, &project, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn check_endpoint(
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (project, endpoint) = endpoint_in(&identity, &context, &ids, "identity:check_endpoint_in_project").await?;
    given(&identity, Given::Endpoint, &endpoint, &project).await
}

async fn given(identity: &Identity, what: Given, id: &str, project: &ProjectId) -> Result<StatusCode, ApiError> {
    let projects = identity.projects_given(what, id).await?;
    let found = projects.iter().any(|one| one.id == *project);
    if found { Ok(StatusCode::NO_CONTENT) } else { Err(not_given(id, project)) }
}

fn not_given(id: &str, project: &ProjectId) -> ApiError {
    IdentityError::Missing(format!("Endpoint {id} not found in project {project}.")).into()
}

async fn remove_endpoint(
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (project, endpoint) = endpoint_in(&identity, &context, &ids, "identity:remove_endpoint_from_project").await?;
    let was = identity.set_given(Given::Endpoint, &endpoint, &project, false).await?;
    if was { Ok(StatusCode::NO_CONTENT) } else { Err(not_given(&endpoint, &project)) }
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Answer {
    context.enforce("identity:list_endpoint_groups", &Target::none())?;
    show_groups(&identity, &context, &params, &identity.endpoint_groups(&params).await?)
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<Body>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    context.enforce("identity:create_endpoint_group", &Target::none())?;
    let group = body.endpoint_group.into_group()?;
    identity.put_endpoint_group(&group, true).await?;
    Ok((StatusCode::CREATED, Json(json!({"endpoint_group": wire::render(&group, context.url())}))))
}

async fn show(State(identity): State<Identity>, context: Context, Path(id): Path<String>) -> Answer {
    let group = group(&identity, &context, &id, "identity:get_endpoint_group").await?;
    Ok(Json(json!({"endpoint_group": wire::render(&group, context.url())})))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<Body>,
) -> Answer {
    let group = group(&identity, &context, &id, "identity:update_endpoint_group").await?;
    let group = body.endpoint_group.change(group)?;
    identity.put_endpoint_group(&group, false).await?;
    Ok(Json(json!({"endpoint_group": wire::render(&group, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let group = group(&identity, &context, &id, "identity:delete_endpoint_group").await?;
    identity.delete_endpoint_group(&group.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn projects_of_group(
    State(identity): State<Identity>,
    context: Context,
    params: Params,
    Path(id): Path<String>,
) -> Answer {
    let rule = "identity:list_projects_associated_with_endpoint_group";
    let group = group(&identity, &context, &id, rule).await?;
    show_projects(&identity, &context, &params, &identity.projects_given(Given::Group, &group.id).await?)
}

async fn endpoints_of_group(
    State(identity): State<Identity>,
    context: Context,
    params: Params,
    Path(id): Path<String>,
) -> Answer {
    let rule = "identity:list_endpoints_associated_with_endpoint_group";
    let group = group(&identity, &context, &id, rule).await?;
    show_endpoints(&identity, &context, &params, &identity.endpoints_in(&group).await?)
}

/// The group and the project of a path.
async fn group_in(
    identity: &Identity,
    context: &Context,
    (group_id, project_id): &(String, String),
    rule: &str,
) -> Result<(String, ProjectId), ApiError> {
    let group = group(identity, context, group_id, rule).await?;
    Ok((group.id, identity.project(project_id).await?.id))
}

async fn add_group(
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (group, project) = group_in(&identity, &context, &ids, "identity:add_endpoint_group_to_project").await?;
    identity.set_given(Given::Group, &group, &project, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn check_group(State(identity): State<Identity>, context: Context, Path(ids): Path<(String, String)>) -> Answer {
    let (id, project) = group_in(&identity, &context, &ids, "identity:get_endpoint_group_in_project").await?;
    given(&identity, Given::Group, &id, &project).await?;
    let group = identity.endpoint_group(&id).await?;
    Ok(Json(json!({"endpoint_group": wire::render(&group, context.url())})))
}

async fn remove_group(
    State(identity): State<Identity>,
    context: Context,
    Path(ids): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (group, project) = group_in(&identity, &context, &ids, "identity:remove_endpoint_group_from_project").await?;
    let was = identity.set_given(Given::Group, &group, &project, false).await?;
    if was { Ok(StatusCode::NO_CONTENT) } else { Err(not_given(&group, &project)) }
}
