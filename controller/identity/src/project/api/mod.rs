//! `/v3/projects`, their tags, and `/v3/domains`.

pub(crate) mod domain;
pub(crate) mod tag;

use super::{Project, store, wire};
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
    let items = projects.iter().filter(|project| has_tags(project, &params));
    let items = items.map(|project| wire::render(project, context.url())).collect();
    Ok(Json(crate::wire::list("projects", items, &context.self_link())))
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
    let mut conn = identity.db.read().await.map_err(IdentityError::from)?;
    for (flag, key) in [("parents_as_list", "parents"), ("subtree_as_list", "subtree")] {
        if params.has(flag) {
            let ids = match key {
                "parents" => store::parents(&mut conn, &found.id).await,
                _ => store::subtree(&mut conn, &found.id).await,
            };
            let ids: Vec<_> = ids.map_err(IdentityError::from)?.iter().map(ToString::to_string).collect();
            let listed = store::list_ids(&mut conn, &ids).await.map_err(IdentityError::from)?;
            let listed = listed.iter().filter(|project| !project.is_domain);
            body[key] = listed.map(|project| json!({"project": wire::render(project, context.url())})).collect();
        }
    }
    Ok(Json(json!({"project": body})))
}

async fn update(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
    Json(body): Json<wire::Create>,
) -> Result<Json<Value>, ApiError> {
    let found = crate::policy::visible(identity.project(&id).await, &context, "identity:update_project", target)?;
    let changed = identity.update_project(&found.id, body.project.into_change(&found)?).await?;
    Ok(Json(json!({"project": wire::render(&changed, context.url())})))
}

async fn delete(
    State(identity): State<Identity>,
    context: Context,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let found = crate::policy::visible(identity.project(&id).await, &context, "identity:delete_project", target)?;
    if found.is_domain {
        return Err(ApiError::forbidden("A project that is a domain is deleted as a domain."));
    }
    identity.delete_project(&found.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
