//! `/v3/projects`, their tags, and `/v3/domains`.

pub(crate) mod domain;
pub(crate) mod tag;

use super::{Direction, Project, store, wire};
use crate::{Identity, IdentityError};
use axum::extract::{Path, State};
use controller_web::{ApiError, Context, Json, Params, Routes, Target};
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn routes() -> Routes<Identity> {
    Routes::new()
        .get("/v3/projects", "identity:list_projects", list)
        .post("/v3/projects", "identity:create_project", create)
        .get("/v3/projects/{project_id}", "identity:get_project", show)
        .patch("/v3/projects/{project_id}", "identity:update_project", update)
        .delete("/v3/projects/{project_id}", "identity:delete_project", delete)
}

pub(super) fn target(project: &Project) -> Target {
    Target::none().with("target.project.id", &project.id).with("target.project.domain_id", project.owning_domain())
}

async fn list(State(identity): State<Identity>, context: Context, params: Params) -> Result<Json<Value>, ApiError> {
    let domain = crate::policy::listed_domain(&context, &params)?;
    let target = Target::none().with_maybe("target.domain_id", domain.as_ref());
    context.enforce("identity:list_projects", &target)?;
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    let domains = params.flag("is_domain")?.unwrap_or(false);
    let domain = domain.filter(|_| !domains);
    let projects = store::list(&mut conn, domains, domain.as_ref(), &params).await.map_err(IdentityError::from)?;
    let tagged: Vec<_> = projects.into_iter().filter(|project| has_tags(project, &params)).collect();
    let query = crate::listing::Query { params: &params, context: &context, most: identity.list_limit };
    crate::listing::answer("projects", &tagged, query, |one| one.id.as_str(), wire::render)
}

/// `tags=a,b` (all), `tags-any`, `not-tags` (not all), `not-tags-any`.
fn has_tags(project: &Project, params: &Params) -> bool {
    let wanted = |name: &str| params.get(name).map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>());
    let all = |tags: Vec<String>| tags.iter().all(|tag| project.tags.contains(tag));
    let any = |tags: Vec<String>| tags.iter().any(|tag| project.tags.contains(tag));
    wanted("tags").is_none_or(all)
        && wanted("tags-any").is_none_or(any)
        && wanted("not-tags").is_none_or(|tags| !all(tags))
        && wanted("not-tags-any").is_none_or(|tags| !any(tags))
}

async fn create(
    State(identity): State<Identity>,
    context: Context,
    Json(body): Json<wire::Create>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let own = crate::policy::callers_domain(&context);
    let project = body.project.into_project(own.as_ref())?;
    context.enforce("identity:create_project", &target(&project))?;
    identity.create_project(&project).await?;
    Ok((StatusCode::CREATED, Json(json!({"project": wire::render(&project, context.url())}))))
}

async fn show(
    State(identity): State<Identity>,
    context: Context,
    params: Params,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let found = crate::policy::visible(identity.project(&id).await, &context, "identity:get_project", target)?;
    let mut body = wire::render(&found, context.url());
    for (direction, key) in [(Direction::Above, "parents"), (Direction::Below, "subtree")] {
        let (as_list, as_ids) = (format!("{key}_as_list"), format!("{key}_as_ids"));
        match (params.has(&as_list), params.has(&as_ids)) {
            (true, true) => {
                let reason = format!("Cannot use {as_list} and {as_ids} query params at the same time.");
                return Err(ApiError::bad_request(reason));
            }
            (true, false) => body[key] = relatives_list(&identity, &context, &found, direction).await?,
            (false, true) => body[key] = identity.relatives_ids(&found, direction).await?,
            (false, false) => {}
        }
    }
    Ok(Json(json!({"project": body})))
}

/// Those relatives of a project where the caller has a role.
async fn relatives_list(
    identity: &Identity,
    context: &Context,
    project: &Project,
    direction: Direction,
) -> Result<Value, ApiError> {
    let own = identity.projects_of(context.user_id()).await?;
    let all = identity.relatives(project, direction).await?;
    let seen = all.iter().filter(|one| own.iter().any(|own| own.id == one.id));
    Ok(seen.map(|one| json!({"project": wire::render(one, context.url())})).collect())
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    params: Params,
    Path(id): Path<String>,
    Json(body): Json<wire::Create>,
) -> Result<Json<Value>, ApiError> {
    let found = crate::policy::visible(identity.project(&id).await, &context, "identity:update_project", target)?;
    let change = body.project.into_change(&found)?;
    let changed = identity.update_project(&found.id, change, params.has("cascade")).await?;
    Ok(Json(json!({"project": wire::render(&changed, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    params: Params,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let found = crate::policy::visible(identity.project(&id).await, &context, "identity:delete_project", target)?;
    identity.delete_project(&found, params.has("cascade")).await?;
    Ok(StatusCode::NO_CONTENT)
}
